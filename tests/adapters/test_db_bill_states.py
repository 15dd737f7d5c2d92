"""What becomes of bills: payments and credit notes stand beside them and only grow."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from billing_service.adapters.db import Database
from billing_service.domain.bill import Bill, BillKind, BillStatus
from billing_service.domain.billing import credit_note
from billing_service.domain.correction import Correction, CorrectionStatus
from billing_service.domain.errors import Conflict, NotFound, SessionBilled
from billing_service.domain.frame import to_ms
from billing_service.domain.proof import FIRST_LINK, BillEvidence, Proof
from billing_service.services.ports import BillQuery
from tests.adapters.database import (
    ADMIN,
    DRIVER,
    NOW,
    OTHER,
    bill,
    cdr,
    open_database,
    populate,
    session,
)

TODAY = date(2026, 11, 23)


@pytest_asyncio.fixture
async def database(tmp_path: Path, relational_kind: str) -> AsyncIterator[Database]:
    """Yield a database with users, a station and five completed sessions."""
    async with open_database(tmp_path, relational_kind) as made:
        async with made.write() as uow:
            await populate(uow)
            for number in range(1, 6):
                await uow.sessions.save(session(f"s-{number}"))
            await uow.commit()
        yield made


async def _issued(database: Database, *session_ids: str, day: date = TODAY) -> str:
    """Issue one bill over sessions; return its number."""
    async with database.write() as uow:
        rated = [(await uow.sessions.get(each, ADMIN), cdr()) for each in session_ids]
        made = await uow.bills.issue_collective(
            rated,
            lambda number: replace(bill(number), issued_on=day),
            series="SR-",
            year=2026,
        )
        await uow.commit()
    return made.number


async def _credited(database: Database, number: str) -> Bill:
    async with database.write() as uow:
        record = await uow.bills.get(number, ADMIN)
        note = await uow.bills.credit(
            record,
            lambda taken: credit_note(record.bill, number=taken, issued_on=TODAY),
            series="CN-",
            year=2026,
            reason="wrong driver",
        )
        await uow.commit()
    return note


async def _paid(database: Database, number: str) -> None:
    async with database.write() as uow:
        await uow.bills.pay(number, paid_on=TODAY, reference="bank")
        await uow.commit()


async def test_one_bill_over_several_sessions(database: Database) -> None:
    """Each session names it and keeps its CDR."""
    number = await _issued(database, "s-1", "s-2")
    async with database.read() as read:
        for session_id in ("s-1", "s-2"):
            assert (await read.sessions.get(session_id, ADMIN)).bill_id == number
            assert await read.bills.cdr(session_id) == cdr()
        assert await read.bills.cdrs(number) == {"s-1": cdr(), "s-2": cdr()}


async def test_a_collective_bill_is_all_or_nothing(database: Database) -> None:
    """One session that has a bill already, and none gets another."""
    await _issued(database, "s-2")
    with pytest.raises(SessionBilled):
        await _issued(database, "s-1", "s-2")
    async with database.read() as read:
        assert (await read.sessions.get("s-1", ADMIN)).bill_id is None
    assert await _issued(database, "s-3") == "SR-2026-000002"


async def test_a_credit_note_frees_the_sessions(database: Database) -> None:
    """It has a number of its own series; the bill is void, its CDR kept, a new bill possible."""
    number = await _issued(database, "s-1")
    note = await _credited(database, number)
    assert (note.number, note.corrects) == ("CN-2026-000001", number)
    async with database.read() as read:
        before = await read.bills.get(number, ADMIN)
        assert (before.status, before.credited_by) == (BillStatus.VOID, note.number)
        assert before.bill == bill(number)
        stored = await read.bills.get(note.number, ADMIN)
        assert (stored.bill, stored.credit_reason) == (note, "wrong driver")
        assert await read.bills.of_session("s-1") is None
        assert await read.bills.cdrs(number) == {"s-1": cdr()}
    assert await _issued(database, "s-1") == "SR-2026-000002"


async def test_a_bill_is_taken_back_once(database: Database) -> None:
    """Also by two processes at once: one credit note, and its series has no gap."""
    number = await _issued(database, "s-1")
    other = Database(str(database.url), lambda: NOW)
    results = await asyncio.gather(
        _credited(database, number), _credited(other, number), return_exceptions=True
    )
    await other.dispose()
    assert sorted(type(each).__name__ for each in results) == ["Bill", "Conflict"]
    second = await _issued(database, "s-2")
    assert (await _credited(database, second)).number == "CN-2026-000002"


async def test_a_bill_is_paid_once(database: Database) -> None:
    """The second time is refused; the first stands."""
    number = await _issued(database, "s-1")
    await _paid(database, number)
    with pytest.raises(Conflict):
        await _paid(database, number)
    async with database.read() as read:
        record = await read.bills.get(number, ADMIN)
    assert (record.status, record.paid_on, record.payment_reference) == (
        BillStatus.PAID,
        TODAY,
        "bank",
    )


async def test_another_s_bill_is_not_there(database: Database) -> None:
    """By number it is not found, in the list it does not show nor count."""
    number = await _issued(database, "s-1")
    async with database.read() as read:
        assert (await read.bills.get(number, DRIVER)).bill.number == number
        with pytest.raises(NotFound):
            await read.bills.get(number, OTHER)
        assert (await read.bills.page(BillQuery(), DRIVER)).total == 1
        spying = BillQuery(user_id="u-driver")
        assert (await read.bills.page(spying, OTHER)).total == 0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (BillQuery(), ["CN-2026-000001", "SR-2026-000003", "SR-2026-000002"]),
        (BillQuery(limit=1, offset=1), ["SR-2026-000003"]),
        (BillQuery(kind=BillKind.CREDIT_NOTE), ["CN-2026-000001"]),
        (BillQuery(status=BillStatus.VOID), ["SR-2026-000001"]),
        (BillQuery(status=BillStatus.PAID), ["SR-2026-000003"]),
        (
            BillQuery(status=BillStatus.ISSUED, kind=BillKind.BILL),
            ["SR-2026-000002"],
        ),
        (BillQuery(status=BillStatus.DRAFT), []),
        (BillQuery(issued_to=TODAY - timedelta(days=9)), ["SR-2026-000001"]),
        (
            BillQuery(issued_from=TODAY - timedelta(days=9), kind=BillKind.BILL),
            ["SR-2026-000003", "SR-2026-000002"],
        ),
        (BillQuery(user_id="u-other"), []),
    ],
)
async def test_the_list_is_filtered_and_paged(
    database: Database, query: BillQuery, expected: list[str]
) -> None:
    """Newest first; the total counts what matches, not what the page shows."""
    void = await _issued(database, "s-1", day=TODAY - timedelta(days=10))
    await _issued(database, "s-2", day=TODAY - timedelta(days=5))
    await _paid(database, await _issued(database, "s-3", day=TODAY))
    await _credited(database, void)
    async with database.read() as read:
        page = await read.bills.page(query, ADMIN)
    listed = [record.bill.number for record in page.items]
    if query == BillQuery():
        assert sorted(listed[:2]) == ["CN-2026-000001", "SR-2026-000003"]
        assert listed[2:] == ["SR-2026-000002", "SR-2026-000001"]
        assert page.total == 4
    elif query.limit == 1:
        assert (len(listed), page.total) == (1, 4)
    else:
        assert (listed, page.total) == (expected, len(expected))


@pytest.mark.parametrize("table", ["bill_payments", "bill_credits"])
@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM {table}", "UPDATE {table} SET created_at = created_at"],
)
async def test_states_cannot_be_changed(
    database: Database, table: str, statement: str
) -> None:
    """By no statement, whoever is connected."""
    number = await _issued(database, "s-1")
    await _paid(database, number)
    await _credited(database, number)
    async with database.engine.connect() as connection:
        with pytest.raises(IntegrityError, match="never changes"):
            await connection.execute(text(statement.format(table=table)))


async def test_lists_are_read_in_stretches(database: Database) -> None:
    """Each session and bill once, in order, and only the viewer's."""
    numbers = [
        await _issued(database, f"s-{n}", day=TODAY - timedelta(days=n % 2))
        for n in range(1, 5)
    ]
    ids: list[str] = []
    found: list[str] = []
    async with database.read() as read:
        at: tuple[datetime, str] | None = None
        while part := await read.sessions.stretch(
            DRIVER, started_from=None, started_to=None, after=at, limit=2
        ):
            ids += [each.id for each in part]
            at = part[-1].started_at, part[-1].id
        day: tuple[date, str] | None = None
        while some := await read.bills.stretch(
            DRIVER, issued_from=None, issued_to=TODAY, after=day, limit=3
        ):
            found += [each.bill.number for each in some]
            day = some[-1].bill.issued_on, some[-1].bill.number
        assert not await read.bills.stretch(
            OTHER, issued_from=None, issued_to=None, after=None, limit=9
        )
    assert ids == [f"s-{n}" for n in range(1, 6)]
    assert found == [numbers[0], numbers[2], numbers[1], numbers[3]]


async def test_evidence_is_chained_and_cannot_be_changed(database: Database) -> None:
    """Each link follows from the one before, also of two processes; triggers refuse a change."""
    numbers = [await _issued(database, f"s-{n}") for n in range(1, 4)]
    other = Database(str(database.url), lambda: NOW)

    async def prove(of: Database, number: str) -> Proof:
        async with of.write() as uow:
            place = await uow.proofs.next()
            proof = await uow.proofs.add(place, BillEvidence(bill=bill(number)))
            await uow.commit()
        return proof

    made = await asyncio.gather(
        *(
            prove(of, each)
            for of, each in zip((database, other, database), numbers, strict=True)
        )
    )
    await other.dispose()
    previous = FIRST_LINK
    for proof in sorted(made, key=lambda each: each.ordinal):
        assert proof.holds
        assert proof.previous == previous
        previous = proof.link
    async with database.read() as read:
        stored = await read.proofs.by_hash(made[0].sha256)
        assert stored == made[0]
        assert (await read.bills.get(numbers[0], ADMIN)).sha256 == made[0].sha256
        assert await read.proofs.evidence(numbers[0]) == BillEvidence(
            bill=bill(numbers[0])
        )
    async with database.engine.connect() as connection:
        with pytest.raises(IntegrityError, match="never changes"):
            await connection.execute(text("UPDATE bill_evidence SET link = 'x'"))


async def test_a_session_has_one_open_correction(database: Database) -> None:
    """The database refuses a second; a closed one makes room; closing twice is told."""
    number = await _issued(database, "s-1")

    def correction(correction_id: str) -> Correction:
        return Correction(
            id=correction_id,
            session_id="s-1",
            bill_number=number,
            opened_at=NOW,
            late_from=NOW,
            late_to=NOW,
        )

    async with database.write() as uow:
        await uow.corrections.open(correction("a"))
        await uow.corrections.widen("s-1", (to_ms(NOW) - 1000, to_ms(NOW) + 1000))
        await uow.commit()
    async with database.write() as uow:
        with pytest.raises(IntegrityError):
            await uow.corrections.open(correction("b"))
    async with database.write() as uow:
        dismissed = CorrectionStatus.DISMISSED
        assert await uow.corrections.close("a", dismissed, at=NOW, by="admin")
        assert not await uow.corrections.close("a", dismissed, at=NOW, by="admin")
        await uow.corrections.open(correction("b"))
        page = await uow.corrections.page(CorrectionStatus.OPEN, limit=9, offset=0)
        assert [each.id for each in page.items] == ["b"]
        closed = await uow.corrections.get("a")
        assert (closed.late_to - closed.late_from).total_seconds() == 2
