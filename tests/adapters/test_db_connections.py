"""Transactions, and which databases can be opened."""

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from billing_service.adapters.db import Database
from billing_service.adapters.db.database import database_url
from billing_service.domain.errors import StoreUnavailable
from tests.adapters.database import (
    NOW,
    user,
)


async def test_reading_does_not_wait_for_a_writer(database: Database) -> None:
    """A reader sees what was committed, while another transaction is writing."""
    async with database.write() as writing:
        await writing.users.save(user("u-other", full_name="New"))
        async with database.read() as reading:
            assert (await reading.users.get("u-other")) == user("u-other")
        await writing.commit()
    async with database.read() as reading:
        changed = await reading.users.get("u-other")
    assert changed == user("u-other", full_name="New")


@pytest.mark.parametrize("relational_kind", ["sqlite"])
async def test_sqlite_is_set_up_for_safety(database: Database) -> None:
    """Write-ahead log, foreign keys, and triggers that REPLACE cannot pass."""
    async with database.engine.connect() as connection:
        found = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in (
                "journal_mode",
                "foreign_keys",
                "synchronous",
                "recursive_triggers",
            )
        }
    assert found == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 1,
        "recursive_triggers": 1,
    }


async def test_a_database_that_cannot_be_opened_is_away(tmp_path: Path) -> None:
    """A folder in the file's place is told as such, not as a driver's error."""
    (tmp_path / "taken.db").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'taken.db'}", lambda: NOW)
    with pytest.raises(StoreUnavailable):
        await database.ping()
    await database.dispose()
    # The driver's threads report to this test's loop; they are done when it ends.
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "not a database URL"),
        ("nonsense", "not a database URL"),
        ("mysql://host/db", "mysql is not supported"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, why: str) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match=why):
        database_url(url)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///a.db", "sqlite+aiosqlite"),
        ("postgresql://u:p@host/db", "postgresql+psycopg"),
        ("postgresql+asyncpg://u:p@host/db", "postgresql+psycopg"),
    ],
)
def test_the_driver_is_ours_to_choose(url: str, driver: str) -> None:
    """Users write the plain URL."""
    assert database_url(url).drivername == driver
