"""A bill that may have to be corrected, because readings came after it was issued."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CorrectionStatus(StrEnum):
    """What has become of a correction."""

    OPEN = "open"
    """An admin has to decide."""
    CONFIRMED = "confirmed"
    """The bill was taken back and a new one issued."""
    DISMISSED = "dismissed"
    """The bill stands, for a reason."""
    OVERTAKEN = "overtaken"
    """The bill was taken back without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """That a billed session would come out otherwise by what came late.

    ``late_from`` to ``late_to`` is the time that the late readings cover. ``credit_number`` and
    ``new_bill_number`` are what was issued instead of ``bill_number``; ``reason`` is why the bill
    stands, ``closed_by`` who said so.
    """

    id: str
    session_id: str
    bill_number: str
    opened_at: datetime
    late_from: datetime
    late_to: datetime
    status: CorrectionStatus = CorrectionStatus.OPEN
    closed_at: datetime | None = None
    closed_by: str = ""
    reason: str = ""
    credit_number: str | None = None
    new_bill_number: str | None = None
