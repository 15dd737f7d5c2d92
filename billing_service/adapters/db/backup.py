"""The whole database in one file, and back: between SQLite, PostgreSQL and TimescaleDB too.

The file is gzipped text, a JSON value a line:

    {"format": "solarrally-backup", "version": 1, "schema": "0002", "created_at": "…"}
    {"table": "users", "columns": ["id", "name", …]}      for each table, parents first
    ["u-1", "anna", …]                                    a row a line, in order of its key
    {"end": true, "rows": {"users": 1, …}, "sha256": "…"} over all bytes before this line

Decimals are text, times ISO 8601 in UTC, frames' times whole milliseconds, bytes base64: what one
database wrote the other reads to the last digit. Nothing is ever held in memory but a few
thousand rows. Passwords stay hashed; the file deserves the same care as the database.
"""

import asyncio
import base64
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO, cast

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import Date, LargeBinary, Table, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing_service.adapters.db.database import WRITES
from billing_service.adapters.db.migrate import current, head, migrate
from billing_service.adapters.db.tables import metadata
from billing_service.adapters.db.types import (
    ExactDecimal,
    Instant,
    JsonObject,
    UtcDateTime,
)
from billing_service.domain.frame import from_ms

FORMAT = "solarrally-backup"
VERSION = 1
ROWS_AT_A_TIME = 2_000
MAX_LINE_BYTES = 16 * 1024 * 1024
_LEVEL = 5


class BackupRefused(Exception):
    """The backup could not be made or restored; the sentence says why. Nothing was changed."""


type Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""To JSON, and from it; None never reaches either."""


async def backup(engine: AsyncEngine, file: Path) -> dict[str, int]:
    """Write everything to a file, as it is at one moment; return the rows of each table.

    Others may go on writing. The file appears under its name when it is complete, readable to its
    owner alone. Raises BackupRefused when there is one of that name, or the schema is not this
    version's; OSError.
    """
    if await asyncio.to_thread(file.exists):
        raise BackupRefused(f"{file} exists already")
    schema = await current(engine)
    if schema != head():
        raise BackupRefused(
            f"the database is at schema {schema}, not {head()}: run solarrally migrate"
        )
    partial = file.with_name(f"{file.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            rows = await _write(engine, raw, schema)
            raw.flush()
            os.fsync(raw.fileno())
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    return rows


async def _write(engine: AsyncEngine, raw: BinaryIO, schema: str) -> dict[str, int]:
    rows: dict[str, int] = {}
    digest = hashlib.sha256()
    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=_LEVEL, mtime=0) as out:

        def put(*values: object) -> None:
            data = "".join(f"{_json(value)}\n" for value in values).encode()
            digest.update(data)
            out.write(data)

        put(
            {
                "format": FORMAT,
                "version": VERSION,
                "schema": schema,
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        async with engine.connect() as connection:
            options: dict[str, Any] = {WRITES: False}
            if engine.dialect.name == "postgresql":
                # One moment for all tables, however long it takes.
                options |= {
                    "isolation_level": "REPEATABLE READ",
                    "postgresql_readonly": True,
                }
            await connection.execution_options(**options)
            for table in metadata.sorted_tables:
                put({"table": table.name, "columns": [c.name for c in table.columns]})
                rows[table.name] = 0
                async for part in _rows(connection, table):
                    put(*part)
                    rows[table.name] += len(part)
        end = {"end": True, "rows": rows, "sha256": digest.hexdigest()}
        out.write(f"{_json(end)}\n".encode())
    return rows


async def _rows(
    connection: AsyncConnection, table: Table
) -> AsyncIterator[list[list[Any]]]:
    codecs = [codec[0] if codec else None for codec in _codecs(table)]
    query = select(table).order_by(*table.primary_key.columns)
    async with connection.stream(
        query, execution_options={"yield_per": ROWS_AT_A_TIME}
    ) as result:
        async for part in result.partitions():
            yield [
                [
                    value if value is None or to_json is None else to_json(value)
                    for value, to_json in zip(row, codecs, strict=True)
                ]
                for row in part
            ]


async def restore(
    engine: AsyncEngine, file: Path, *, timescaledb: bool = True
) -> dict[str, int]:
    """Fill an empty database from a file; return the rows of each table.

    The schema is made first if there is none. All happens in one transaction, which is undone
    unless the file is whole and its checksum right. Raises BackupRefused, also when the database
    has data; OSError when the file cannot be read.
    """
    with gzip.open(file, "rb") as source:
        lines = _Lines(source, file)
        header = lines.next()
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise BackupRefused(f"{file} is not a backup of SolarRally")
        if header.get("version") != VERSION:
            raise BackupRefused(
                f"{file} has format version {header.get('version')}; this program reads {VERSION}"
            )
        if header.get("schema") != head():
            raise BackupRefused(
                f"{file} is of schema {header.get('schema')}, this program's is {head()}: "
                "restore it with the version that made it, then upgrade"
            )
        await migrate(engine, timescaledb=timescaledb)
        async with engine.begin() as connection:
            await _refuse_data(connection)
            rows = await _fill(connection, lines)
    return rows


async def _refuse_data(connection: AsyncConnection) -> None:
    for table in metadata.sorted_tables:
        if await connection.scalar(select(1).select_from(table).limit(1)):
            raise BackupRefused(
                f"the database has data already (table {table.name}); restore into an empty one"
            )


async def _fill(connection: AsyncConnection, lines: _Lines) -> dict[str, int]:
    rows: dict[str, int] = {}
    table: Table | None = None
    waiting: list[list[Any]] = []

    async def flush() -> None:
        if table is not None and waiting:
            await _insert(connection, table, waiting, lines)
            rows[table.name] += len(waiting)
            waiting.clear()

    while True:
        value = lines.next()
        if isinstance(value, list):
            if table is None or len(value) != len(table.columns):
                raise lines.broken("a row that fits no table")
            waiting.append(value)
            if len(waiting) >= ROWS_AT_A_TIME:
                await flush()
            continue
        await flush()
        if not isinstance(value, dict):
            raise lines.broken("neither a row nor a table")
        if value.get("end") is True:
            if value.get("rows") != rows or value.get("sha256") != lines.digest:
                raise lines.broken("the checksum is wrong")
            lines.expect_end()
            break
        table = metadata.tables.get(str(value.get("table")))
        if table is None or table.name in rows:
            raise lines.broken(f"table {value.get('table')} is unknown or comes twice")
        if value.get("columns") != [column.name for column in table.columns]:
            raise lines.broken(f"table {table.name} has other columns")
        rows[table.name] = 0
    if connection.dialect.name == "postgresql":
        await _count_on(connection)
    return rows


async def _insert(
    connection: AsyncConnection,
    table: Table,
    rows: Iterable[list[Any]],
    lines: _Lines,
) -> None:
    codecs = [codec[1] if codec else None for codec in _codecs(table)]
    try:
        values = [
            [
                value if value is None or from_json is None else from_json(value)
                for value, from_json in zip(row, codecs, strict=True)
            ]
            for row in rows
        ]
    except (ValueError, TypeError, InvalidOperation) as error:
        raise lines.broken(f"table {table.name}: {error}") from error
    if connection.dialect.name == "postgresql":
        await _copy(connection, table, values)
        return
    names = [column.name for column in table.columns]
    await connection.execute(
        insert(table), [dict(zip(names, row, strict=True)) for row in values]
    )


async def _copy(
    connection: AsyncConnection, table: Table, rows: Iterable[list[Any]]
) -> None:
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
    return Jsonb if isinstance(kind, type(JsonObject)) else None


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


class _Lines:
    """Reads JSON lines, and hashes what it has read."""

    def __init__(self, source: gzip.GzipFile, file: Path) -> None:
        self._source = source
        self._file = file
        self._hash = hashlib.sha256()
        self._number = 0

    @property
    def digest(self) -> str:
        """The SHA-256 of all lines read so far, but for the last one, which tells it."""
        return self._hash.hexdigest()

    def next(self) -> Any:
        """Return the next value. Raises BackupRefused at the end, or when it cannot be read."""
        self._number += 1
        try:
            line = self._source.readline(MAX_LINE_BYTES)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise self.broken(str(error)) from error
        if not line.endswith(b"\n"):
            raise self.broken("it ends too early")
        try:
            value = json.loads(line)
        except ValueError as error:
            raise self.broken("not JSON") from error
        if not (isinstance(value, dict) and value.get("end") is True):
            self._hash.update(line)
        return value

    def expect_end(self) -> None:
        """Raise BackupRefused when more follows."""
        try:
            more = self._source.read(1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise self.broken(str(error)) from error
        if more:
            raise self.broken("something follows its end")

    def broken(self, why: str) -> BackupRefused:
        """Return the error that tells where."""
        return BackupRefused(f"{self._file} is damaged at line {self._number}: {why}")


def _codecs(table: Table) -> list[Codec | None]:
    return [_codec(column.type) for column in table.columns]


def _codec(kind: Any) -> Codec | None:
    if isinstance(kind, ExactDecimal):
        return str, _decimal
    if isinstance(kind, UtcDateTime):
        return datetime.isoformat, datetime.fromisoformat
    if isinstance(kind, Date):
        return date.isoformat, date.fromisoformat
    if isinstance(kind, LargeBinary):
        return lambda b: base64.b64encode(b).decode(), base64.b64decode
    return None


def _decimal(value: str) -> Decimal:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no decimal")
    return Decimal(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def tables_of(rows: dict[str, int]) -> Iterator[str]:
    """Yield a line for each table that has rows, for people."""
    return (f"{number:>12,} {name}" for name, number in rows.items() if number)
