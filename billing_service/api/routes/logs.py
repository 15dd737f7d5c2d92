"""Log files that a station wrote while it was offline."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from billing_service.api.deps import AdminActor, ServicesDep, StationId
from billing_service.api.errors import problem, status_of
from billing_service.api.schemas.stations import LogReportOut
from billing_service.domain.errors import UploadRefused

router = APIRouter(prefix="/stations", tags=["stations"])

STREAMED = re.compile(r"/stations/[^/]+/logs")
"""Paths whose bodies are read as they come, with limits of their own."""

OCTETS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"}
            }
        },
    }
}


@router.post("/{station_id}/logs", response_model=LogReportOut, openapi_extra=OCTETS)
async def upload_log(
    actor: AdminActor, services: ServicesDep, station_id: StationId, request: Request
) -> Response:
    """Store the frames of a log file from the station's SD card (docs/protocol/offline-log.md).

    The body is the file, plain or gzip. Each line is judged by itself; the report names lines by
    number. The same file may be sent again, and goes on where it broke off: known frames are only
    counted. 413 ``too_large`` and 422 ``upload_refused`` carry the ``report`` of what was stored
    before the file passed a limit or could not be read on.
    """
    report = await services.uploads.store(actor, station_id, body_of(request))
    shown = LogReportOut.model_validate(report).model_dump(mode="json")
    if report.refused is not None:
        return problem(
            status_of(report.refused),
            report.refused.code,
            f"{report.refused.message[:1].upper()}{report.refused.message[1:]}."
            " What was read before is stored.",
            report=shown,
        )
    return JSONResponse(shown, status_code=HTTPStatus.OK)


async def body_of(request: Request) -> AsyncIterator[bytes]:
    """Yield the body. Raises UploadRefused when the client goes away half-way."""
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise UploadRefused("the upload broke off") from error
