"""Summaries in the database: which of them still stand for all that was stored."""

import asyncio
import inspect
from copy import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_service.adapters.db.database import Database, SqlUnitOfWork
from billing_service.adapters.db.repositories import summaries
from billing_service.adapters.db.repositories.frames import BLOCK
from billing_service.adapters.db.repositories.summaries import Stored
from billing_service.domain import frame as frame_code
from billing_service.domain import register
from billing_service.domain import stretch as stretch_code
from billing_service.domain.frame import NO_BOOT, Frame, Pilot
from billing_service.domain.period import Source
from billing_service.domain.stretch import stretches
from billing_service.domain.summary import Summary, Summing, summaries_of
from billing_service.services.ports import Span
from tests.databases import open_database

T0 = 1_795_420_800_000
NOW = datetime(2026, 11, 28, tzinfo=UTC)


def frame(seq: int, boot: int = 1, **more: object) -> Frame:
    """Make frame ``seq`` of a boot, one a second, every field filled in."""
    made = Frame(
        "garage", boot, seq, T0 + boot * 86_400_000 + seq * 1000, 230_100, 15_652, 3_600_000,
        Source.SOLAR, 5_000_000 + seq * 1000, 3_000_000 + seq * 1000, 2_000_000, Pilot.C, "1-1",
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


async def stored(database: Database, frames: list[Frame]) -> list[Summary]:
    """Store frames and summaries of them."""
    made = summaries_of(frames)
    async with database.write() as uow:
        await uow.frames.add(frames, NOW)
        await uow.summaries.add("garage", "1-1", made)
        await uow.commit()
    return made


def summed_up(frames: list[Frame]) -> list[Summary]:
    """Return summaries of frames between which no other one is stored yet, as metering makes them."""
    summing = Summing()
    for stretch, _ in stretches(frames):
        summing.add(stretch)
    summing.close()
    return summing.take_done()


async def way(
    database: Database, after: tuple[int, int] | None = None
) -> list[Summary | Span]:
    """Return how to read the session."""
    async with database.read() as uow:
        return await uow.summaries.of_session("garage", "1-1", after=after)


@pytest.mark.asyncio
async def test_summaries_come_back_as_they_were(database: Database) -> None:
    """Every field, of stretches and of single frames, without registers, pilot or clock too."""
    bare = {"register_mwh": None, "solar_mwh": None, "grid_mwh": None, "pilot": None}
    frames = [frame(seq) for seq in range(100)]
    frames[50] = replace(frames[50], source=Source.GRID)
    frames[70:80] = [
        replace(each, clock_synced=False, **bare)  # type: ignore[arg-type]  # fields by name
        for each in frames[70:80]
    ]
    frames[99] = replace(frames[99], power_mw=0)
    (made,) = await stored(database, frames)
    assert len(made.stretches) == 5
    assert await way(database) == [made, Span((1, 99))]


@pytest.mark.asyncio
async def test_no_summary_is_one_span(database: Database) -> None:
    """A session without any is read as it is."""
    assert await way(database) == [Span()]
    assert await way(database, (1, 7)) == [Span((1, 7))]


@pytest.mark.asyncio
async def test_gaps_are_read_where_something_is_in_them(database: Database) -> None:
    """Between blocks, boots and quarters: a span only where frames were stored."""
    one, two = await stored(
        database, [frame(s) for s in range(BLOCK - 900, BLOCK + 100)]
    )
    (three,) = await stored(
        database, [frame(s) for s in range(BLOCK + 200, BLOCK + 300)]
    )
    (four,) = await stored(database, [frame(s, boot=2) for s in range(100)])
    rest = Span((2, 99))
    assert await way(database) == [one, two, three, four, rest]
    assert await way(database, one.last) == [two, three, four, rest]
    await stored(database, [frame(BLOCK + 150)])
    gap = Span(two.last, (1, BLOCK + 199))
    assert await way(database) == [one, two, gap, three, four, rest]
    nearer = Span((1, BLOCK + 149), (1, BLOCK + 199))
    assert await way(database, two.last) == [nearer, three, four, rest]
    await stored(database, [frame(9 * BLOCK)])
    next_gap = Span(three.last, (2, -1))
    assert await way(database) == [one, two, gap, three, next_gap, four, rest]


@pytest.mark.asyncio
@pytest.mark.parametrize("session", ["1-1", "1-2", None])
async def test_a_frame_in_between_voids_a_summary(
    database: Database, session: str | None
) -> None:
    """Whichever session it names: what was stored between its ends is not what it says."""
    frames = [frame(seq) for seq in range(100) if seq != 50]
    (made,) = summed_up(frames)
    async with database.write() as uow:
        await uow.frames.add(frames, NOW)
        await uow.summaries.add("garage", "1-1", [made])
        await uow.commit()
    assert await way(database) == [made, Span((1, 99))]
    async with database.write() as uow:
        await uow.frames.add([frame(50, session=session)], NOW)
        await uow.commit()
    assert await way(database) == [Span((1, -1))]


@pytest.mark.asyncio
async def test_what_overlaps_is_replaced(database: Database) -> None:
    """Of this session and boot alone."""
    (other,) = await stored(database, [frame(s, boot=2) for s in range(100)])
    await stored(database, [frame(s) for s in range(100)])
    await stored(database, [frame(s) for s in range(200, 300)])
    (wide,) = summaries_of([frame(s) for s in range(50, 250)])
    async with database.write() as uow:
        await uow.frames.add([frame(s) for s in range(100, 200)], NOW)
        await uow.summaries.add("garage", "1-1", [wide])
        await uow.summaries.add("garage", "1-2", [wide])
        await uow.commit()
    begin, rest = Span((1, -1), (1, 49)), Span((2, 99))
    assert await way(database) == [begin, wide, Span((1, 249), (2, -1)), other, rest]


@pytest.mark.asyncio
async def test_upload_and_metering_never_wait_for_each_other(tmp_path: Path) -> None:
    """An upload fills holes of two sessions while metering sums both up, the other way round."""
    wide = summed_up([frame(s) for s in range(200) if s not in range(50, 120)])
    filling = summaries_of([frame(s) for s in range(50, 120)])
    async with open_database("postgresql", tmp_path) as database:
        async with database.write() as uow:
            await uow.summaries.add("garage", "1-1", wide)
            await uow.summaries.add("garage", "1-2", wide)
            await uow.commit()

        async def added(uow: SqlUnitOfWork, session: str, made: list[Summary]) -> None:
            await uow.summaries.add("garage", session, made)
            await uow.commit()

        async with database.write() as metering, database.write() as ingest:
            await metering.summaries.add("garage", "1-1", wide)
            await ingest.summaries.add("garage", "1-2", filling)
            # Were both to wait for the other, PostgreSQL would refuse one of them.
            await asyncio.gather(
                added(metering, "1-2", wide), added(ingest, "1-1", filling)
            )


@pytest.mark.asyncio
async def test_frames_without_counters_are_read(database: Database) -> None:
    """They come before all others, and nothing tells how many there are."""
    plain = [frame(T0 + s, boot=NO_BOOT, at_ms=T0 + s) for s in range(100)]
    assert summaries_of(plain) == []
    await stored(database, plain)
    (made,) = await stored(database, [frame(s) for s in range(100)])
    begin = Span((NO_BOOT, T0 - 1), (1, -1))
    assert await way(database) == [begin, made, Span((1, 99))]
    assert await way(database, (NO_BOOT, T0 + 50)) == [
        Span((NO_BOOT, T0 + 50), (1, -1)), made, Span((1, 99)),
    ]  # fmt: skip


@pytest.mark.parametrize("code", [frame_code, register, stretch_code, summaries])
def test_other_code_makes_other_summaries(
    code: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever part of it an upgrade changes: what a register may rise by, how it is stored."""
    before = summaries._code()
    read = inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda of: read(of) + "#" * (of is code))
    assert summaries._code.__wrapped__() != before


KEYS = st.tuples(st.integers(0, 3), st.integers(0, 3 * BLOCK))


@given(st.sets(KEYS, max_size=200), KEYS, KEYS)
def test_bits_are_counted_from_one_frame_to_another(
    keys: set[tuple[int, int]], one: tuple[int, int], other: tuple[int, int]
) -> None:
    """Within a block, across blocks and across boots."""
    first, last = min(one, other), max(one, other)
    bits: dict[tuple[int, int], int] = {}
    for boot, seq in keys | {one}:
        block = (boot, seq // BLOCK)
        bits[block] = bits.get(block, 0) | 1 << seq % BLOCK
    known = Stored(
        (boot, block, bits[boot, block].to_bytes(BLOCK // 8, "little"))
        for boot, block in sorted(bits)
    )
    assert known.count(first, last) == sum(first <= key <= last for key in keys | {one})
