"""Frames: each once, and back in order."""

import random
from collections.abc import AsyncIterator
from copy import replace
from pathlib import Path
from uuid import uuid4

import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_service.adapters.db import Database
from billing_service.domain.frame import NO_BOOT, Frame
from billing_service.services.ports import Mark, Station
from tests.adapters.database import NOW, T0_MS, frame, open_database


@pytest_asyncio.fixture
async def database(tmp_path: Path, kind: str) -> AsyncIterator[Database]:
    """Yield an empty database."""
    async with open_database(tmp_path, kind) as made:
        yield made


async def _add(database: Database, frames: list[Frame]) -> list[Frame]:
    async with database.write() as uow:
        new = await uow.frames.add(frames, NOW)
        await uow.commit()
    return new


async def _of(database: Database, session: str = "1-1") -> list[Frame]:
    async with database.read() as read:
        return [each async for each in read.frames.of_session("garage", session)]


async def test_a_frame_comes_back_as_it_went_in(database: Database) -> None:
    """Every field, the largest numbers and the absent ones too."""
    full = replace(frame(1), register_mwh=10**13, seq=2**32 - 1, boot=2**32 - 1)
    bare = Frame("garage", NO_BOOT, T0_MS, T0_MS, 0, 0, 0, full.source, session="1-1")
    await _add(database, [full, bare])
    assert await _of(database) == [bare, full]


async def test_a_frame_is_stored_once(database: Database) -> None:
    """The second time nothing is new, whatever else it says: the first one counts."""
    first = frame(1)
    assert await _add(database, [first]) == [first]
    assert await _add(database, [replace(first, power_mw=1)]) == []
    assert await _of(database) == [first]


async def test_a_batch_may_hold_a_frame_twice(database: Database) -> None:
    """It is new once, and the order of the batch is kept."""
    a, b, c = frame(3), frame(1), frame(2)
    assert await _add(database, [a, b, a, c, b]) == [a, b, c]


async def test_a_large_batch_is_stored_whole(database: Database) -> None:
    """More rows than go into one statement, known ones among them."""
    frames = [frame(seq) for seq in range(2_400)]
    known = frames[995:1_005]
    await _add(database, known)
    random.Random(1).shuffle(frames)
    assert await _add(database, frames) == [
        each for each in frames if each not in known
    ]


async def test_a_long_session_is_read_in_order(database: Database) -> None:
    """More rows than are fetched at a time, stored out of order."""
    frames = [frame(seq) for seq in range(12_000)]
    shuffled = frames.copy()
    random.Random(2).shuffle(shuffled)
    await _add(database, shuffled)
    assert await _of(database) == frames


async def test_counters_come_before_clocks(database: Database) -> None:
    """A clock that was set back does not reorder what the station counted."""
    early, late = frame(5), replace(frame(6), at_ms=T0_MS - 10_000)
    rebooted = replace(frame(0, boot=2), at_ms=T0_MS - 20_000)
    await _add(database, [rebooted, late, early])
    assert await _of(database) == [early, late, rebooted]


async def test_reading_on_after_a_frame(database: Database) -> None:
    """``after`` is exclusive, and a later boot comes after however small its seq."""
    frames = [frame(1), frame(2), frame(3), frame(0, boot=2)]
    await _add(database, frames)
    async with database.read() as read:
        later = read.frames.of_session("garage", "1-1", after=(1, 2))
        assert [each async for each in later] == frames[2:]


async def test_a_session_and_a_station_keep_to_themselves(database: Database) -> None:
    """Another session's or station's frames are not this one's."""
    mine = frame(1)
    await _add(
        database,
        [
            mine,
            frame(2, session="1-2"),
            frame(3, session=None),
            frame(4, session=""),
            replace(mine, station_id="carport"),
        ],
    )
    assert await _of(database) == [mine]


async def test_unnamed_frames_of_a_stretch(database: Database) -> None:
    """Only what names no session, both ends of the stretch included."""
    frames = [frame(seq, session=None) for seq in range(6)]
    await _add(database, [*frames, frame(10, session=""), frame(11, session="1-1")])
    async with database.read() as read:
        found = read.frames.unnamed("garage", frames[1].at_ms, frames[4].at_ms)
        assert [each async for each in found] == frames[1:5]


async def test_the_newest_frame(database: Database) -> None:
    """By boot and seq; None of a station that sent nothing."""
    await _add(database, [frame(9), frame(0, boot=2), frame(4)])
    async with database.read() as read:
        assert await read.frames.last("garage") == frame(0, boot=2)
        assert await read.frames.last("nowhere") is None


async def test_the_first_frame_of_another_session(database: Database) -> None:
    """Another name or "none under way" ends a session; a frame that names nothing does not."""
    await _add(
        database,
        [frame(1), frame(2, session=None), frame(3, session=""), frame(4, session="x")],
    )
    async with database.read() as read:
        assert await read.frames.next_other("garage", "1-1", (1, 1)) == frame(
            3, session=""
        )
        assert await read.frames.next_other("garage", "1-1", (1, 3)) == frame(
            4, session="x"
        )
        assert await read.frames.next_other("garage", "1-1", (1, 4)) is None


async def test_nothing_is_kept_without_a_commit(database: Database) -> None:
    """Leaving the block undoes; so does an error in it."""
    async with database.write() as uow:
        await uow.frames.add([frame(1)], NOW)
    try:
        async with database.write() as uow:
            await uow.frames.add([frame(2)], NOW)
            raise RuntimeError
    except RuntimeError:
        pass
    assert await _of(database) == []


async def test_marks_are_taken_once(database: Database) -> None:
    """In order of arrival, a station's own only; an undone taking leaves them.

    A station that nobody has accepted waits apart.
    """
    marks = [
        Mark(station_id=name, session=session, boot=1, seq=2, from_ms=3, to_ms=2**41)
        for name, session in (("garage", "1-1"), ("carport", ""), ("garage", None))
    ]
    async with database.write() as uow:
        for name, accepted in (("garage", True), ("carport", True), ("yard", False)):
            station = Station(
                id=name,
                name=name,
                time_zone="UTC",
                max_power_w=7_400,
                first_seen_at=NOW,
                accepted=accepted,
            )
            await uow.stations.save(station)
        await uow.marks.add([*marks, replace(marks[0], station_id="yard")])
        await uow.commit()
    async with database.write() as uow:
        assert len(await uow.marks.take("garage")) == 2
    async with database.write() as uow:
        assert await uow.marks.waiting() == ["carport", "garage"]
        taken = await uow.marks.take("garage")
        await uow.commit()
    assert [replace(mark, id=0) for mark in taken] == [marks[0], marks[2]]
    async with database.write() as uow:
        assert await uow.marks.take("garage") == []
        assert await uow.marks.waiting() == ["carport"]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    batches=st.lists(st.lists(st.integers(0, 12), max_size=12), min_size=1, max_size=5),
)
async def test_any_batches_store_each_frame_once(
    database: Database, batches: list[list[int]]
) -> None:
    """Whatever repeats in and across batches: new ones are told once, and all are there."""
    # A station of its own for each example: they share the database.
    session = uuid4().hex
    told: list[int] = []
    for batch in batches:
        frames = [
            replace(frame(seq, session=session), station_id=session) for seq in batch
        ]
        told += [each.seq for each in await _add(database, frames)]
    assert sorted(told) == sorted({seq for batch in batches for seq in batch})
    async with database.read() as read:
        stored = [each.seq async for each in read.frames.of_session(session, session)]
    assert stored == sorted(told)
