"""Fixtures of the tests of adapters."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from billing_service.adapters.db import Database
from billing_service.adapters.db.database import SqlUnitOfWork
from tests.adapters.database import (
    open_database,
    populate,
)
from tests.databases import KINDS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name each kind of database in turn."""
    name: str = request.param
    return name


@pytest.fixture(params=("sqlite", "postgresql"))
def relational_kind(request: pytest.FixtureRequest) -> str:
    """Name the two whose SQL differs: TimescaleDB changes nothing but frames."""
    name: str = request.param
    return name


@pytest_asyncio.fixture
async def database(tmp_path: Path, relational_kind: str) -> AsyncIterator[Database]:
    """Yield a database with three users and a station."""
    async with open_database(tmp_path, relational_kind) as made:
        async with made.write() as uow:
            await populate(uow)
            await uow.commit()
        yield made


@pytest_asyncio.fixture
async def uow(database: Database) -> AsyncIterator[SqlUnitOfWork]:
    """Yield a transaction that is undone."""
    async with database.write() as made:
        yield made
