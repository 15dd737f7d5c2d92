"""The audit log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from billing_service.services.ports.common import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, when and from where, and how it was before and after."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Filters and paging of the audit log; newest first. ``since`` included, ``until`` not.

    ``before_id`` pages through a log that grows meanwhile: entries older than that one.
    """

    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before_id: int | None = None
    limit: int = 50
    offset: int = 0


class Audit(Protocol):
    """The append-only log of what admins and the system did."""

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

    async def page(self, query: AuditQuery) -> Page[AuditEntry]:
        """Return one page, newest first. The caller has checked that the asker is an admin."""

    async def facts(self, action: str, subject: str) -> list[dict[str, Any]]:
        """Return what the entries of an action say of a subject afterwards, oldest first."""
