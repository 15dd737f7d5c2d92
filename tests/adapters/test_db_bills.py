"""Bills: numbered without gaps, issued once, never changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from billing_service.adapters.db import Database
from billing_service.adapters.db.database import SqlUnitOfWork
from billing_service.domain.bill import Bill
from billing_service.domain.errors import SessionBilled
from tests.adapters.database import (
    ADMIN,
    NOW,
    bill,
    cdr,
    open_database,
    populate,
    session,
    tariff,
)


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


async def _issue(uow: SqlUnitOfWork, session_id: str, year: int = 2026) -> Bill:
    stored = await uow.sessions.get(session_id, ADMIN)
    return await uow.bills.issue(stored, cdr(), bill, series="SR-", year=year)


async def _issued(database: Database, session_id: str, year: int = 2026) -> str:
    async with database.write() as uow:
        made = await _issue(uow, session_id, year)
        await uow.commit()
    return made.number


async def _failing(database: Database, session_id: str, error: Exception) -> str:
    """Issue a bill in a transaction that fails after; return the number that was taken."""
    taken = ""
    with suppress(type(error)):
        async with database.write() as uow:
            taken = (await _issue(uow, session_id)).number
            raise error
    return taken


async def test_a_bill_reads_back_as_it_was_issued(database: Database) -> None:
    """Bill and CDR, every digit, and the session names its bill."""
    number = await _issued(database, "s-1")
    assert number == "SR-2026-000001"
    async with database.read() as read:
        assert await read.bills.of_session("s-1") == bill(number)
        assert await read.bills.cdr("s-1") == cdr()
        assert (await read.sessions.get("s-1", ADMIN)).bill_id == number
        assert await read.bills.of_session("s-2") is None
        assert await read.bills.cdr("s-2") is None


async def test_numbers_have_no_gap_after_a_rollback(database: Database) -> None:
    """A transaction that fails after taking a number gives it back."""
    await _issued(database, "s-1")
    taken = await _failing(database, "s-2", RuntimeError())
    assert taken == "SR-2026-000002"
    async with database.write() as uow:
        await _issue(uow, "s-3")  # left without a commit
    assert await _issued(database, "s-4") == "SR-2026-000002"


async def test_a_bill_that_cannot_be_made_takes_no_number(database: Database) -> None:
    """The number is taken first, and given back when making the bill fails."""

    def fail(_number: str) -> Bill:
        raise ArithmeticError

    async with database.write() as uow:
        stored = await uow.sessions.get("s-1", ADMIN)
        with pytest.raises(ArithmeticError):
            await uow.bills.issue(stored, cdr(), fail, series="SR-", year=2026)
    assert await _issued(database, "s-1") == "SR-2026-000001"


async def test_processes_issuing_at_once_share_one_sequence(
    database: Database,
) -> None:
    """Two processes on one file: five bills, five numbers, none twice, none left out."""
    other = Database(str(database.url), lambda: NOW)
    numbers = await asyncio.gather(
        *(
            _issued(which, f"s-{number}")
            for number, which in enumerate([database, other] * 2 + [other], start=1)
        )
    )
    await other.dispose()
    assert sorted(numbers) == [f"SR-2026-{n:06d}" for n in range(1, 6)]


async def test_each_year_and_series_counts_by_itself(database: Database) -> None:
    """The first bill of a new year is number one."""
    assert await _issued(database, "s-1", 2026) == "SR-2026-000001"
    assert await _issued(database, "s-2", 2027) == "SR-2027-000001"
    assert await _issued(database, "s-3", 2026) == "SR-2026-000002"


async def test_a_session_is_billed_once(database: Database) -> None:
    """The second bill is refused and takes no number."""
    await _issued(database, "s-1")
    with pytest.raises(SessionBilled):
        await _issued(database, "s-1")
    assert await _issued(database, "s-2") == "SR-2026-000002"


async def test_two_processes_cannot_bill_one_session(database: Database) -> None:
    """Whoever comes second is told."""
    other = Database(str(database.url), lambda: NOW)
    results = await asyncio.gather(
        _issued(database, "s-1"), _issued(other, "s-1"), return_exceptions=True
    )
    await other.dispose()
    assert sorted(type(result).__name__ for result in results) == [
        "SessionBilled",
        "str",
    ]


async def test_a_billed_session_cannot_be_deleted(database: Database) -> None:
    """Not even when the caller forgot to look."""
    await _issued(database, "s-1")
    with pytest.raises(SessionBilled):
        async with database.write() as uow:
            await uow.sessions.delete("s-1")


async def test_saving_a_session_leaves_its_bill(database: Database) -> None:
    """Metering that saves a session it read before the bill does not take it away."""
    async with database.read() as read:
        before = await read.sessions.get("s-1", ADMIN)
    number = await _issued(database, "s-1")
    async with database.write() as uow:
        await uow.sessions.save(replace(before, frames=1))
        await uow.commit()
    async with database.read() as read:
        after = await read.sessions.get("s-1", ADMIN)
    assert (after.bill_id, after.frames) == (number, 1)


REPLACE = "INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
"""SQLite's way past a trigger on DELETE; PostgreSQL's is TRUNCATE."""


@pytest.mark.parametrize("table", ["bills", "cdrs", "tariffs", "audit_log"])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {table}",
        "UPDATE {table} SET {column} = {column}",
        REPLACE,
    ],
)
async def test_what_is_issued_cannot_be_changed(
    database: Database, table: str, statement: str
) -> None:
    """By no statement of a connection as the service makes it; the rows stay as they were."""
    column = {"audit_log": "actor"}.get(table, "document")
    if statement is REPLACE and database.engine.dialect.name == "postgresql":
        statement = "TRUNCATE {table} CASCADE"
    await _issued(database, "s-1")
    async with database.write() as uow:
        await uow.tariffs.add(tariff())
        await uow.audit.add(at=NOW, actor="a", action="b", subject="c")
        await uow.commit()
    count = text(f"SELECT count(*) FROM {table}")  # noqa: S608 -- names from above
    async with database.engine.connect() as connection:
        before = await connection.scalar(count)
        with pytest.raises(IntegrityError, match=r"never changes|only grows"):
            await connection.execute(text(statement.format(table=table, column=column)))
        await connection.rollback()
        assert await connection.scalar(count) == before == 1
