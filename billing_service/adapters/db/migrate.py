"""Brings a database's schema up to date, or back."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from billing_service.adapters.db import timescale
from billing_service.adapters.db.database import WRITES, is_away, unavailable

_LOCK = 0x50_1A_22_A1
"""Any number: the name of the lock that lets one process migrate at a time (PostgreSQL)."""


class MigrationFailed(Exception):
    """The schema could not be changed; the sentence says why."""


def config() -> Config:
    """Return Alembic's configuration: the migrations shipped in this package."""
    made = Config()
    made.set_main_option("script_location", "billing_service.adapters.db:migrations")
    return made


def head() -> str:
    """Return the revision this version of the service works with."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    assert revision is not None
    return revision


async def current(engine: AsyncEngine) -> str | None:
    """Return the revision the database is at, None when it is empty.

    Raises StoreUnavailable.
    """
    with _told_when_away():
        async with engine.connect() as connection:
            await connection.execution_options(**{WRITES: False})
            return await connection.run_sync(
                lambda sync: MigrationContext.configure(sync).get_current_revision()
            )


async def migrate(
    engine: AsyncEngine, to: str = "head", *, timescaledb: bool = True
) -> None:
    """Upgrade or downgrade to a revision (``head``, ``base``, an id), in one transaction.

    At head, frames become a hypertable where TimescaleDB is there, unless ``timescaledb`` is
    False; one that exists stays. Processes that start together take turns. Raises MigrationFailed
    for an unknown revision, also when the database is newer than this version, and
    StoreUnavailable.
    """
    with _told_when_away():
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(
                    text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK}
                )
            try:
                await connection.run_sync(_migrate, to)
            except CommandError as error:
                raise MigrationFailed(
                    f"cannot migrate to {to}: {error}; "
                    "was this database made by a newer version?"
                ) from error
            if timescaledb and to == "head":
                await timescale.adopt(connection)


@contextmanager
def _told_when_away() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if is_away(error):
            raise unavailable(error) from error
        raise


def _migrate(connection: Connection, to: str) -> None:
    configuration = config()
    configuration.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(configuration)
    at = MigrationContext.configure(connection).get_current_revision()
    if at is not None:
        scripts.get_revision(at)
    if _is_behind(scripts, at, to):
        command.downgrade(configuration, to)
    else:
        command.upgrade(configuration, to)


def _is_behind(scripts: ScriptDirectory, at: str | None, to: str) -> bool:
    """Return whether ``to`` is an ancestor of where the database is."""
    if at is None or to == "head":
        return False
    if to == "base":
        return True
    target = scripts.get_revision(to).revision
    earlier = {each.revision for each in scripts.iterate_revisions(at, "base")}
    return target != at and target in earlier
