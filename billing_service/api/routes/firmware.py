"""Firmware images, and updates of stations."""

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from billing_service import patterns
from billing_service.api.deps import AdminActor, ServicesDep, StationId
from billing_service.api.errors import SILENT
from billing_service.api.routes.logs import OCTETS, body_of
from billing_service.api.schemas.stations import FirmwareOut, UpdateIn, UpdateOut

router = APIRouter(tags=["firmware"])

STREAMED = re.compile(r"/firmware/")
"""Paths whose bodies are read as they come, with limits of their own."""

Sha256 = Annotated[str, Path(pattern=patterns.SHA256)]
Ticket = Annotated[str, Query(pattern=patterns.TICKET)]


@router.get("/firmware/")
async def list_firmware(_: AdminActor, services: ServicesDep) -> list[FirmwareOut]:
    """Return the images that are kept, the newest first."""
    return [
        FirmwareOut.model_validate(image) for image in await services.updates.images()
    ]


@router.post("/firmware/", status_code=HTTPStatus.CREATED, openapi_extra=OCTETS)
async def add_firmware(
    actor: AdminActor, services: ServicesDep, request: Request
) -> FirmwareOut:
    """Keep an ESP32 application image (``firmware.ota.bin``); the body is the file.

    Header, checksum and digest are checked; version and chip are read from it. 413 ``too_large``
    beyond 8 MiB; 422 ``invalid_input`` says why it could not be installed. The same image again
    changes nothing.
    """
    image = await services.updates.add(actor, body_of(request))
    return FirmwareOut.model_validate(image)


@router.delete("/firmware/{sha256}", status_code=HTTPStatus.NO_CONTENT)
async def delete_firmware(
    actor: AdminActor, services: ServicesDep, sha256: Sha256
) -> None:
    """Delete an image; what became of its updates stays known.

    409 ``update_running`` while it is on its way to a station.
    """
    await services.updates.delete(actor, sha256)


@router.get(
    "/firmware/{sha256}/image",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def get_image(services: ServicesDep, sha256: Sha256, ticket: Ticket) -> Response:
    """Return an image to the station that is being updated, by the ticket of its update."""
    content = await services.updates.content(sha256, ticket)
    return Response(content, media_type="application/octet-stream")


@router.post(
    "/stations/{station_id}/update",
    status_code=HTTPStatus.ACCEPTED,
    responses=SILENT,
)
async def update_station(
    actor: AdminActor,
    services: ServicesDep,
    station_id: StationId,
    body: UpdateIn,
    request: Request,
) -> UpdateOut:
    """Tell a station to install an image. 202 once it has agreed; its outcome follows.

    409 ``command_refused`` carries the station's ``error`` (``busy``, ``not_supported``, …), 409
    ``update_running`` when one is under way, 504 ``station_silent`` when nothing answered.
    """
    update = await services.updates.start(
        actor,
        station_id,
        body.sha256,
        services.public_url or str(request.base_url),
    )
    return UpdateOut.model_validate(update)


@router.get("/stations/{station_id}/updates")
async def list_updates(
    _: AdminActor, services: ServicesDep, station_id: StationId
) -> list[UpdateOut]:
    """Return a station's updates, the newest first, each with its outcome once there is one."""
    return [
        UpdateOut.model_validate(update)
        for update in await services.updates.of_station(station_id)
    ]
