"""What is kept to look things up: messages that broke the contract, and the audit log."""

from datetime import datetime
from typing import Any

from billing_service.api.schemas.base import Out


class RejectedOut(Out):
    """A message that broke the contract. ``payload`` may be cut, and shows bytes as text."""

    received_at: datetime
    topic: str
    reason: str
    message: str
    payload: str


class RejectedPage(Out):
    """One page, newest first, and how many are kept by reason."""

    items: list[RejectedOut]
    counts: dict[str, int]
    total: int
    limit: int
    offset: int


class AuditEntryOut(Out):
    """Who did what to what, when and from where, and how it was before and after."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str | None


class AuditPage(Out):
    """One page, newest first, and how many entries there are in all."""

    items: list[AuditEntryOut]
    total: int
    limit: int
    offset: int
