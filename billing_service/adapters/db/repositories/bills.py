"""Issued bills, numbered without gaps, and the CDRs they rest on."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_service.adapters.db import documents
from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import (
    bill_counters,
    bill_credits,
    bill_evidence,
    bill_payments,
    bills,
    cdrs,
    sessions,
)
from billing_service.domain.bill import Bill, BillKind, BillRecord, BillStatus
from billing_service.domain.cdr import Cdr
from billing_service.domain.errors import Conflict, NotFound, SessionBilled
from billing_service.domain.session import Session
from billing_service.services.ports import BillQuery, Clock, Page, Viewer

_TAKEN_BACK = bill_credits.alias("taken_back")
_IS_CREDIT = bill_credits.alias("is_credit")


class BillRepository(Repository):
    """The ``Bills`` port."""

    def __init__(self, connection: AsyncConnection, clock: Clock) -> None:
        """Keep the clock that says when a bill was stored."""
        super().__init__(connection)
        self._clock = clock

    async def issue(
        self,
        session: Session,
        cdr: Cdr,
        make: Callable[[str], Bill],
        *,
        series: str,
        year: int,
    ) -> Bill:
        """Take the next number of the series and year, make the bill and store all.

        Numbers read ``{series}{year}-{ordinal}``, at least six digits. Raises SessionBilled when
        the session has a bill. A rolled-back transaction gives the number back.
        """
        return await self.issue_collective(
            [(session, cdr)], make, series=series, year=year
        )

    async def issue_collective(
        self,
        rated: Sequence[tuple[Session, Cdr]],
        make: Callable[[str], Bill],
        *,
        series: str,
        year: int,
    ) -> Bill:
        """Like ``issue``, for one bill over several sessions of one driver."""
        bill = await self._store(make, rated[0][0].user_id, series, year)
        for session, cdr in rated:
            taken = await self._connection.execute(
                update(sessions)
                .where(sessions.c.id == session.id, sessions.c.bill_id.is_(None))
                .values(bill_id=bill.number)
            )
            if taken.rowcount != 1:
                raise SessionBilled(f"session {session.id} has a bill already")
            await self._connection.execute(
                insert(cdrs).values(
                    id=str(uuid4()),
                    session_id=session.id,
                    bill_number=bill.number,
                    created_at=self._clock(),
                    document=documents.dump(cdr),
                )
            )
        return bill

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
        number = record.bill.number
        note = await self._store(make, record.user_id, series, year)
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(
                    insert(bill_credits).values(
                        bill_number=number,
                        credit_number=note.number,
                        reason=reason,
                        created_at=self._clock(),
                    )
                )
        except IntegrityError as error:
            raise Conflict(f"Bill {number} was taken back already.") from error
        await self._connection.execute(
            update(sessions).where(sessions.c.bill_id == number).values(bill_id=None)
        )
        return note

    async def pay(self, number: str, *, paid_on: date, reference: str) -> None:
        """Note that a bill was paid. Raises Conflict when that is noted already."""
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(
                    insert(bill_payments).values(
                        bill_number=number,
                        paid_on=paid_on,
                        reference=reference,
                        created_at=self._clock(),
                    )
                )
        except IntegrityError as error:
            raise Conflict(f"Bill {number} is paid already.") from error

    async def get(self, number: str, viewer: Viewer) -> BillRecord:
        """Return one. Raises NotFound, also for another's bill."""
        result = await self._connection.execute(
            _visible(_records(), viewer).where(bills.c.number == number)
        )
        row = result.first()
        if row is None:
            raise NotFound(f"there is no bill {number}")
        return _record(row)

    async def page(self, query: BillQuery, viewer: Viewer) -> Page[BillRecord]:
        """Return one page, newest first."""
        found = _visible(_records(), viewer).where(*_filters(query))
        total = await self._connection.scalar(
            select(func.count()).select_from(found.subquery())
        )
        result = await self._connection.execute(
            found.order_by(
                bills.c.issued_on.desc(), bills.c.created_at.desc(), bills.c.number
            )
            .limit(query.limit)
            .offset(query.offset)
        )
        return Page(tuple(_record(row) for row in result), total or 0)

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
        query = BillQuery(issued_from=issued_from, issued_to=issued_to)
        found = _visible(_records(), viewer).where(*_filters(query))
        if after is not None:
            found = found.where(
                tuple_(bills.c.issued_on, bills.c.number)
                > tuple_(literal(after[0], bills.c.issued_on.type), literal(after[1]))
            )
        result = await self._connection.execute(
            found.order_by(bills.c.issued_on, bills.c.number).limit(limit)
        )
        return [_record(row) for row in result]

    async def cdrs(self, number: str) -> dict[str, Cdr]:
        """Return the CDRs a bill rests on, by session id."""
        result = await self._connection.execute(
            select(cdrs.c.session_id, cdrs.c.document).where(
                cdrs.c.bill_number == number
            )
        )
        return {row.session_id: documents.load(Cdr, row.document) for row in result}

    async def _store(
        self, make: Callable[[str], Bill], user_id: str | None, series: str, year: int
    ) -> Bill:
        """Number a document and store it."""
        ordinal = await self._next(series, year)
        number = f"{series}{year}-{ordinal:06d}"
        bill = make(number)
        await self._connection.execute(
            insert(bills).values(
                number=number,
                series=series,
                year=year,
                ordinal=ordinal,
                issued_on=bill.issued_on,
                created_at=self._clock(),
                user_id=user_id,
                currency=bill.currency,
                total=bill.total,
                document=documents.dump(bill),
            )
        )
        return bill

    async def _next(self, series: str, year: int) -> int:
        """Count on. The row stays locked until this transaction ends."""
        counter = self._insert(bill_counters).values(series=series, year=year, last=1)
        result = await self._connection.execute(
            counter.on_conflict_do_update(
                index_elements=["series", "year"],
                set_={"last": bill_counters.c.last + 1},
            ).returning(bill_counters.c.last)
        )
        ordinal: int = result.scalar_one()
        return ordinal

    async def of_session(self, session_id: str) -> Bill | None:
        """Return the session's bill."""
        text = await self._connection.scalar(
            select(bills.c.document)
            .join(sessions, sessions.c.bill_id == bills.c.number)
            .where(sessions.c.id == session_id)
        )
        return None if text is None else documents.load(Bill, text)

    async def cdr(self, session_id: str) -> Cdr | None:
        """Return the CDR the session's bill rests on."""
        text = await self._connection.scalar(
            select(cdrs.c.document)
            .join(
                sessions,
                (sessions.c.id == cdrs.c.session_id)
                & (sessions.c.bill_id == cdrs.c.bill_number),
            )
            .where(sessions.c.id == session_id)
        )
        return None if text is None else documents.load(Cdr, text)


def _records() -> Select[Any]:
    """Select bills with what has become of them."""
    return (
        select(
            bills.c.document,
            bills.c.user_id,
            bill_evidence.c.sha256,
            bill_payments.c.paid_on,
            bill_payments.c.reference,
            _TAKEN_BACK.c.credit_number,
            func.coalesce(_TAKEN_BACK.c.reason, _IS_CREDIT.c.reason).label("reason"),
        )
        .outerjoin(bill_evidence, bill_evidence.c.bill_number == bills.c.number)
        .outerjoin(bill_payments, bill_payments.c.bill_number == bills.c.number)
        .outerjoin(_TAKEN_BACK, _TAKEN_BACK.c.bill_number == bills.c.number)
        .outerjoin(_IS_CREDIT, _IS_CREDIT.c.credit_number == bills.c.number)
    )


def _visible(query: Select[Any], viewer: Viewer) -> Select[Any]:
    if viewer.is_admin:
        return query
    return query.where(bills.c.user_id == viewer.user_id)


def _filters(query: BillQuery) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if query.user_id is not None:
        where.append(bills.c.user_id == query.user_id)
    if query.issued_from is not None:
        where.append(bills.c.issued_on >= query.issued_from)
    if query.issued_to is not None:
        where.append(bills.c.issued_on <= query.issued_to)
    if query.kind is not None:
        credit = _IS_CREDIT.c.credit_number.is_not(None)
        where.append(credit if query.kind is BillKind.CREDIT_NOTE else ~credit)
    void = _TAKEN_BACK.c.credit_number.is_not(None)
    paid = bill_payments.c.paid_on.is_not(None)
    match query.status:
        case BillStatus.VOID:
            where.append(void)
        case BillStatus.PAID:
            where += [paid, ~void]
        case BillStatus.ISSUED:
            where += [~paid, ~void]
        case BillStatus.DRAFT:
            where.append(bills.c.number.is_(None))
    return where


def _record(row: Row[Any]) -> BillRecord:
    return BillRecord(
        bill=documents.load(Bill, row.document),
        user_id=row.user_id,
        sha256=row.sha256,
        paid_on=row.paid_on,
        payment_reference=row.reference or "",
        credited_by=row.credit_number,
        credit_reason=row.reason or "",
    )
