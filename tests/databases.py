"""A database for each test: SQLite, plain PostgreSQL, or PostgreSQL with TimescaleDB.

A migrated template of each is made once and copied, for migrating takes longer than most tests.
The PostgreSQL server is started by the first test that needs one and ends with the run.
"""

import asyncio
import atexit
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest

from billing_service.adapters.db import timescale
from billing_service.adapters.db.database import Database
from billing_service.adapters.db.migrate import migrate
from billing_service.services.ports import Clock
from scripts.rig.postgres import Cluster, postgres_bin

KINDS = ("sqlite", "postgresql", "timescaledb")
NO_SERVER = "PostgreSQL with TimescaleDB is not installed; scripts/setup test gets it"

_numbers = count()
_templates: dict[str, bytes] = {}


def utc_now() -> datetime:
    """Return the time now, aware UTC."""
    return datetime.now(UTC)


@cache
def cluster() -> Cluster:
    """Return the run's server. Fails the test when there is none to be had."""
    bin_dir = postgres_bin()
    if bin_dir is None:
        pytest.fail(NO_SERVER)
    made = Cluster(bin_dir)
    atexit.register(made.remove)
    made.start()
    return made


@asynccontextmanager
async def database_url(
    kind: str, folder: Path, *, migrated: bool = True
) -> AsyncIterator[str]:
    """Yield the URL of a new database, empty or migrated to head, which goes with the block."""
    if kind == "sqlite":
        file = folder / f"{uuid4().hex}.db"
        if migrated:
            if kind not in _templates:
                _templates[kind] = await _sqlite_template(folder / "template.db")
            await asyncio.to_thread(file.write_bytes, _templates[kind])
        yield f"sqlite:///{file}"
        return
    server = cluster()
    template = None
    if migrated:
        template = f"template_{kind}"
        if kind not in _templates:
            _templates[kind] = b""
            await asyncio.to_thread(server.create, template)
            await _migrate(server.url(template), kind)
    name = f"test_{next(_numbers)}"
    await asyncio.to_thread(server.create, name, template)
    try:
        yield server.url(name)
    finally:
        await asyncio.to_thread(server.drop, name)


@asynccontextmanager
async def open_database(
    kind: str, folder: Path, clock: Clock = utc_now
) -> AsyncIterator[Database]:
    """Yield a migrated, empty database of a kind."""
    async with database_url(kind, folder) as url:
        database = Database(url, clock)
        try:
            yield database
        finally:
            await database.dispose()


async def _migrate(url: str, kind: str) -> None:
    database = Database(url, utc_now)
    try:
        await migrate(database.engine, timescaledb=kind == "timescaledb")
        async with database.engine.connect() as connection:
            # What a test on TimescaleDB proves, it proves there.
            assert await timescale.is_hypertable(connection) == (kind == "timescaledb")
    finally:
        await database.dispose()


async def _sqlite_template(file: Path) -> bytes:
    await _migrate(f"sqlite:///{file}", "sqlite")
    made = await asyncio.to_thread(file.read_bytes)
    for leftover in file.parent.glob(f"{file.name}*"):
        leftover.unlink()
    return made
