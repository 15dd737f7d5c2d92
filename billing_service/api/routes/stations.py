"""Stations."""

from fastapi import APIRouter

from billing_service.api.deps import AdminActor, CurrentActor, ServicesDep, StationId
from billing_service.api.schemas import StationOut, StationPatch
from billing_service.services.stations import StationChanges
from billing_service.services.users import UNSET

router = APIRouter(prefix="/stations", tags=["stations"])


@router.get("/")
async def list_stations(actor: CurrentActor, services: ServicesDep) -> list[StationOut]:
    """Return the stations one may use; an admin's are all."""
    stations = await services.stations.visible(actor.viewer)
    return [StationOut.model_validate(station) for station in stations]


@router.get("/{station_id}")
async def get_station(
    actor: CurrentActor, services: ServicesDep, station_id: StationId
) -> StationOut:
    """Return one station."""
    station = await services.stations.one(station_id, actor.viewer)
    return StationOut.model_validate(station)


@router.patch("/{station_id}")
async def change_station(
    actor: AdminActor,
    services: ServicesDep,
    station_id: StationId,
    body: StationPatch,
) -> StationOut:
    """Change a station's name, time zone, rating, and who may use it."""
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
    return StationOut.model_validate(station)
