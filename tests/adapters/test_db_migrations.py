"""The schema: up, down, and in step with the tables that the code works with."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from billing_service.adapters.db import timescale
from billing_service.adapters.db.database import Database
from billing_service.adapters.db.migrate import (
    MigrationFailed,
    current,
    head,
    migrate,
)
from billing_service.adapters.db.tables import IMMUTABLE, metadata
from billing_service.services.ports import AuditQuery
from tests import databases
from tests.adapters.database import NOW, populate
from tests.adapters.frames import count_frames, make_frame
from tests.databases import database_url, utc_now


@pytest_asyncio.fixture
async def database(tmp_path: Path, kind: str) -> AsyncIterator[Database]:
    """Yield an empty, migrated database."""
    async with databases.open_database(kind, tmp_path) as made:
        yield made


def differences(connection: Connection) -> list[Any]:
    """Compare the database with the tables, their types included."""
    opts = {"compare_type": True, "include_object": _is_ours}
    context = MigrationContext.configure(connection, opts=opts)
    return list(compare_metadata(context, metadata))


def _is_ours(_object: object, name: str | None, *_more: object) -> bool:
    """Return False for what TimescaleDB adds."""
    return name is None or not name.startswith("_")


async def tables(database: Database) -> set[str]:
    """Return the names of the tables that are there."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(lambda it: set(inspect(it).get_table_names()))


async def test_migrations_make_the_tables_that_the_code_knows(
    database: Database,
) -> None:
    """Tables, columns, types and indexes agree; nothing is left over."""
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_database_goes_down_to_nothing_and_up_again(
    database: Database,
) -> None:
    """Also with rows in them, tables go down to nothing; the upgrade after it makes them all."""
    before = await tables(database)
    async with database.write() as uow:
        await populate(uow)
        await uow.audit.add(at=NOW, actor="a", action="b", subject="c")
        await uow.commit()
    await migrate(database.engine, "base")
    assert await tables(database) == {"alembic_version"}
    await migrate(database.engine)
    assert await tables(database) == before
    assert await current(database.engine) == head()
    async with database.write() as uow:
        await populate(uow)
        await uow.commit()


async def test_frames_survive_a_step_down_and_up(database: Database, kind: str) -> None:
    """Rows stay, and a frame that was stored before the steps is still known after them."""
    batch = [make_frame(seq) for seq in (0, 1, 2, 9000)]
    async with database.write() as uow:
        await uow.frames.add(batch, utc_now())
        await uow.commit()
    await migrate(database.engine, "0001")
    assert await count_frames(database) == 4
    await migrate(database.engine, timescaledb=kind == "timescaledb")
    async with database.write() as uow:
        again = await uow.frames.add([*batch, make_frame(3)], utc_now())
        await uow.commit()
    assert [frame.seq for frame in again] == [3]
    async with database.read() as uow:
        read = [f.seq async for f in uow.frames.of_session("garage", "1-1")]
    assert read == [0, 1, 2, 3, 9000]


async def test_card_numbers_leave_the_log_with_the_migration(
    database: Database, kind: str
) -> None:
    """What was noted in clear is masked, the rest stays, and the log is locked again."""
    token = {"uid": "04A2B3C4D5E680", "user_id": "anna", "visual_number": "7"}
    await migrate(database.engine, "0013")
    async with database.write() as uow:
        add = uow.audit.add
        await add(at=NOW, actor="a", action="token.add", subject="token:04A2B3C4D5E680",
                  after=token)  # fmt: skip
        await add(at=NOW, actor="a", action="session.assign", subject="session:1",
                  before={"user_id": None}, after={"token": "04A2B3C4D5E680"})  # fmt: skip
        await add(at=NOW, actor="a", action="user.add", subject="user:1")
        await uow.commit()
    await migrate(database.engine, timescaledb=kind == "timescaledb")
    async with database.read() as read:
        user, assign, add_ = (await read.audit.page(AuditQuery())).items
    assert (add_.subject, add_.before) == ("token:*680", None)
    assert add_.after == token | {"uid": "*680"}
    assert (assign.before, assign.after) == ({"user_id": None}, {"token": "*680"})
    assert (user.subject, user.after) == ("user:1", None)
    with pytest.raises(Exception, match="the audit log only grows"):
        async with database.engine.begin() as connection:
            await connection.execute(text("UPDATE audit_log SET actor = 'b'"))


async def test_migrating_twice_changes_nothing(database: Database, kind: str) -> None:
    """Every start migrates; rows stay."""
    async with database.write() as uow:
        await populate(uow)
        await uow.commit()
    await migrate(database.engine, timescaledb=kind == "timescaledb")
    async with database.read() as read:
        assert len(await read.users.all()) == 3


async def test_processes_may_start_at_once(tmp_path: Path, kind: str) -> None:
    """All migrate the same empty database; one does it, the others find it done."""
    async with database_url(kind, tmp_path, migrated=False) as url:
        several = [Database(url, utc_now) for _ in range(3)]
        await asyncio.gather(
            *(
                migrate(each.engine, timescaledb=kind == "timescaledb")
                for each in several
            )
        )
        assert {await current(each.engine) for each in several} == {head()}
        for each in several:
            await each.dispose()


async def test_a_newer_database_is_refused(database: Database) -> None:
    """A database that a newer version made is left alone, with a clear sentence."""
    async with database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE alembic_version SET version_num = '9999'")
        )
    with pytest.raises(MigrationFailed, match="newer version"):
        await migrate(database.engine)
    assert await current(database.engine) == "9999"


async def test_an_unknown_revision_is_refused(database: Database) -> None:
    """A typing error is told, not a traceback."""
    with pytest.raises(MigrationFailed, match="nonsense"):
        await migrate(database.engine, "nonsense")


def test_migrations_do_not_import_the_tables() -> None:
    """What a migration did must not change when the code does."""
    versions = Path("billing_service/adapters/db/migrations/versions")
    files = sorted(versions.glob("0*.py"))
    assert files
    for file in files:
        imported = re.findall(
            r"^(?:from|import) (\S+)", file.read_text("utf-8"), re.MULTILINE
        )
        assert not [name for name in imported if name.startswith("billing_service")]


TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :t",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = CAST(:t AS regclass)"
    " AND NOT tgisinternal",
}


@pytest.mark.parametrize("table", IMMUTABLE)
async def test_every_immutable_table_is_protected(
    database: Database, table: str
) -> None:
    """A trigger stands before every UPDATE and DELETE, and before TRUNCATE where there is one."""
    dialect = database.engine.dialect.name
    async with database.engine.connect() as connection:
        found = await connection.scalars(text(TRIGGERS[dialect]), {"t": table})
        verbs = ("update", "delete") if dialect == "sqlite" else ("change", "truncate")
        assert set(found) == {f"{table}_refuse_{verb}" for verb in verbs}


async def test_timescaledb_is_adopted_by_a_database_that_has_frames(
    tmp_path: Path,
) -> None:
    """A plain database becomes one with chunks when it may; its frames move along."""
    async with database_url("postgresql", tmp_path) as url:
        database = Database(url, utc_now)
        try:
            async with database.write() as uow:
                await uow.frames.add([make_frame(seq) for seq in range(5)], utc_now())
                await uow.commit()
            await migrate(database.engine, timescaledb=False)
            async with database.engine.connect() as connection:
                assert not await timescale.is_hypertable(connection)
            await migrate(database.engine)
            async with database.engine.connect() as connection:
                assert await timescale.is_hypertable(connection)
            assert await count_frames(database) == 5
            async with database.write() as uow:
                assert await uow.frames.add([make_frame(4)], utc_now()) == []
        finally:
            await database.dispose()
