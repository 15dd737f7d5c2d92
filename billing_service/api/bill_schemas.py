"""What goes over the wire about issued bills."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import Field

from billing_service.api.schemas import BillOut, In, Line, Out
from billing_service.services.months import MonthDrafts, MonthIssued, Skipped

Reason = Annotated[
    str,
    Field(
        min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$"
    ),
]
"""Why something was done, in printable text."""


class PaidIn(In):
    """That a bill was paid in full; today when ``paid_on`` is left out."""

    paid_on: date | None = None
    reference: Line = ""


class CreditIn(In):
    """Why a bill is taken back."""

    reason: Reason


class BillPage(Out):
    """One page, and how many bills there are in all."""

    items: list[BillOut]
    total: int
    limit: int
    offset: int


# -- months ----------------------------------------------------------------------------------------


class MonthIn(In):
    """Whose month is billed; everyone's when it is left out."""

    user_id: Annotated[str, Field(pattern="^[A-Za-z0-9_.-]{1,64}$")] | None = None


class SkippedOut(Out):
    """A session that is not on a bill; ``code`` and ``detail`` say what is in the way."""

    session_id: str
    user_id: str | None
    started_at: datetime
    code: str
    detail: str


class MonthOut(Out):
    """A month's bills, drafts or issued now, and what could not be billed."""

    month: str
    bills: list[BillOut]
    skipped: list[SkippedOut]

    @classmethod
    def of_drafts(cls, month: str, drafts: MonthDrafts) -> Self:
        """Make it of what would be billed."""
        return cls(
            month=month,
            bills=[BillOut.of_draft(bill) for bill in drafts.bills],
            skipped=_skipped(drafts.skipped),
        )

    @classmethod
    def of_issued(cls, month: str, issued: MonthIssued) -> Self:
        """Make it of what was billed."""
        return cls(
            month=month,
            bills=[BillOut.of_record(record) for record in issued.bills],
            skipped=_skipped(issued.skipped),
        )


def _skipped(skipped: Iterable[Skipped]) -> list[SkippedOut]:
    return [
        SkippedOut(
            session_id=each.session.id,
            user_id=each.session.user_id,
            started_at=each.session.started_at,
            code=each.error.code,
            detail=each.error.message,
        )
        for each in skipped
    ]
