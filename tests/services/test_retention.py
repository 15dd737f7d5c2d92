"""Old frames may go; what was billed, summed up and proven stays."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select, text

from billing_service.adapters.db import tables
from billing_service.adapters.db.database import SqlUnitOfWork
from billing_service.domain.frame import NO_BOOT, Frame
from billing_service.domain.period import Source
from billing_service.domain.session import SessionFlag, SessionStatus
from billing_service.services.ingest import Batch
from billing_service.services.retention import Maintained, Maintenance
from tests.adapters.frames import T0, T0_MS, count_frames, make_frame, plain_frame
from tests.databases import KINDS
from tests.services.site import Site, open_site

KEEP = timedelta(days=90)
HOUR_MS = 3_600_000


@pytest_asyncio.fixture(params=KINDS)
async def site(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """Yield a site with an empty database of each kind in turn."""
    async with open_site(tmp_path, kind=request.param) as made:
        yield made


async def maintain(site: Site, keep: timedelta | None = KEEP) -> Maintained:
    """Run once, as the service does every few minutes."""
    return await Maintenance(site.database.write, site.clock, keep=keep).run_once()


async def rows(site: Site, table: Any) -> list[Any]:
    """Return all rows of a table, by its key."""
    async with site.database.engine.connect() as connection:
        query = select(table).order_by(*table.primary_key.columns)
        return [*await connection.execute(query)]


async def a_year_later(site: Site) -> None:
    """Let time pass; then the station charges again."""
    site.now += timedelta(days=365)


async def test_hours_and_days_sum_up_registers_by_source(site: Site) -> None:
    """Energy is each register's rise, across the hour's edge too; power is a mean."""
    start = T0_MS + 3_500_000  # 100 s before the hour ends
    frames = [
        make_frame(
            seq, at_ms=start + seq * 10_000, source=Source.SOLAR if seq < 15 else Source.GRID,
            power_mw=3_600_000 if seq < 15 else 7_200_000,
            solar_mwh=10_000 * min(seq, 15), grid_mwh=20_000 * max(seq - 15, 0),
        )
        for seq in range(20)
    ]  # fmt: skip
    await site.receive(frames)
    assert await maintain(site) == Maintained(hours=2, days=1)
    first, second = await rows(site, tables.energy_hourly)
    assert (first.hour, first.frames, first.solar_mwh, first.grid_mwh) == (
        T0_MS,
        10,
        90_000,
        0,
    )
    assert (second.hour, second.frames) == (T0_MS + HOUR_MS, 10)
    assert (second.solar_mwh, second.grid_mwh) == (60_000, 80_000)
    assert (second.mean_power_mw, second.max_power_mw) == (5_400_000, 7_200_000)
    (day,) = await rows(site, tables.energy_daily)
    assert (day.day, day.frames) == (date(2026, 11, 23), 20)
    assert (day.solar_mwh, day.grid_mwh) == (150_000, 80_000)


async def test_a_day_is_the_station_s_own(site: Site) -> None:
    """A frame at 23:30 UTC belongs to the next day in Berlin."""
    late = T0_MS + 14 * HOUR_MS + 1_800_000
    await site.receive([make_frame(0), make_frame(1, at_ms=late)])
    await maintain(site)
    days = [row.day for row in await rows(site, tables.energy_daily)]
    assert days == [date(2026, 11, 23), date(2026, 11, 24)]


async def test_power_is_integrated_where_there_are_no_registers(site: Site) -> None:
    """Trapezoids within a source, the earlier power when it changes, nothing across a gap."""

    def at(second: int, watts: int, source: Source) -> Frame:
        return replace(plain_frame(second, watts), source=source)

    await site.receive([
        at(0, 1000, Source.GRID), at(36, 2000, Source.GRID),  # 1500 W · 36 s = 15 Wh
        at(72, 9000, Source.SOLAR),  # 2000 W · 36 s = 20 Wh, still grid's
        at(108, 1000, Source.SOLAR),  # 5000 W · 36 s = 50 Wh
        at(308, 1000, Source.SOLAR),  # too far away
    ])  # fmt: skip
    await maintain(site)
    (hour,) = await rows(site, tables.energy_hourly)
    assert (hour.grid_mwh, hour.solar_mwh) == (35_000, 50_000)


async def test_an_impossible_or_reset_register_adds_nothing_impossible(
    site: Site,
) -> None:
    """A register that falls or leaps is passed over; power fills in."""
    readings = [0, 10_000, 900_000_000, 20_000, 30_000]
    await site.receive(
        make_frame(seq, solar_mwh=mwh, grid_mwh=0) for seq, mwh in enumerate(readings)
    )
    await maintain(site)
    (hour,) = await rows(site, tables.energy_hourly)
    # 10 Wh a step at 3600 W for 10 s, by register or by power.
    assert hour.solar_mwh == 40_000


async def test_frames_that_keep_coming_do_not_keep_a_run_from_its_end(
    site: Site,
) -> None:
    """In a burst something is always due: what comes meanwhile waits for the next run."""
    coming = iter(range(1, 50))

    @asynccontextmanager
    async def meanwhile() -> AsyncIterator[SqlUnitOfWork]:
        async with site.database.write() as uow:
            yield uow
        if (seq := next(coming, None)) is not None:
            await site.ingest.store(Batch(frames=[make_frame(seq)]))

    await site.receive([make_frame(0)])
    maintenance = Maintenance(meanwhile, site.clock, keep=None)
    await maintenance.roll_up()
    assert next(coming) < 5
    await maintain(site)
    (hour,) = await rows(site, tables.energy_hourly)
    assert hour.frames == await count_frames(site.database)


async def test_late_frames_correct_the_sums(site: Site) -> None:
    """A backlog changes its own hour and the next, and a run without news changes nothing."""
    await site.receive(make_frame(seq) for seq in (0, 1, 5))
    await maintain(site)
    assert await maintain(site) == Maintained()
    await site.receive(make_frame(seq, solar_mwh=None) for seq in (2, 3))
    await maintain(site)
    (hour,) = await rows(site, tables.energy_hourly)
    assert hour.frames == 5


async def test_without_a_retention_time_nothing_is_dropped(site: Site) -> None:
    """Keeping for ever is what happens unless an admin says otherwise."""
    await site.receive(make_frame(seq) for seq in range(5))
    await a_year_later(site)
    await maintain(site, keep=None)
    assert await count_frames(site.database) == 5
    assert (await site.session()).flags.isdisjoint({SessionFlag.FRAMES_DROPPED})


async def test_old_frames_go_and_all_else_stays(site: Site) -> None:
    """Session, periods and sums are as before; the evidence holds the frames' number and hash."""
    frames = [make_frame(seq) for seq in range(20)]
    await site.receive([*frames, make_frame(20, session="")])
    before = await site.session()
    async with site.database.read() as uow:
        periods = await uow.sessions.periods(before.id)
    await maintain(site)
    hours = await rows(site, tables.energy_hourly)
    await a_year_later(site)
    done = await maintain(site)
    assert done.settled == 1
    assert done.dropped in {21, None}
    assert await count_frames(site.database) == 0
    after = await site.session()
    assert after == replace(before, flags=before.flags | {SessionFlag.FRAMES_DROPPED})
    async with site.database.read() as uow:
        assert await uow.sessions.periods(before.id) == periods
    assert await rows(site, tables.energy_hourly) == hours
    (evidence,) = await rows(site, tables.frame_evidence)
    assert (evidence.session_id, evidence.frames) == (before.id, 20)
    lines = "".join(
        f"garage|1|{f.seq}|{f.at_ms}|230000|15652|3600000|solar|{f.register_mwh}"
        f"|{f.solar_mwh}|2000000|C|1-1|1\n"
        for f in frames
    )
    assert evidence.sha256 == hashlib.sha256(lines.encode()).hexdigest()


async def test_dropped_frames_that_come_again_change_nothing(site: Site) -> None:
    """The same log uploaded after years: no rows, no new session, the same energy."""
    frames = [make_frame(seq) for seq in range(20)]
    await site.receive(frames)
    await maintain(site)
    await a_year_later(site)
    await maintain(site)
    before = await site.session()
    stored = await site.receive(frames)
    assert (stored.frames, stored.duplicates) == (0, 20)
    assert await site.session() == before


async def test_frames_that_come_later_than_the_retention_are_noted(site: Site) -> None:
    """A session whose frames are gone is not metered anew from the few that come now."""
    await site.receive(make_frame(seq) for seq in range(10))
    await maintain(site)
    await a_year_later(site)
    await maintain(site)
    before = await site.session()
    hours = await rows(site, tables.energy_hourly)
    await site.receive(make_frame(seq) for seq in range(10, 20))
    await maintain(site)
    after = await site.session()
    assert after == replace(before, flags=before.flags | {SessionFlag.LATE_FRAMES})
    assert after.energy_wh == Decimal(90)
    assert await rows(site, tables.energy_hourly) == hours


async def test_a_running_session_keeps_all_its_frames(site: Site) -> None:
    """A car that is plugged in for longer than the retention time is metered to its end."""
    old = [make_frame(seq, session="1-0") for seq in range(5)]
    long = [
        make_frame(100 + day, session="1-1", at_ms=T0_MS + (10 + day) * 86_400_000)
        for day in range(20)
    ]
    await site.receive([*old, *long])
    site.now = T0 + KEEP + timedelta(days=20)
    await maintain(site)
    async with site.database.read() as uow:
        kept = [f async for f in uow.frames.of_session("garage", "1-1")]
    assert kept == long
    flags = {s.station_session: s.flags for s in await site.sessions()}
    assert SessionFlag.FRAMES_DROPPED in flags["1-0"]
    assert SessionFlag.FRAMES_DROPPED not in flags["1-1"]
    await site.receive([make_frame(200, session="", at_ms=T0_MS + 31 * 86_400_000)])
    await maintain(site)
    flags = {s.station_session: s.flags for s in await site.sessions()}
    assert SessionFlag.FRAMES_DROPPED in flags["1-1"]


async def test_a_session_that_waits_for_metering_keeps_its_frames(site: Site) -> None:
    """Frames that were stored and not metered yet must not go."""
    await site.receive(make_frame(seq) for seq in range(5))
    await a_year_later(site)
    await site.ingest.store(Batch(frames=[make_frame(5)]))
    assert (await maintain(site)).settled == 0
    assert await count_frames(site.database) == 6
    await site.metering.run_once()
    assert (await maintain(site)).settled == 1
    assert await count_frames(site.database) == 0


async def test_a_session_never_ended_ends_where_it_was_heard(site: Site) -> None:
    """A station that fell silent for ever does not keep frames for ever."""
    await site.receive(make_frame(seq) for seq in range(5))
    assert (await site.session()).status is SessionStatus.ACTIVE
    await a_year_later(site)
    await maintain(site)
    ended = await site.session()
    assert ended.status is SessionStatus.COMPLETED
    assert ended.ended_at == datetime.fromtimestamp((T0_MS + 40_000) / 1000, UTC)


async def test_an_inferred_session_leaves_evidence_too(site: Site) -> None:
    """Frames without counters and session names are found by their time."""
    await site.receive(plain_frame(second * 10, 3600) for second in range(30))
    await a_year_later(site)
    await maintain(site)
    (evidence,) = await rows(site, tables.frame_evidence)
    assert evidence.frames == 30
    assert await count_frames(site.database) == 0
    assert (await site.session()).frames == 30
    # They come again: the session is settled, and no other one is made of them.
    await site.receive(plain_frame(second * 10, 3600) for second in range(30))
    assert (await site.session()).frames == 30


async def test_evidence_cannot_be_changed(site: Site) -> None:
    """By no statement, whoever is connected."""
    await site.receive(make_frame(seq) for seq in range(5))
    await a_year_later(site)
    await maintain(site)
    for statement in (
        "DELETE FROM frame_evidence",
        "UPDATE frame_evidence SET frames = 0",
    ):
        async with site.database.engine.connect() as connection:
            with pytest.raises(Exception, match="never changes"):
                await connection.execute(text(statement))
            await connection.rollback()


async def test_frames_are_dropped_in_several_short_transactions(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one transaction takes are dropped all the same."""
    monkeypatch.setattr(Maintenance, "DROPPED_AT_A_TIME", 7)
    await site.receive(make_frame(seq) for seq in range(20))
    await site.receive(
        replace(make_frame(seq), station_id="carport", boot=NO_BOOT, seq=T0_MS + seq)
        for seq in range(3)
    )
    await a_year_later(site)
    assert (await maintain(site)).dropped in {23, None}
    assert await count_frames(site.database) == 0
