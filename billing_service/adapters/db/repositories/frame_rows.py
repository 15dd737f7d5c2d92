"""Rows of frames in and out at the drivers' own speed, for each of the two.

A day at one frame a second is 86,400 rows: an object for each row and a parameter dictionary for
each insert would cost more than all the rest. Only this module knows the drivers.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain, count, islice
from typing import Any, LiteralString, Protocol, cast

import aiosqlite
import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_service.domain.frame import Frame, Key, from_ms
from billing_service.domain.frame import to_ms as ms_of

type BlockKey = tuple[str, int, int]
"""(station_id, boot, block) of a row of ``frame_blocks``."""

type BlockRow = tuple[str, int, int, bytes, int, int, int | None, int | None]
"""A row of ``frame_blocks``, times in ms."""

COLUMNS = (
    "station_id, boot, seq, at, voltage_mv, current_ma, power_mw, source,"
    " register_mwh, solar_mwh, grid_mwh, pilot, session, clock_synced"
)
READ_ROWS = 5_000
_READ = (
    "boot, seq, at, voltage_mv, current_ma, power_mw, source, register_mwh, solar_mwh,"
    " grid_mwh, pilot, clock_synced"
)
"""What is not known before: whoever reads many frames names their station and session."""
_INSERT = f"frames ({COLUMNS}, received_at)"
_BLOCK_COLUMNS = "station_id, boot, block, seqs, first_at, last_at, due_from, due_to"
_ROW = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT_ONE = f"INSERT INTO {_INSERT} VALUES {_ROW}"  # noqa: S608 - our own
_ROWS_AT_ONCE = 100
_INSERT_MANY = f"{_INSERT_ONE}{f',{_ROW}' * (_ROWS_AT_ONCE - 1)}"
"""SQLite lets go of the interpreter's lock for each statement, and has to wait for it again while
the process is busy receiving: a hundred rows in one statement wait once."""

_LOCK_CLASS = 0x50_1B
"""The first half of the advisory lock's name; the station is the second."""


class FrameRows(Protocol):
    """What the repository needs of a driver. Conditions have ``?`` for parameters."""

    def instant(self, ms: int) -> object:
        """Return a time as the column ``at`` compares it."""

    async def lock(self, stations: Iterable[str]) -> None:
        """Have the stations' blocks to ourselves until the transaction ends."""

    async def blocks(self, keys: Sequence[BlockKey]) -> list[BlockRow]:
        """Return those of the blocks that exist."""

    async def save_blocks(self, blocks: Sequence[BlockRow]) -> None:
        """Insert or replace."""

    async def insert(self, frames: Sequence[Frame], received_ms: int) -> None:
        """Store frames that are known to be new."""

    async def insert_by_time(
        self, frames: Sequence[Frame], received_ms: int
    ) -> set[tuple[str, int]]:
        """Store frames without counters; return (station, at) of the new ones."""

    async def first(
        self, where: str, parameters: Sequence[object]
    ) -> tuple[Any, ...] | None:
        """Return _READ and the session of the first frame; ``where`` may go on with ORDER BY."""

    def select(
        self, where: str, parameters: Sequence[object]
    ) -> AsyncIterator[Sequence[tuple[Any, ...]]]:
        """Yield _READ of frames in parts, in order of (boot, seq)."""

    def of_session(
        self, station_id: str, session: str, after: Key | None, until: Key | None
    ) -> AsyncIterator[Sequence[tuple[Any, ...]]]:
        """Yield the same of a named session's frames: after < (boot, seq) <= until."""


async def frame_rows(connection: AsyncConnection) -> FrameRows:
    """Return the rows of the transaction's own connection."""
    raw = (await connection.get_raw_connection()).driver_connection
    if connection.dialect.name == "postgresql":
        return PostgresFrameRows(cast("psycopg.AsyncConnection[Any]", raw))
    return SqliteFrameRows(cast("aiosqlite.Connection", raw))


class SqliteFrameRows:
    """Rows by aiosqlite, which takes each statement to its own thread: the fewer, the better."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        """Keep the transaction's connection."""
        self._connection = connection

    async def first(
        self, where: str, parameters: Sequence[object]
    ) -> tuple[Any, ...] | None:
        """Return _READ and the session of the first frame."""
        rows = await self._connection.execute_fetchall(
            f"SELECT {_READ}, session FROM frames WHERE {where} LIMIT 1",  # noqa: S608 - our own
            parameters,
        )
        return next((tuple(row) for row in rows), None)

    def instant(self, ms: int) -> int:
        """Return the integer that SQLite keeps."""
        return ms

    async def lock(self, stations: Iterable[str]) -> None:
        """Do nothing: a write transaction is alone."""

    async def blocks(self, keys: Sequence[BlockKey]) -> list[BlockRow]:
        """Return those of the blocks that exist."""
        found: list[BlockRow] = []
        for part in _parts(keys, 1000):
            values = ",".join(["(?,?,?)"] * len(part))
            rows = await self._connection.execute_fetchall(
                f"SELECT {_BLOCK_COLUMNS} FROM frame_blocks"  # noqa: S608 - no input in it
                f" WHERE (station_id, boot, block) IN (VALUES {values})",
                [value for key in part for value in key],
            )
            found += cast("list[BlockRow]", [tuple(row) for row in rows])
        return found

    async def save_blocks(self, blocks: Sequence[BlockRow]) -> None:
        """Insert or replace."""
        await self._connection.executemany(
            f"INSERT INTO frame_blocks ({_BLOCK_COLUMNS}) VALUES (?,?,?,?,?,?,?,?)"  # noqa: S608
            f" {_REPLACE_BLOCK}",
            blocks,
        )

    async def insert(self, frames: Sequence[Frame], received_ms: int) -> None:
        """Store frames that are known to be new."""
        rows = [
            (f.station_id, f.boot, f.seq, f.at_ms, f.voltage_mv, f.current_ma, f.power_mw,
             f.source.value, f.register_mwh, f.solar_mwh, f.grid_mwh,
             None if f.pilot is None else f.pilot.value, f.session, f.clock_synced,
             received_ms)
            for f in frames
        ]  # fmt: skip
        whole = len(rows) - len(rows) % _ROWS_AT_ONCE
        for part in _parts(rows[:whole], _ROWS_AT_ONCE):
            await self._connection.execute(_INSERT_MANY, [*chain.from_iterable(part)])
        await self._connection.executemany(_INSERT_ONE, rows[whole:])

    async def insert_by_time(
        self, frames: Sequence[Frame], received_ms: int
    ) -> set[tuple[str, int]]:
        """Store frames without counters; return (station, at) of the new ones."""
        known: set[tuple[str, int]] = set()
        for part in _parts(frames, 1000):
            values = ",".join(["(?,?,?,?)"] * len(part))
            rows = await self._connection.execute_fetchall(
                "SELECT station_id, at FROM frames WHERE (station_id, boot, seq, at)"  # noqa: S608
                f" IN (VALUES {values})",
                [v for f in part for v in (f.station_id, f.boot, f.seq, f.at_ms)],
            )
            known.update((row[0], row[1]) for row in rows)
        new = {
            (f.station_id, f.at_ms): f
            for f in frames
            if (f.station_id, f.at_ms) not in known
        }
        await self.insert([*new.values()], received_ms)
        return set(new)

    async def select(
        self, where: str, parameters: Sequence[object]
    ) -> AsyncIterator[Sequence[tuple[Any, ...]]]:
        """Yield _READ of frames in parts."""
        async with self._connection.execute(
            f"SELECT {_READ} FROM frames WHERE {where} ORDER BY boot, seq",  # noqa: S608 - our own
            parameters,
        ) as cursor:
            full = True
            while full:
                rows = [*await cursor.fetchmany(READ_ROWS)]
                full = len(rows) == READ_ROWS
                yield cast("list[tuple[Any, ...]]", rows)

    async def of_session(
        self, station_id: str, session: str, after: Key | None, until: Key | None
    ) -> AsyncIterator[Sequence[tuple[Any, ...]]]:
        """Yield the same of a named session's frames: after < (boot, seq) <= until."""
        ends = [
            (row[0], row[1])
            for row in await self._connection.execute_fetchall(
                _ENDS, (station_id, session, station_id, session)
            )
        ]
        if not ends:
            return
        first, last = ends
        if after is not None:
            first = after[0], after[1] + 1
        if until is not None:
            last = min(last, until)
        # Frames lie in order of the primary key. Not told where to begin and end, SQLite reads
        # through all that the station has ever sent.
        where = "station_id = ? AND session = ? AND (boot, seq) >= (?, ?) AND (boot, seq) <= (?, ?)"
        async for rows in self.select(where, [station_id, session, *first, *last]):
            yield rows


class PostgresFrameRows:
    """Rows by psycopg's COPY and its binary results."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Keep the transaction's connection."""
        self._connection = connection

    async def first(
        self, where: str, parameters: Sequence[object]
    ) -> tuple[Any, ...] | None:
        """Return _READ and the session of the first frame."""
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(
            _query(f"{_READ}, session", f"{where} LIMIT 1"), parameters
        )
        return await cursor.fetchone()

    def instant(self, ms: int) -> datetime:
        """Return the aware time that PostgreSQL keeps."""
        return from_ms(ms)

    async def lock(self, stations: Iterable[str]) -> None:
        """Take the stations' advisory locks, in one order everywhere."""
        await self._connection.execute(
            "SELECT pg_advisory_xact_lock(%s, lock) FROM (SELECT DISTINCT hashtext(station)"
            " AS lock FROM unnest(%s::text[]) AS station ORDER BY 1) AS locks",
            (_LOCK_CLASS, [*stations]),
        )

    async def blocks(self, keys: Sequence[BlockKey]) -> list[BlockRow]:
        """Return those of the blocks that exist."""
        stations, boots, blocks = zip(*keys, strict=True)
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(
            f"SELECT {_BLOCK_COLUMNS} FROM frame_blocks JOIN unnest(%s::text[], %s::bigint[],"  # noqa: S608
            " %s::bigint[]) AS wanted (station_id, boot, block) USING (station_id, boot, block)",
            ([*stations], [*boots], [*blocks]),
        )
        return [
            (
                row[0], row[1], row[2], row[3], ms_of(row[4]), ms_of(row[5]),
                None if row[6] is None else ms_of(row[6]),
                None if row[7] is None else ms_of(row[7]),
            )
            for row in await cursor.fetchall()
        ]  # fmt: skip

    async def save_blocks(self, blocks: Sequence[BlockRow]) -> None:
        """Insert or replace."""
        columns = [
            (s, b, k, seqs, *(None if ms is None else from_ms(ms) for ms in times))
            for s, b, k, seqs, *times in blocks
        ]
        await self._connection.execute(
            f"INSERT INTO frame_blocks ({_BLOCK_COLUMNS}) SELECT * FROM unnest(%s::text[],"  # noqa: S608
            " %s::bigint[], %s::bigint[], %s::bytea[], %s::timestamptz[], %s::timestamptz[],"
            f" %s::timestamptz[], %s::timestamptz[]) {_REPLACE_BLOCK}",
            [[*column] for column in zip(*columns, strict=True)],
        )

    async def insert(self, frames: Sequence[Frame], received_ms: int) -> None:
        """Store frames that are known to be new."""
        await self._copy(_INSERT, frames, received_ms)

    async def insert_by_time(
        self, frames: Sequence[Frame], received_ms: int
    ) -> set[tuple[str, int]]:
        """Store frames without counters; return (station, at) of the new ones."""
        await self._connection.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS frames_coming (LIKE frames) ON COMMIT DROP"
        )
        await self._copy("frames_coming", frames, received_ms)
        cursor = await self._connection.execute(
            "INSERT INTO frames SELECT * FROM frames_coming ON CONFLICT DO NOTHING"
            " RETURNING station_id, seq"
        )
        new = {(row[0], row[1]) for row in await cursor.fetchall()}
        await self._connection.execute("TRUNCATE frames_coming")
        return new

    async def _copy(self, into: str, frames: Sequence[Frame], received_ms: int) -> None:
        received_at = from_ms(received_ms)
        at = datetime.fromtimestamp
        async with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types(_TYPES)
            for f in frames:
                await copy.write_row((
                    f.station_id, f.boot, f.seq, at(f.at_ms / 1000, UTC), f.voltage_mv,
                    f.current_ma, f.power_mw, f.source.value, f.register_mwh, f.solar_mwh,
                    f.grid_mwh, None if f.pilot is None else f.pilot.value, f.session,
                    f.clock_synced, received_at,
                ))  # fmt: skip

    async def select(
        self, where: str, parameters: Sequence[object]
    ) -> AsyncIterator[Sequence[tuple[Any, ...]]]:
        """Yield _READ of frames in parts."""
        # A cursor of the server: libpq would otherwise hold the whole session in memory.
        name = f"frames_{next(_cursors)}"
        async with self._connection.cursor(name, binary=True) as cursor:
            await cursor.execute(
                _query(_READ, f"{where} ORDER BY boot, seq"), parameters
            )
            full = True
            while full:
                rows = await cursor.fetchmany(READ_ROWS)
                full = len(rows) == READ_ROWS
                yield rows

    def of_session(
        self, station_id: str, session: str, after: Key | None, until: Key | None
    ) -> AsyncIterator[Sequence[tuple[Any, ...]]]:
        """Yield the same of a named session's frames: after < (boot, seq) <= until."""
        where = ["station_id = ?", "session = ?"]
        parameters: list[object] = [station_id, session]
        if after is not None and until is not None and after[0] == until[0]:
            # Of a pair's upper bound an index scan uses the boot alone, and reads on to its end.
            where += ["boot = ?", "seq > ?", "seq <= ?"]
            parameters += [*after, until[1]]
        else:
            for bound, condition in (
                (after, "(boot, seq) > (?, ?)"),
                (until, "(boot, seq) <= (?, ?)"),
            ):
                if bound is not None:
                    where.append(condition)
                    parameters += bound
        return self.select(" AND ".join(where), parameters)


_cursors = count()

_END = (
    "SELECT * FROM (SELECT boot, seq FROM frames WHERE station_id = ? AND session = ?"
    " ORDER BY boot {0}, seq {0} LIMIT 1)"
)
_ENDS = f"{_END.format('ASC')} UNION ALL {_END.format('DESC')}"
"""The first and the last frame of a named session, found in its index."""


def _query(columns: str, where: str) -> LiteralString:
    columns = columns.replace(" at,", " (extract(epoch FROM at) * 1000)::bigint,")
    query = f"SELECT {columns} FROM frames WHERE {where}"  # noqa: S608 - our own conditions
    return query.replace("?", "%s")


_TYPES = (
    "text", "int8", "int8", "timestamptz", "int4", "int4", "int4", "text",
    "int8", "int8", "int8", "text", "text", "bool", "timestamptz",
)  # fmt: skip

_REPLACE_BLOCK = (
    "ON CONFLICT (station_id, boot, block) DO UPDATE SET seqs = excluded.seqs,"
    " first_at = excluded.first_at, last_at = excluded.last_at,"
    " due_from = excluded.due_from, due_to = excluded.due_to"
)


def _parts[T](items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """Cut into parts: SQLite takes 32,766 parameters, 2,000 in a compound VALUES."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
