"""What goes over the wire about issued bills."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Self

from babel import Locale, UnknownLocaleError
from pydantic import AfterValidator, Field

from billing_service import patterns
from billing_service.api.schemas.base import In, Line, Number, Out
from billing_service.api.schemas.bills import BillOut
from billing_service.domain.bill import BillKind, BillRecord, BillStatus
from billing_service.domain.correction import CorrectionStatus
from billing_service.services.corrections import CorrectionDetail
from billing_service.services.issuing import DRAFT_NUMBER
from billing_service.services.months import MonthDrafts, MonthIssued, Skipped
from billing_service.services.ports import Customer, Supplier
from billing_service.services.verifying import Outcome, Verdict

Reason = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=patterns.SAYING_LINE),
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

    user_id: Annotated[str, Field(pattern=patterns.ID)] | None = None


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


# -- corrections -----------------------------------------------------------------------------------


class DismissIn(In):
    """Why a bill stands although readings came late."""

    reason: Reason


class CorrectionOut(Out):
    """That readings came late for a billed session, and what was decided."""

    id: str
    session_id: str
    bill_number: str
    status: CorrectionStatus
    opened_at: datetime
    late_from: datetime
    late_to: datetime
    closed_at: datetime | None
    closed_by: str
    reason: str
    credit_number: str | None
    new_bill_number: str | None


class CorrectionPage(Out):
    """One page, and how many corrections there are in all."""

    items: list[CorrectionOut]
    total: int
    limit: int
    offset: int


class CorrectionDetailOut(CorrectionOut):
    """A correction with both bills. ``after`` is a draft while it is open."""

    before: BillOut
    after: BillOut | None
    difference: Number | None = Field(
        description="what the new total is above the old one"
    )

    @classmethod
    def of(cls, detail: CorrectionDetail) -> Self:
        """Make it of a correction with its bills."""
        after = None
        if detail.after is not None:
            after = BillOut.of_record(BillRecord(bill=detail.after))
            if detail.correction.status is CorrectionStatus.OPEN:
                draft = {"status": BillStatus.DRAFT, "number": DRAFT_NUMBER}
                after = after.model_copy(update=draft)
        return cls(
            **CorrectionOut.model_validate(detail.correction).model_dump(),
            before=BillOut.of_record(detail.before),
            after=after,
            difference=None
            if detail.after is None
            else detail.after.total - detail.before.bill.total,
        )


# -- what is proven --------------------------------------------------------------------------------


class CheckOut(Out):
    """One thing that was looked at."""

    name: str
    outcome: Outcome
    sentence: str


class BillFileOut(Out):
    """A PDF of the bill that was given out, and when for the first time."""

    sha256: str
    given_out_at: datetime


class VerdictOut(Out):
    """What is proven of a bill, and what is not. It names nobody."""

    sha256: str
    kind: BillKind
    number: str
    issued_on: date
    currency: str
    total: Number
    energy_wh: Number
    credited_by: str | None
    failed: bool
    files: list[BillFileOut] = Field(
        description="the PDFs that were given out; a file with one of these SHA-256 is genuine,"
        " whatever version printed it"
    )
    checks: list[CheckOut]

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """Make it of a verdict."""
        return cls.model_validate(verdict)


# -- customers -------------------------------------------------------------------------------------


def _locale(value: str) -> str:
    try:
        return str(Locale.parse(value.replace("-", "_"))) if value else ""
    except (UnknownLocaleError, ValueError) as error:
        raise ValueError("must be a locale such as en or de_AT") from error


_VatId = Annotated[str, Field(pattern=patterns.VAT_ID)]


class CustomerIn(In):
    """What bills say of a user; what is empty is taken from their profile."""

    name: Line = ""
    address: Annotated[tuple[Line, ...], Field(max_length=6)] = ()
    vat_id: _VatId = ""
    email: Line = ""
    locale: Annotated[str, Field(max_length=20), AfterValidator(_locale)] = ""

    def customer(self, user_id: str) -> Customer:
        """Return it as a user's."""
        return Customer(user_id=user_id, **self.model_dump())


class CustomerOut(Out):
    """What bills say of a user."""

    user_id: str
    name: str
    address: tuple[str, ...]
    vat_id: str
    email: str
    locale: str


_Series = Annotated[
    str,
    Field(
        pattern=patterns.BILL_SERIES,
        description="Up to 12 of A-Z, 0-9 and -, not ending in a digit",
    ),
]


class SupplierIn(In):
    """What bills say of who issues them, and what their numbers begin with.

    ``payment_days`` null: bills name no day.
    """

    name: Annotated[Line, Field(min_length=1)]
    address: Annotated[tuple[Line, ...], Field(max_length=6)] = ()
    vat_id: _VatId = ""
    email: Line = ""
    bill_series: _Series = "SR-"
    credit_series: _Series = "CN-"
    locale: Annotated[str, Field(max_length=20), AfterValidator(_locale)] = "en"
    vat_note: Line = ""
    payment_days: Annotated[int, Field(ge=0, le=365)] | None = None
    payment_info: Line = ""

    def supplier(self) -> Supplier:
        """Return it as the use cases take it."""
        return Supplier(**self.model_dump())


class SupplierOut(Out):
    """What bills say of who issues them."""

    name: str
    address: tuple[str, ...]
    vat_id: str
    email: str
    bill_series: str
    credit_series: str
    locale: str
    vat_note: str
    payment_days: int | None
    payment_info: str
