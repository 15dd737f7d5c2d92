"""Bills and their documents."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from billing_service.domain.bill import Bill, BillKind, BillRecord, BillStatus
from billing_service.domain.cdr import Cdr
from billing_service.domain.proof import ChartPoint
from billing_service.domain.session import Session
from billing_service.services.ports.common import Page
from billing_service.services.ports.people import Viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class BillQuery:
    """Filters and paging of the list of bills; newest first. ``issued_to`` is included."""

    kind: BillKind | None = None
    status: BillStatus | None = None
    user_id: str | None = None
    issued_from: date | None = None
    issued_to: date | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """What new bills say of who issues them, and what their numbers begin with.

    ``bill_series`` begins each bill's number, ``credit_series`` each credit note's. ``locale`` is
    what bills are printed in unless their customer wants another. ``vat_note`` says why there is no
    VAT where there is none.
    """

    name: str
    address: tuple[str, ...] = ()
    vat_id: str = ""
    email: str = ""
    bill_series: str = "SR-"
    credit_series: str = "CN-"
    locale: str = ""
    vat_note: str = ""
    payment_days: int | None = None
    payment_info: str = ""


class Suppliers(Protocol):
    """Who issues bills: one."""

    async def get(self) -> Supplier | None:
        """Return what an admin has set; None: nothing yet."""

    async def save(self, new: Supplier) -> None:
        """Insert or replace."""

    async def delete(self) -> None:
        """Forget what an admin has set."""


class Bills(Protocol):
    """Issued bills and the CDRs they rest on."""

    async def issue(
        self,
        session: Session,
        cdr: Cdr,
        make: Callable[[str], Bill],
        *,
        series: str,
        year: int,
    ) -> Bill:
        """Take the next number, make the bill with it and store both, in this transaction.

        Numbers read ``{series}{year}-{ordinal}``. Raises SessionBilled when the session has a
        bill already. A rolled-back transaction gives the number back, so that numbers have no
        gap.
        """

    async def issue_collective(
        self,
        rated: Sequence[tuple[Session, Cdr]],
        make: Callable[[str], Bill],
        *,
        series: str,
        year: int,
    ) -> Bill:
        """Like ``issue``, for one bill over several sessions of one driver."""

    async def credit(
        self,
        record: BillRecord,
        make: Callable[[str], Bill],
        *,
        series: str,
        year: int,
        reason: str,
    ) -> Bill:
        """Take a bill back: number and store its credit note and free its sessions.

        Raises Conflict when it was taken back already.
        """

    async def pay(self, number: str, *, paid_on: date, reference: str) -> None:
        """Note that a bill was paid. Raises Conflict when that is noted already."""

    async def get(self, number: str, viewer: Viewer) -> BillRecord:
        """Return one. Raises NotFound, also for another's bill."""

    async def page(self, query: BillQuery, viewer: Viewer) -> Page[BillRecord]:
        """Return one page, newest first."""

    async def stretch(
        self,
        viewer: Viewer,
        *,
        issued_from: date | None,
        issued_to: date | None,
        after: tuple[date, str] | None,
        limit: int,
    ) -> list[BillRecord]:
        """Return the next of the viewer's bills after (issued_on, number), oldest first."""

    async def cdrs(self, number: str) -> dict[str, Cdr]:
        """Return the CDRs a bill rests on, by session id."""

    async def of_session(self, session_id: str) -> Bill | None:
        """Return the session's bill."""

    async def cdr(self, session_id: str) -> Cdr | None:
        """Return the CDR the session's bill rests on."""


class BillRenderer(Protocol):
    """Turns a bill's numbers into a document; does no arithmetic on them."""

    def __call__(
        self, bill: Bill, chart: Sequence[ChartPoint], sha256: str | None = None
    ) -> bytes:
        """Return a PDF. ``sha256`` is the hash over the bill's evidence, printed and embedded."""
