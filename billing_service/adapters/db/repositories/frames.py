"""Every frame exactly once, and back again in order.

Whether a frame was stored before is read from ``frame_blocks``, which keep a bit for each
(station, boot, seq), 4,096 to a row: a frame stays known when its row has been dropped, and when
it comes again with a corrected time. Frames without counters are known by their time, which is
in the frames' own key; their blocks are hours and keep no bits.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.repositories.frame_rows import (
    BlockKey,
    BlockRow,
    frame_rows,
)
from billing_service.domain.frame import NO_BOOT, Frame, Key, Pilot, to_ms
from billing_service.domain.period import Source

BLOCK = 4_096
_HOUR_MS = 3_600_000

SOURCES = {source.value: source for source in Source}
PILOTS: dict[str | None, Pilot | None] = {
    None: None,
    **{pilot.value: pilot for pilot in Pilot},
}


class _Block:
    """A row of ``frame_blocks`` while a batch is noted in it."""

    __slots__ = ("due_from", "due_to", "first", "key", "last", "seqs")

    def __init__(self, key: BlockKey, stored: BlockRow | None) -> None:
        self.key = key
        self.first: int | None = None
        self.last = 0
        self.due_from: int | None = None
        self.due_to = 0
        if stored is None:
            self.seqs = bytearray(0 if key[1] == NO_BOOT else BLOCK // 8)
            return
        self.seqs = bytearray(stored[3])
        self.first, self.last = stored[4], stored[5]
        if stored[6] is not None and stored[7] is not None:
            self.due_from, self.due_to = stored[6], stored[7]

    def note(self, seq: int) -> bool:
        """Set a frame's bit; return whether it was not set."""
        at, bit = seq % BLOCK >> 3, 1 << (seq & 7)
        if self.seqs[at] & bit:
            return False
        self.seqs[at] |= bit
        return True

    def cover(self, at_ms: int) -> None:
        """Take a new frame's time in."""
        if self.first is None or at_ms < self.first:
            self.first = at_ms
        self.last = max(self.last, at_ms)
        if self.due_from is None or at_ms < self.due_from:
            self.due_from = at_ms
        self.due_to = max(self.due_to, at_ms)

    def row(self) -> BlockRow:
        """Return it as it is stored."""
        first = self.first or 0
        return (*self.key, bytes(self.seqs), first, self.last, self.due_from, self.due_to)  # fmt: skip


class FrameRepository(Repository):
    """The ``Frames`` port."""

    async def add(self, batch: Sequence[Frame], received_at: datetime) -> list[Frame]:
        """Store those not stored before and return them, in the order given."""
        if not batch:
            return []
        rows = await frame_rows(self._connection)
        await rows.lock({frame.station_id for frame in batch})
        keys = [_block_of(frame) for frame in batch]
        wanted = [*dict.fromkeys(keys)]
        stored = {row[:3]: row for row in await rows.blocks(wanted)}
        blocks = {key: _Block(key, stored.get(key)) for key in wanted}
        received_ms = to_ms(received_at)

        by_time = [frame for frame in batch if not frame.has_counters]
        new_by_time = (
            await rows.insert_by_time(by_time, received_ms) if by_time else set()
        )
        new: list[Frame] = []
        for frame, key in zip(batch, keys, strict=True):
            if frame.has_counters:
                if not blocks[key].note(frame.seq):
                    continue
            elif (frame.station_id, frame.at_ms) in new_by_time:
                # Once only: the same frame may stand in a batch twice.
                new_by_time.remove((frame.station_id, frame.at_ms))
            else:
                continue
            blocks[key].cover(frame.at_ms)
            new.append(frame)
        if not new:
            return []
        if counted := [frame for frame in new if frame.has_counters]:
            await rows.insert(counted, received_ms)
        changed = dict.fromkeys(map(_block_of, new))
        await rows.save_blocks([blocks[key].row() for key in changed])
        return new

    async def of_session(
        self,
        station_id: str,
        station_session: str,
        *,
        after: Key | None = None,
    ) -> AsyncIterator[Frame]:
        """Yield a named session's frames in order of (boot, seq), those after ``after`` only."""
        async for part in self.parts_of_session(
            station_id, station_session, after=after
        ):
            for frame in part:
                yield frame

    async def parts_of_session(
        self,
        station_id: str,
        station_session: str,
        *,
        after: Key | None = None,
        until: Key | None = None,
    ) -> AsyncIterator[list[Frame]]:
        """Yield the same some thousands at a time, up to and with ``until``."""
        rows = await frame_rows(self._connection)
        async for part in rows.of_session(station_id, station_session, after, until):
            yield [_frame(station_id, station_session, row) for row in part]

    async def unnamed(
        self, station_id: str, from_ms: int, to_ms: int
    ) -> AsyncIterator[Frame]:
        """Yield frames that name no session, from_ms <= at_ms <= to_ms, by (boot, seq)."""
        async for part in self.parts_unnamed(station_id, from_ms, to_ms):
            for frame in part:
                yield frame

    async def parts_unnamed(
        self, station_id: str, from_ms: int, to_ms: int
    ) -> AsyncIterator[list[Frame]]:
        """Yield the same some thousands at a time."""
        rows = await frame_rows(self._connection)
        async for part in rows.select(
            "station_id = ? AND session IS NULL AND at BETWEEN ? AND ?",
            [station_id, rows.instant(from_ms), rows.instant(to_ms)],
        ):
            yield [_frame(station_id, None, row) for row in part]

    async def last(self, station_id: str) -> Frame | None:
        """Return the station's newest frame by (boot, seq)."""
        return await self._one(
            station_id, "station_id = ? ORDER BY boot DESC, seq DESC", [station_id]
        )

    async def next_other(
        self, station_id: str, station_session: str, after: Key
    ) -> Frame | None:
        """Return the first frame after (boot, seq) that names another session or says none."""
        return await self._one(
            station_id,
            "station_id = ? AND (boot, seq) > (?, ?) AND session <> ?"
            " ORDER BY boot, seq",
            [station_id, *after, station_session],
        )

    async def _one(
        self, station_id: str, where: str, parameters: Sequence[object]
    ) -> Frame | None:
        rows = await frame_rows(self._connection)
        found = await rows.first(where, parameters)
        if found is None:
            return None
        *row, session = found
        return _frame(station_id, session, row)


def _block_of(frame: Frame) -> BlockKey:
    size = BLOCK if frame.boot != NO_BOOT else _HOUR_MS
    return frame.station_id, frame.boot, frame.seq // size


def _frame(station_id: str, session: str | None, row: Sequence[Any]) -> Frame:
    (
        boot, seq, at_ms, voltage, current, power, source, register, solar, grid, pilot, synced,
    ) = row  # fmt: skip
    return Frame(
        station_id, boot, seq, at_ms, voltage, current, power, SOURCES[source], register, solar,
        grid, PILOTS[pilot], session, bool(synced),
    )  # fmt: skip
