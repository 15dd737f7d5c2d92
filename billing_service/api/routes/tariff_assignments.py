"""Which tariff covers whom: users, groups, stations."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path

from billing_service import patterns
from billing_service.api.deps import AdminActor, CurrentActor, ServicesDep, StationId
from billing_service.api.schemas.tariffs import AssignmentIn, AssignmentOut
from billing_service.services.tariff_assignments import NewAssignment

router = APIRouter(tags=["tariffs"])

AssignmentId = Annotated[str, Path(pattern=patterns.ID)]


@router.get("/tariff-assignments/")
async def list_tariff_assignments(
    _: AdminActor, services: ServicesDep
) -> list[AssignmentOut]:
    """Return whom tariffs cover or covered, the last begun first."""
    every = await services.tariff_assignments.all()
    return [AssignmentOut.model_validate(each) for each in every]


@router.post("/tariff-assignments/", status_code=HTTPStatus.CREATED)
async def assign_tariff(
    actor: AdminActor, services: ServicesDep, body: AssignmentIn
) -> AssignmentOut:
    """Cover a user or a group, a station, or one of them at a station, with a tariff.

    A tariff that was ever assigned covers nobody else. A session gets, as of its start, the
    tariff of: its driver at its station, its driver, the driver's group at the station, the
    group, the station, everyone. What covered the same before ends when this begins.
    """
    made = await services.tariff_assignments.assign(
        actor, NewAssignment(**body.model_dump())
    )
    return AssignmentOut.model_validate(made)


@router.delete("/tariff-assignments/{assignment_id}", status_code=HTTPStatus.NO_CONTENT)
async def end_tariff_assignment(
    actor: AdminActor, services: ServicesDep, assignment_id: AssignmentId
) -> None:
    """End an assignment now; sessions that began under it keep its tariff."""
    await services.tariff_assignments.end(actor, assignment_id)


@router.get("/stations/{station_id}/tariff")
async def station_tariff(
    actor: CurrentActor, services: ServicesDep, station_id: StationId
) -> dict[str, Any]:
    """Return what one would pay by at a station now. 409 ``no_tariff`` when nothing covers it."""
    return services.write_tariff(
        await services.tariffs.in_force(actor.viewer, station_id)
    )
