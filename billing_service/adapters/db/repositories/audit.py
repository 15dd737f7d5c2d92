"""The append-only log."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import audit_log, audit_personal
from billing_service.services.ports import AuditEntry, AuditQuery, Page

PERSONAL = frozenset({"name", "full_name", "email", "address", "vat_id"})
"""Fields of users that can be erased."""


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
        """Append one entry; what it says of a person is kept beside it."""
        personal: tuple[dict[str, Any] | None, ...] = (None, None)
        kind, _, user_id = subject.partition(":")
        if kind == "user":
            before, personal_before = _parted(before)
            after, personal_after = _parted(after)
            personal = personal_before, personal_after
        result = await self._connection.execute(
            insert(audit_log)
            .values(
                at=at,
                actor=actor,
                action=action,
                subject=subject,
                before=before,
                after=after,
                address=address,
            )
            .returning(audit_log.c.id)
        )
        entry_id = result.scalar_one()
        if any(personal):
            await self._connection.execute(
                insert(audit_personal).values(
                    entry_id=entry_id,
                    user_id=user_id,
                    before=personal[0],
                    after=personal[1],
                )
            )

    async def page(self, query: AuditQuery) -> Page[AuditEntry]:
        """Return one page, newest first."""
        where = _filters(query)
        total = await self._connection.scalar(
            select(func.count()).select_from(audit_log).where(*where)
        )
        result = await self._connection.execute(
            select(
                audit_log,
                audit_personal.c.before.label("personal_before"),
                audit_personal.c.after.label("personal_after"),
            )
            .outerjoin(audit_personal, audit_personal.c.entry_id == audit_log.c.id)
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
                before=_whole(row.before, row.personal_before),
                after=_whole(row.after, row.personal_after),
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


def _parted(
    facts: dict[str, Any] | None,
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return facts without what is personal, and that."""
    if facts is None:
        return None, None
    personal = {name: facts[name] for name in facts if name in PERSONAL}
    return {name: facts[name] for name in facts if name not in PERSONAL}, personal


def _whole(
    facts: dict[str, Any] | None, personal: dict[str, Any] | None
) -> dict[str, Any] | None:
    return facts if not personal else (facts or {}) | personal


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
