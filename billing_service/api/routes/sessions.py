"""Charging sessions and their bills.

Sessions are made of what a station measured; none can be typed in.
"""

from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from billing_service.api.deps import (
    AdminActor,
    CurrentActor,
    IdFilter,
    Limit,
    MomentFilter,
    Offset,
    ServicesDep,
    SessionId,
    scope,
)
from billing_service.api.documents import PDF, Accept, Format, pdf, wants_pdf
from billing_service.api.errors import SILENT
from billing_service.api.schemas.bills import BillOut
from billing_service.api.schemas.sessions import (
    SessionDetailOut,
    SessionIn,
    SessionOut,
    SessionPage,
    StartIn,
    StartingOut,
)
from billing_service.domain.session import SessionStatus
from billing_service.services.ports import SessionQuery
from billing_service.services.sessions import SessionChanges
from billing_service.services.users import UNSET

router = APIRouter(prefix="/sessions", tags=["sessions"])


@router.get("/")
async def list_sessions(
    actor: CurrentActor,
    services: ServicesDep,
    station_id: IdFilter = None,
    user_id: IdFilter = None,
    status: SessionStatus | None = None,
    started_from: MomentFilter = None,
    started_to: MomentFilter = None,
    billed: bool | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> SessionPage:
    """Return one page of one's sessions, newest first; an admin's are everyone's."""
    page = await services.sessions.page(
        SessionQuery(
            station_id=station_id,
            status=status,
            user_id=user_id,
            started_from=started_from,
            started_to=started_to,
            billed=billed,
            limit=limit,
            offset=offset,
        ),
        actor.viewer,
    )
    return SessionPage(
        items=[SessionOut.of(session) for session in page.items],
        total=page.total,
        limit=limit,
        offset=offset,
    )


@router.post(
    "/",
    status_code=HTTPStatus.CREATED,
    response_model=SessionOut,
    responses={202: {"model": StartingOut}, **SILENT},
    openapi_extra=scope("sessions:write"),
)
async def start_session(
    actor: CurrentActor, services: ServicesDep, body: StartIn
) -> Response:
    """Start a charge at a station one may use.

    201 with the session, or 202 when the station agreed and its session has yet to appear; it
    becomes the asker's. 409 ``command_refused`` carries the station's ``error`` (``no_vehicle``,
    ``fault_active``, …), 409 ``station_in_use`` when another user charges there, 504
    ``station_silent`` when nothing answered.
    """
    session = await services.sessions.start(actor, body.station_id)
    if session is None:
        return JSONResponse(
            StartingOut(station_id=body.station_id).model_dump(mode="json"),
            status_code=HTTPStatus.ACCEPTED,
        )
    return JSONResponse(
        SessionOut.of(session).model_dump(mode="json"),
        status_code=HTTPStatus.CREATED,
        headers={"Location": f"/sessions/{session.id}"},
    )


@router.get("/{session_id}")
async def get_session(
    actor: CurrentActor, services: ServicesDep, session_id: SessionId
) -> SessionDetailOut:
    """Return a session with its periods and its cost so far, line by line."""
    return SessionDetailOut.of_detail(
        await services.sessions.get(session_id, actor.viewer)
    )


@router.put("/{session_id}", openapi_extra=scope("sessions:write"), responses=SILENT)
async def change_session(
    actor: CurrentActor,
    services: ServicesDep,
    session_id: SessionId,
    body: SessionIn,
) -> SessionOut:
    """Start or stop the flow of power; as an admin, assign the driver or end the session."""
    session = await services.sessions.change(
        actor,
        session_id,
        SessionChanges(
            charging=UNSET if body.charging is None else body.charging,
            ended=body.status is not None,
            user_id=body.user_id if "user_id" in body.model_fields_set else UNSET,
        ),
    )
    return SessionOut.of(session)


@router.delete("/{session_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_session(
    actor: AdminActor, services: ServicesDep, session_id: SessionId
) -> None:
    """Delete a session; 409 ``session_billed`` once it has a bill.

    What the station measured stays: if it sends more of the session, the session comes back.
    """
    await services.sessions.delete(actor, session_id)


@router.get(
    "/{session_id}/bill",
    response_model=BillOut,
    responses={200: {"content": {PDF: {}}}},
    openapi_extra=scope("bills:read"),
)
async def get_bill(
    actor: CurrentActor,
    services: ServicesDep,
    session_id: SessionId,
    as_: Format = None,
    accept: Accept = "*/*",
) -> Response:
    """Return the session's bill as JSON, or as PDF by ``Accept`` or ``?format=pdf``.

    Before the bill is issued the JSON is a draft with what it would say today, and there is no
    PDF (409 ``conflict``).
    """
    if wants_pdf(as_, accept):
        return pdf(*await services.billing.pdf(session_id, actor.viewer))
    billed = await services.billing.of_session(session_id, actor.viewer)
    return JSONResponse(BillOut.of(billed).model_dump(mode="json"))


@router.post("/{session_id}/bill", status_code=HTTPStatus.CREATED)
async def issue_bill(
    actor: AdminActor, services: ServicesDep, session_id: SessionId
) -> BillOut:
    """Issue the bill of a completed session. It takes the next number and never changes.

    409 ``session_billed``, ``session_open``, ``no_driver`` or ``no_tariff`` say what is in the way.
    """
    return BillOut.of(await services.billing.issue(actor, session_id))
