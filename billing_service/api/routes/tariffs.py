"""Tariffs, as OCPI 2.2.1 JSON with a price by source."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime

from billing_service.api.deps import (
    AdminActor,
    CurrentActor,
    Services,
    ServicesDep,
    TariffId,
    scope,
)
from billing_service.api.schemas.tariffs import (
    PreviewOut,
    PriceSlotOut,
    PricesOut,
    TariffSetOut,
    WarningOut,
)
from billing_service.domain.errors import CdrInvalid, InvalidInput, TariffInvalid
from billing_service.domain.tariff import Tariff
from billing_service.services.audit import Actor

router = APIRouter(prefix="/tariffs", tags=["tariffs"])

Version = Annotated[int, Path(ge=1, le=2**31 - 1)]


def _json_body(schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a body that the route reads by itself."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    }


_OBJECT = {"type": "object"}


@router.get("/")
async def list_tariffs(
    actor: CurrentActor, services: ServicesDep
) -> list[dict[str, Any]]:
    """Return the newest version of each tariff; not those that are assigned to others only."""
    tariffs = await services.tariffs.visible(actor.viewer)
    return [services.write_tariff(tariff) for tariff in tariffs]


@router.post(
    "/preview",
    openapi_extra=scope("tariffs:read")
    | _json_body(
        {
            "type": "object",
            "required": ["session"],
            "properties": {
                "tariff": _OBJECT,
                "tariff_id": {"type": "string"},
                "version": {"type": "integer"},
                "session": _OBJECT,
            },
            "additionalProperties": False,
        }
    ),
)
async def preview(
    actor: CurrentActor, services: ServicesDep, request: Request
) -> PreviewOut:
    """Rate a what-if, with a reason for every line. Nothing is stored.

    ``tariff`` is an OCPI Tariff, or ``tariff_id`` (and ``version``) names a stored one.
    ``session`` has OCPI's CDR fields ``start_date_time``, ``end_date_time`` and
    ``charging_periods``, and ``time_zone`` (IANA, UTC when absent). 422 ``tariff_invalid`` and
    ``cdr_invalid`` name each problem with its JSON path.
    """
    body = await _read_json(request)
    if not isinstance(body, dict):
        raise InvalidInput(("body", "must be an object"))
    if unknown := body.keys() - {"tariff", "tariff_id", "version", "session"}:
        raise InvalidInput(*((str(name), "is not known") for name in sorted(unknown)))
    tariff = await _previewed(services, actor, body)
    try:
        session = services.read_session(body.get("session"))
        cdr, warnings = await services.tariffs.preview(tariff, session)
    except CdrInvalid as error:
        raise CdrInvalid(_under("session", error.problems)) from error
    except TariffInvalid as error:
        raise TariffInvalid(_under("tariff", error.problems)) from error
    return PreviewOut(
        cdr=services.write_cdr(cdr),
        warnings=[
            WarningOut(path=path, message=text)
            for path, text in _under("tariff", warnings)
        ],
    )


@router.get("/{tariff_id}")
async def get_tariff(
    actor: CurrentActor, services: ServicesDep, tariff_id: TariffId
) -> dict[str, Any]:
    """Return the newest version of one tariff."""
    return services.write_tariff(await services.tariffs.latest(tariff_id, actor.viewer))


@router.get("/{tariff_id}/versions")
async def list_tariff_versions(
    actor: CurrentActor, services: ServicesDep, tariff_id: TariffId
) -> list[dict[str, Any]]:
    """Return all versions of a tariff, the newest first. None ever changes."""
    versions = await services.tariffs.versions(tariff_id, actor.viewer)
    return [services.write_tariff(tariff) for tariff in versions]


@router.get("/{tariff_id}/versions/{version}")
async def get_tariff_version(
    actor: CurrentActor, services: ServicesDep, tariff_id: TariffId, version: Version
) -> dict[str, Any]:
    """Return one version of a tariff, such as the one a session began with."""
    return services.write_tariff(
        await services.tariffs.version(tariff_id, version, actor.viewer)
    )


@router.get("/{tariff_id}/prices")
async def tariff_prices(
    actor: CurrentActor,
    services: ServicesDep,
    tariff_id: TariffId,
    from_: Annotated[AwareDatetime, Query(alias="from")],
    to: AwareDatetime,
    time_zone: Annotated[str | None, Query(max_length=64)] = None,
    energy_kwh: Annotated[Decimal, Query(ge=0, le=1000, decimal_places=3)] = Decimal(0),
    duration_s: Annotated[int, Query(ge=0, le=31 * 86_400)] = 0,
) -> PricesOut:
    """Return the newest version's prices between two times, for charts; at most 62 days.

    Local times are those of ``time_zone`` (the service's own when absent). Prices that depend on
    energy or duration are those of a session that has used ``energy_kwh`` and ``duration_s``.
    """
    tariff, slots = await services.tariffs.prices(
        tariff_id,
        from_,
        to,
        time_zone,
        actor.viewer,
        energy_kwh=energy_kwh,
        duration=timedelta(seconds=duration_s),
    )
    return PricesOut(
        tariff_id=tariff.id,
        version=tariff.version,
        currency=tariff.currency,
        tax_included=tariff.tax_included,
        energy_kwh=energy_kwh,
        duration_s=duration_s,
        slots=[PriceSlotOut.of(slot) for slot in slots],
    )


@router.post(
    "/",
    status_code=HTTPStatus.CREATED,
    openapi_extra=scope("tariffs:write") | _json_body(_OBJECT),
    responses={200: {"model": TariffSetOut, "description": "Nothing has changed"}},
)
async def set_tariff(
    actor: AdminActor,
    services: ServicesDep,
    request: Request,
    response: Response,
    assigned_only: Annotated[bool, Query()] = False,
) -> TariffSetOut:
    """Store a tariff as the next version of its id; the service counts the versions.

    A new tariff covers everyone at once, with ``assigned_only`` nobody until it is assigned. A
    warning names the one that it takes the place of.
    Sessions keep the version they began with. 422 ``tariff_invalid`` names each problem with its
    JSON path. The same tariff again stores nothing and answers 200.
    """
    body = await _read_json(request)
    stored = await services.tariffs.set(
        actor, services.read_tariff(body), assigned_only=assigned_only
    )
    if not stored.new:
        response.status_code = HTTPStatus.OK
    return TariffSetOut(
        tariff=services.write_tariff(stored.tariff),
        new=stored.new,
        warnings=[
            WarningOut(path=path, message=text) for path, text in stored.warnings
        ],
    )


async def _previewed(services: Services, actor: Actor, body: dict[str, Any]) -> Tariff:
    """Return the tariff that a preview gives or names."""
    given, named, version = (body.get(n) for n in ("tariff", "tariff_id", "version"))
    if (given is None) == (named is None):
        raise InvalidInput(("tariff", "give either tariff or tariff_id"))
    if given is not None:
        try:
            return services.read_tariff(given)
        except TariffInvalid as error:
            raise TariffInvalid(_under("tariff", error.problems)) from error
    if not isinstance(named, str):
        raise InvalidInput(("tariff_id", "must be a text"))
    if version is None:
        return await services.tariffs.latest(named, actor.viewer)
    if not isinstance(version, int) or isinstance(version, bool):
        raise InvalidInput(("version", "must be a whole number"))
    return await services.tariffs.version(named, version, actor.viewer)


def _under(
    name: str, problems: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Return problems with their paths as seen from the whole body."""
    return tuple((f"$.{name}{path.removeprefix('$')}", text) for path, text in problems)


async def _read_json(request: Request) -> Any:
    """Return the body. Not by way of floats: 0.1 stays 0.1. Raises InvalidInput."""
    refuse: Callable[[str], NoReturn] = _refuse_constant
    try:
        return json.loads(
            await request.body(), parse_float=Decimal, parse_constant=refuse
        )
    except (ValueError, RecursionError) as error:
        raise InvalidInput(("body", "is not JSON")) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
