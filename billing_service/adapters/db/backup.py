"""The whole database into one file, and back: between SQLite, PostgreSQL and TimescaleDB too.

Nothing is ever held in memory but a few thousand rows. Passwords stay hashed; the file deserves
the same care as the database. Its format is that of ``backup_file``.
"""

import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import Row as SqlRow
from sqlalchemy import Table, delete, func, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import JSON
from sqlalchemy.types import Text as TextType

from billing_service.adapters.db.backup_file import (
    ROWS_AT_A_TIME,
    BackupRefused,
    Row,
    Writer,
    read,
)
from billing_service.adapters.db.database import WRITES, is_away, unavailable
from billing_service.adapters.db.migrate import current, head, migrate
from billing_service.adapters.db.tables import installation, metadata
from billing_service.adapters.db.types import Instant
from billing_service.domain.frame import from_ms

__all__ = ["BackupRefused", "backup", "restore"]


async def backup(engine: AsyncEngine, file: Path) -> dict[str, int]:
    """Write everything to a file, as it is at one moment; return the rows of each table.

    Others may go on writing. The file appears under its name when it is complete, readable to its
    owner alone. Raises BackupRefused when there is one of that name, or the schema is not this
    version's, or the file cannot be made; StoreUnavailable; OSError.
    """
    if file.exists():  # noqa: ASYNC240 - a command's own file
        raise BackupRefused(f"{file} exists already")
    schema = await current(engine)
    if schema is None:
        raise BackupRefused("the database is empty: there is nothing to back up")
    if schema != head():
        raise BackupRefused(
            f"the database is at schema {schema}, not {head()}: run solarrally migrate"
        )
    with _appearing(file) as raw, _told(doing="reading"):
        return await _write(engine, raw, schema)


@contextmanager
def _appearing(file: Path) -> Iterator[BinaryIO]:
    """Yield a file that gets its name when all went well, and else goes."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError as error:
        raise BackupRefused(
            f"{file} cannot be written: {error.strerror}; name a file in a folder that is there"
        ) from error
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            yield raw
            raw.flush()
            os.fsync(raw.fileno())
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)


async def _write(engine: AsyncEngine, raw: BinaryIO, schema: str) -> dict[str, int]:
    async with engine.connect() as connection:
        options: dict[str, Any] = {WRITES: False}
        if engine.dialect.name == "postgresql":
            # One moment for all tables, however long it takes.
            options |= {
                "isolation_level": "REPEATABLE READ",
                "postgresql_readonly": True,
            }
        await connection.execution_options(**options)
        with Writer(raw, schema) as out:
            for table in metadata.sorted_tables:
                out.table(table)
                async for part in _rows(connection, table):
                    out.add(part)
            out.finish()
    return out.rows


async def _rows(
    connection: AsyncConnection, table: Table
) -> AsyncIterator[Sequence[SqlRow[Any]]]:
    query = select(table).order_by(*table.primary_key.columns)
    async with connection.stream(
        query, execution_options={"yield_per": ROWS_AT_A_TIME}
    ) as result:
        async for part in result.partitions():
            yield part


async def restore(
    engine: AsyncEngine,
    file: Path,
    *,
    takes_over: bool = False,
    timescaledb: bool = True,
) -> dict[str, int]:
    """Fill an empty database from a file; return the rows of each table.

    It becomes an installation of its own, for two of one name would take each other's messages
    from the broker; unless it ``takes_over`` from the one that was backed up.

    The file is read to its end and checked before the database is touched; the schema is made if
    there is none. All rows come in one transaction. Raises BackupRefused, also when the database
    has data; MigrationFailed and StoreUnavailable.
    """
    for _ in read(file, head()):
        pass
    await migrate(engine, timescaledb=timescaledb)
    with _told(doing="restoring"):
        async with engine.begin() as connection:
            await _refuse_data(connection)
            parts = read(file, head())
            if not takes_over:
                return await _fill(connection, _anew(parts))
            await connection.execute(delete(installation))
            return await _fill(connection, parts)


def _anew(
    parts: Iterable[tuple[Table, list[Row]]],
) -> Iterator[tuple[Table, list[Row]]]:
    """Leave out what makes an installation the one that it is."""
    for table, rows in parts:
        yield table, [] if table is installation else rows


async def _refuse_data(connection: AsyncConnection) -> None:
    """Keep others from writing until the transaction ends, and see that none has before."""
    if connection.dialect.name == "postgresql":
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        await connection.execute(
            text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
        )
    for table in metadata.sorted_tables:
        if table is installation:
            # A service that was started on the empty database has named itself.
            continue
        if await connection.scalar(select(1).select_from(table).limit(1)):
            raise BackupRefused(
                f"the database has data already (table {table.name}); restore into an empty one"
            )


async def _fill(
    connection: AsyncConnection, parts: Iterable[tuple[Table, list[Row]]]
) -> dict[str, int]:
    rows: dict[str, int] = {}
    is_postgres = connection.dialect.name == "postgresql"
    for table, part in parts:
        rows[table.name] = rows.get(table.name, 0) + len(part)
        if not part:
            continue
        if is_postgres:
            await _copy(connection, table, part)
        else:
            names = [column.name for column in table.columns]
            await connection.execute(
                insert(table), [dict(zip(names, row, strict=True)) for row in part]
            )
    if is_postgres:
        await _count_on(connection)
    return rows


async def _copy(connection: AsyncConnection, table: Table, rows: Iterable[Row]) -> None:
    raw = (await connection.get_raw_connection()).driver_connection
    driver = cast("psycopg.AsyncConnection[Any]", raw)
    for_copy = [_for_copy(column.type) for column in table.columns]
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    async with (
        driver.cursor() as cursor,
        cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN'.encode()) as copy,
    ):
        for row in rows:
            await copy.write_row([
                value if value is None or make is None else make(value)
                for value, make in zip(row, for_copy, strict=True)
            ])  # fmt: skip


def _for_copy(kind: Any) -> Callable[[Any], Any] | None:
    """Return what SQLAlchemy's type would do for an insert; COPY goes past it."""
    if isinstance(kind, Instant):
        return from_ms
    if isinstance(kind, JSON):
        return lambda value: Jsonb(_storable(value))
    return _storable if isinstance(kind, TextType) else None


def _storable(value: Any) -> Any:
    """Replace what SQLite keeps and PostgreSQL refuses in text: NUL and lone surrogates."""
    if isinstance(value, str):
        if "\x00" in value or not value.isascii():
            value = value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
            return "".join(
                "\N{REPLACEMENT CHARACTER}" if "\ud800" <= each <= "\udfff" else each
                for each in value
            )
        return value
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(each) for name, each in value.items()}
    return value


async def _count_on(connection: AsyncConnection) -> None:
    """Let automatic row numbers go on after the restored ones."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        highest = await connection.scalar(select(func.max(column)))
        if highest is not None:
            await connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, :column), :value)"),
                {"table": table.name, "column": column.name, "value": highest},
            )


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """Translate the database's errors: away, or a row that it does not take."""
    try:
        yield
    except (DBAPIError, psycopg.Error, sqlite3.Error) as error:
        if is_away(error):
            raise unavailable(error) from error
        cause = error.orig if isinstance(error, DBAPIError) else error
        said = " ".join(str(cause).split())
        raise BackupRefused(f"{doing} failed; nothing was changed: {said}") from error
