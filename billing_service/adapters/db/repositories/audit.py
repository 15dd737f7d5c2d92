"""The append-only log."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import audit_log


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
