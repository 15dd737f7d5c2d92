"""The append-only log."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import audit_log
from billing_service.services.ports import AuditEntry, AuditQuery, Page


class AuditRepository(Repository):
    """The ``Audit`` port."""

    async def add(
        self,
        *,
        at: datetime,
        actor: str,
        action: str,
        subject: str,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        address: str | None = None,
    ) -> None:
        """Append one entry."""
        await self._connection.execute(
            insert(audit_log).values(
                at=at,
                actor=actor,
                action=action,
                subject=subject,
                before=before,
                after=after,
                address=address,
            )
        )

    async def page(self, query: AuditQuery) -> Page[AuditEntry]:
        """Return one page, newest first."""
        where = _filters(query)
        total = await self._connection.scalar(
            select(func.count()).select_from(audit_log).where(*where)
        )
        result = await self._connection.execute(
            select(audit_log)
            .where(*where)
            .order_by(audit_log.c.id.desc())
            .limit(query.limit)
            .offset(query.offset)
        )
        items = tuple(
            AuditEntry(
                id=row.id,
                at=row.at,
                actor=row.actor,
                action=row.action,
                subject=row.subject,
                before=row.before,
                after=row.after,
                address=row.address,
            )
            for row in result
        )
        return Page(items, total or 0)

    async def facts(self, action: str, subject: str) -> list[dict[str, Any]]:
        """Return what the entries of an action say of a subject afterwards, oldest first."""
        found = await self._connection.scalars(
            select(audit_log.c.after)
            .where(audit_log.c.subject == subject, audit_log.c.action == action)
            .order_by(audit_log.c.id)
        )
        return [each or {} for each in found]


def _filters(query: AuditQuery) -> list[ColumnElement[bool]]:
    column = audit_log.c
    where: list[ColumnElement[bool]] = []
    if query.subject is not None:
        where.append(column.subject == query.subject)
    if query.actor is not None:
        # With its name or without: "user:ID" finds "user:ID (anna)" and tokens of theirs.
        where.append(column.actor.contains(query.actor, autoescape=True))
    if query.action is not None:
        where.append(column.action.startswith(query.action, autoescape=True))
    if query.since is not None:
        where.append(column.at >= query.since)
    if query.until is not None:
        where.append(column.at < query.until)
    if query.before_id is not None:
        where.append(column.id < query.before_id)
    return where
