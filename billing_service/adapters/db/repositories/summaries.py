"""Summaries of frames, and whether they still stand for all that was stored."""

import inspect
import json
import sys
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    Row,
    Tuple,
    bindparam,
    delete,
    literal,
    select,
    tuple_,
)

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.repositories.frames import BLOCK, PILOTS, SOURCES
from billing_service.adapters.db.tables import frame_blocks, frame_summaries, frames
from billing_service.domain import frame, register, stretch
from billing_service.domain.frame import NO_BOOT, Frame, Key
from billing_service.domain.stretch import Extremes, Stretch
from billing_service.domain.summary import Summary
from billing_service.services.ports import Span

_table = frame_summaries.c
_key = tuple_(*frame_summaries.primary_key)
_DELETE_OVERLAPS = delete(frame_summaries).where(
    _key.in_(
        select(*frame_summaries.primary_key)
        .where(
            _table.station_id == bindparam("of_station"),
            _table.session == bindparam("of_session"),
            _table.boot == bindparam("of_boot"),
            _table.first_seq <= bindparam("until_seq"),
            _table.last_seq >= bindparam("from_seq"),
        )
        # What another transaction replaces just now is left to it: ingest and metering, each with
        # several sessions, would wait for each other.
        .with_for_update(skip_locked=True)
    )
)


class SummaryRepository(Repository):
    """The ``Summaries`` port."""

    async def of_session(
        self, station_id: str, station_session: str, *, after: Key | None = None
    ) -> list[Summary | Span]:
        """Return how to read a named session's frames: summaries, and what lies around them."""
        query = select(frame_summaries).where(
            _table.station_id == station_id,
            _table.session == station_session,
            _table.made_by == _code(),
        )
        if after is not None:
            query = query.where(
                tuple_(_table.boot, _table.first_seq) > _literal(*after)
            )
        result = await self._connection.execute(
            query.order_by(_table.boot, _table.first_seq)
        )
        rows = result.all()
        if not rows:
            return [Span(after)]
        first_frame = await self._first_frame(station_id, station_session, after)
        if first_frame is None:
            return []
        stored = await self._stored(station_id, rows, first_frame)
        found: list[Summary | Span] = []
        at = (first_frame[0], first_frame[1] - 1)
        for row in rows:
            first, last = (row.boot, row.first_seq), (row.boot, row.last_seq)
            if stored.count(first, last) != row.frames or first <= at:
                continue
            before = (row.boot, row.first_seq - 1)
            # Frames without counters have no bits.
            if at[0] == NO_BOOT or stored.count((at[0], at[1] + 1), before):
                found.append(Span(at, before))
            found.append(_summary(station_id, station_session, row))
            at = last
        return [*found, Span(at)]

    async def add(
        self, station_id: str, station_session: str, summaries: Sequence[Summary]
    ) -> None:
        """Store them, in place of those that they overlap."""
        if not summaries:
            return
        values = [
            {
                "station_id": station_id,
                "session": station_session,
                "boot": each.first[0],
                "first_seq": each.first[1],
                "last_seq": each.last[1],
                "frames": each.frames,
                "last_at": each.stretches[-1].last.at_ms,
                "made_by": _code(),
                "stretches": _packed(each),
            }
            for each in summaries
        ]
        overlaps = [
            {
                "of_station": station_id,
                "of_session": station_session,
                "of_boot": each["boot"],
                "from_seq": each["first_seq"],
                "until_seq": each["last_seq"],
            }
            for each in values
        ]
        await self._connection.execute(_DELETE_OVERLAPS, overlaps)
        # Left to one that fails then, the one before is still there.
        new = self._insert(frame_summaries)
        replaced = {
            column.name: new.excluded[column.name]
            for column in frame_summaries.c
            if not column.primary_key
        }
        await self._connection.execute(
            new.on_conflict_do_update(
                index_elements=[*frame_summaries.primary_key], set_=replaced
            ),
            values,
        )

    async def _first_frame(
        self, station_id: str, station_session: str, after: Key | None
    ) -> Key | None:
        query = select(frames.c.boot, frames.c.seq).where(
            frames.c.station_id == station_id, frames.c.session == station_session
        )
        if after is not None:
            query = query.where(tuple_(frames.c.boot, frames.c.seq) > _literal(*after))
        found = await self._connection.execute(
            query.order_by(frames.c.boot, frames.c.seq).limit(1)
        )
        row = found.first()
        return None if row is None else (row.boot, row.seq)

    async def _stored(
        self, station_id: str, rows: Sequence[Row[Any]], first: Key
    ) -> Stored:
        """Return which frames were stored from ``first`` to the last that a summary stands for."""
        last = max((row.boot, row.last_seq) for row in rows)
        block = tuple_(frame_blocks.c.boot, frame_blocks.c.block)
        found = await self._connection.execute(
            select(frame_blocks.c.boot, frame_blocks.c.block, frame_blocks.c.seqs)
            .where(
                frame_blocks.c.station_id == station_id,
                block >= _literal(first[0], first[1] // BLOCK),
                block <= _literal(last[0], last[1] // BLOCK),
            )
            .order_by(frame_blocks.c.boot, frame_blocks.c.block)
        )
        return Stored((row.boot, row.block, row.seqs) for row in found)


class Stored:
    """The bits of ``frame_blocks``: which (boot, seq) of a station were ever stored."""

    def __init__(self, blocks: Iterable[tuple[int, int, bytes]]) -> None:
        """Take blocks in order."""
        self._keys: list[Key] = []
        self._bits: list[int] = []
        for boot, block, seqs in blocks:
            self._keys.append((boot, block))
            self._bits.append(int.from_bytes(seqs, "little"))

    def count(self, first: Key, last: Key) -> int:
        """Return how many from first to last, both included."""
        start, end = (first[0], first[1] // BLOCK), (last[0], last[1] // BLOCK)
        number = 0
        for place in range(
            bisect_left(self._keys, start), bisect_right(self._keys, end)
        ):
            bits = self._bits[place]
            if self._keys[place] == end:
                bits &= (2 << last[1] % BLOCK) - 1
            if self._keys[place] == start:
                bits >>= first[1] % BLOCK
            number += bits.bit_count()
        return number


def _literal(*numbers: int) -> Tuple:
    return tuple_(*map(literal, numbers))


def _packed(summary: Summary) -> bytes:
    """Return a summary's stretches as compressed JSON: a list of numbers for each."""
    made = [
        [
            each.frames,
            _plain(each.first),
            *(
                []
                if each.extremes is None
                else [
                    _plain(each.last),
                    each.half_uj,
                    each.longest_ms,
                    each.needed_mw,
                    each.extremes,
                ]
            ),
            each.last_power_ms,
        ]
        for each in summary.stretches
    ]
    return zlib.compress(json.dumps(made, separators=(",", ":")).encode())


def _summary(station_id: str, session: str, row: Row[Any]) -> Summary:
    found = []
    for number, first, *more, last_power_ms in json.loads(
        zlib.decompress(row.stretches)
    ):
        begin = _frame(station_id, session, row.boot, first)
        if not more:
            found.append(Stretch(begin, begin, 1, 0, 0, 0, last_power_ms, None))
            continue
        last, half_uj, longest_ms, needed_mw, extremes = more
        found.append(
            Stretch(
                begin,
                _frame(station_id, session, row.boot, last),
                number,
                half_uj,
                longest_ms,
                needed_mw,
                last_power_ms,
                Extremes(*extremes),
            )
        )
    return Summary(tuple(found))


def _plain(of: Frame) -> list[int | str | None]:
    return [
        of.seq, of.at_ms, of.voltage_mv, of.current_ma, of.power_mw, of.source.value,
        of.register_mwh, of.solar_mwh, of.grid_mwh, None if of.pilot is None else of.pilot.value,
        int(of.clock_synced),
    ]  # fmt: skip


def _frame(station_id: str, session: str, boot: int, plain: list[Any]) -> Frame:
    (
        seq,
        at_ms,
        voltage,
        current,
        power,
        source,
        total,
        solar,
        grid,
        pilot,
        synced,
    ) = plain
    return Frame(
        station_id, boot, seq, at_ms, voltage, current, power, SOURCES[source], total, solar,
        grid, PILOTS[pilot], session, bool(synced),
    )  # fmt: skip


@cache
def _code() -> str:
    """Return which code tells stretches: what other code has told is not gone by."""
    digest = sha256()
    for module in (frame, register, stretch, sys.modules[__name__]):
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()[:16]
