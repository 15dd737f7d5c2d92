"""Tariffs, as OCPI 2.2.1 JSON with a price by source."""

import json
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from billing_service.api.deps import (
    AdminActor,
    CurrentActor,
    ServicesDep,
    TariffId,
    scope,
)
from billing_service.api.schemas import TariffSetOut, WarningOut
from billing_service.domain.errors import InvalidInput

router = APIRouter(prefix="/tariffs", tags=["tariffs"])


@router.get("/")
async def list_tariffs(_: CurrentActor, services: ServicesDep) -> list[dict[str, Any]]:
    """Return the newest version of each tariff."""
    return [services.write_tariff(tariff) for tariff in await services.tariffs.all()]


@router.get("/{tariff_id}")
async def get_tariff(
    _: CurrentActor, services: ServicesDep, tariff_id: TariffId
) -> dict[str, Any]:
    """Return the newest version of one tariff."""
    return services.write_tariff(await services.tariffs.latest(tariff_id))


@router.post(
    "/",
    status_code=HTTPStatus.CREATED,
    openapi_extra=scope("tariffs:write")
    | {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
    responses={200: {"model": TariffSetOut, "description": "Nothing has changed"}},
)
async def set_tariff(
    actor: AdminActor,
    services: ServicesDep,
    request: Request,
    response: Response,
) -> TariffSetOut:
    """Store a tariff as the next version of its id; the service counts the versions.

    422 ``tariff_invalid`` names each problem with its JSON path. The same tariff again stores
    nothing and answers 200.
    """
    # Not by way of floats: 0.1 stays 0.1.
    try:
        body = json.loads(await request.body(), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(("body", "is not JSON")) from error
    stored = await services.tariffs.set(actor, services.read_tariff(body))
    if not stored.new:
        response.status_code = HTTPStatus.OK
    return TariffSetOut(
        tariff=services.write_tariff(stored.tariff),
        new=stored.new,
        warnings=[
            WarningOut(path=path, message=text) for path, text in stored.warnings
        ],
    )
