"""Stations."""

from http import HTTPStatus

from fastapi import APIRouter

from billing_service.api.deps import (
    AdminActor,
    CurrentActor,
    Services,
    ServicesDep,
    StationId,
)
from billing_service.api.schemas.stations import (
    AccessIn,
    AccessOut,
    StationIn,
    StationOut,
    StationPatch,
)
from billing_service.services.audit import Actor
from billing_service.services.ports import Station
from billing_service.services.stations import StationChanges
from billing_service.services.users import UNSET

router = APIRouter(prefix="/stations", tags=["stations"])


@router.get("/")
async def list_stations(
    actor: CurrentActor, services: ServicesDep, *, pending: bool = False
) -> list[StationOut]:
    """Return the stations one may use; an admin's are all that are accepted.

    ``pending``: as an admin, those that were heard and wait to be accepted, by when they were
    first heard. What they send is stored, and once accepted becomes sessions as if they always
    had been.
    """
    if pending:
        stations = await services.stations.pending(actor.viewer)
    else:
        stations = await services.stations.visible(actor.viewer)
    return await _shown(services, actor, stations)


@router.post("/", status_code=HTTPStatus.CREATED)
async def register_station(
    actor: AdminActor, services: ServicesDep, body: StationIn
) -> StationOut:
    """Make a station known before it has spoken; 409 ``conflict`` when it is known."""
    station = await services.stations.register(
        actor,
        body.id,
        name=body.name,
        time_zone=body.time_zone,
        max_power_w=body.max_power_w,
        user_id=body.user_id,
    )
    return (await _shown(services, actor, [station]))[0]


@router.get("/{station_id}")
async def get_station(
    actor: CurrentActor, services: ServicesDep, station_id: StationId
) -> StationOut:
    """Return one station."""
    station = await services.stations.one(station_id, actor.viewer)
    return (await _shown(services, actor, [station]))[0]


@router.post("/{station_id}/accept")
async def accept_station(
    actor: AdminActor, services: ServicesDep, station_id: StationId
) -> StationOut:
    """Let a station be used that was kept apart; doing it again changes nothing."""
    station = await services.stations.accept(actor, station_id)
    return (await _shown(services, actor, [station]))[0]


@router.patch("/{station_id}")
async def change_station(
    actor: AdminActor,
    services: ServicesDep,
    station_id: StationId,
    body: StationPatch,
) -> StationOut:
    """Change a station's name, time zone, rating, and whose it is.

    From then on the rating is the admin's: what the station says of it is ignored.
    """
    station = await services.stations.change(
        actor,
        station_id,
        StationChanges(
            name=body.name or UNSET,
            time_zone=body.time_zone or UNSET,
            max_power_w=body.max_power_w or UNSET,
            user_id=body.user_id if "user_id" in body.model_fields_set else UNSET,
        ),
    )
    return (await _shown(services, actor, [station]))[0]


@router.get("/{station_id}/access")
async def get_access(
    _actor: AdminActor, services: ServicesDep, station_id: StationId
) -> AccessOut:
    """Return who may use a station."""
    return AccessOut.of(*await services.stations.access(station_id))


@router.put("/{station_id}/access")
async def set_access(
    actor: AdminActor, services: ServicesDep, station_id: StationId, body: AccessIn
) -> AccessOut:
    """Say who may use a station: several users, groups of users, or everyone.

    Counts at once: for others it is not there. Who drives there already may still stop.
    """
    return AccessOut.of(
        *await services.stations.set_access(actor, station_id, body.access())
    )


async def _shown(
    services: Services, actor: Actor, stations: list[Station]
) -> list[StationOut]:
    tariffs = await services.stations.tariffs(stations, actor.viewer)
    return [StationOut.of(station, tariffs.get(station.id)) for station in stations]
