"""The audit log. It only grows: database triggers refuse anything else."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from billing_service import patterns
from billing_service.api.deps import AdminActor, Limit, Offset, ServicesDep
from billing_service.api.schemas.records import AuditEntryOut, AuditPage
from billing_service.services.ports import AuditQuery

router = APIRouter(prefix="/audit", tags=["audit"])

MAX_ID = 2**63 - 1

Text = Annotated[str | None, Query(max_length=200, pattern=patterns.SOUGHT)]


@router.get("/")
async def read_audit_log(
    actor: AdminActor,
    services: ServicesDep,
    subject: Text = None,
    who: Text = None,
    action: Text = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    before_id: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> AuditPage:
    """Return who did what to tariffs, users, stations, sessions and bills, newest first.

    ``subject`` is whole, such as ``tariff:home``; ``who`` is part of a name or id, ``action`` the
    beginning of one, such as ``user.``. Pages by ``before_id`` (the last id seen) stay in step
    while the log grows.
    """
    page = await services.audit.page(
        AuditQuery(
            subject=subject,
            actor=who,
            action=action,
            since=since,
            until=until,
            before_id=before_id,
            limit=limit,
            offset=offset,
        ),
        actor.viewer,
    )
    return AuditPage(
        items=[AuditEntryOut.model_validate(entry) for entry in page.items],
        total=page.total,
        limit=limit,
        offset=offset,
    )
