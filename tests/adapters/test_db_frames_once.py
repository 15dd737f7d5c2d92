"""A frame is the same frame by its counters: whatever its time says, and when it was dropped."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest_asyncio
from sqlalchemy import text

from billing_service.adapters.db.database import Database
from billing_service.domain.frame import Frame
from tests.adapters.frames import T0_MS, count_frames, make_frame, plain_frame
from tests.databases import open_database, utc_now


@pytest_asyncio.fixture
async def database(tmp_path: Path, kind: str) -> AsyncIterator[Database]:
    """Yield an empty database."""
    async with open_database(kind, tmp_path) as made:
        yield made


async def add(database: Database, *frames: Frame) -> list[Frame]:
    """Store in one transaction; return what was new."""
    async with database.write() as uow:
        new = await uow.frames.add(frames, utc_now())
        await uow.commit()
    return new


async def session(
    database: Database, name: str = "1-1", after: tuple[int, int] | None = None
) -> list[Frame]:
    """Read a session of the garage."""
    async with database.read() as uow:
        return [f async for f in uow.frames.of_session("garage", name, after=after)]


async def test_a_corrected_time_does_not_make_another_frame(database: Database) -> None:
    """A station that set its clock later sends the frame with another time: the first counts."""
    early = make_frame(7, at_ms=T0_MS - 400 * 86_400_000, clock_synced=False)
    await add(database, early)
    assert await add(database, make_frame(7)) == []
    assert await session(database) == [early]


async def test_frames_without_counters_are_known_by_their_time(
    database: Database,
) -> None:
    """The same station and time is the same frame; another time is another frame."""
    assert len(await add(database, plain_frame(1), plain_frame(1), plain_frame(2))) == 2
    assert await add(database, plain_frame(2), plain_frame(3)) == [plain_frame(3)]
    # Numbers may be equal: a counter is no time.
    same = plain_frame(3)
    counted = make_frame(same.seq, boot=0, session=None, at_ms=same.at_ms)
    assert await add(database, counted) == [counted]
    assert await count_frames(database) == 4


async def test_stations_and_boots_have_counters_of_their_own(
    database: Database,
) -> None:
    """The same seq at another station or after a reboot is another frame."""
    frames = [
        make_frame(1),
        make_frame(1, boot=2),
        make_frame(1, station_id="carport"),
        make_frame(1, boot=0),
    ]
    assert await add(database, *frames) == frames


async def test_two_writers_at_once_store_each_frame_once(database: Database) -> None:
    """Overlapping batches of several stations, from two transactions at a time."""

    async def write(batches: Sequence[Sequence[Frame]]) -> int:
        return sum([len(await add(database, *batch)) for batch in batches])

    frames = [
        make_frame(seq, station_id=station)
        for seq in range(200)
        for station in ("garage", "carport", "yard")
    ] + [plain_frame(second) for second in range(50)]
    one = [frames[start : start + 90] for start in range(0, len(frames), 60)]
    other = [[*reversed(batch)] for batch in reversed(one)]
    new = await asyncio.gather(write(one), write(other), write(one))
    assert sum(new) == len(frames) == await count_frames(database)


async def test_a_frame_stays_known_when_its_row_was_dropped(database: Database) -> None:
    """Retention removes rows; the same log uploaded a year later brings none back."""
    await add(database, *(make_frame(seq) for seq in range(10)))
    async with database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM frames"))
    assert await add(database, make_frame(3), make_frame(10)) == [make_frame(10)]
