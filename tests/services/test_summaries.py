"""Sessions that are folded by summaries of their frames come out as by the frames themselves."""

import random
from collections.abc import AsyncIterator
from copy import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import select

from billing_service.adapters.db.repositories import summaries
from billing_service.adapters.db.repositories.frames import FrameRepository
from billing_service.adapters.db.tables import frame_summaries
from billing_service.domain.frame import Frame, Key, SessionEvent
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.services.ingest import Batch
from billing_service.services.retention import Maintenance
from tests.databases import KINDS
from tests.services.site import STATION, Site, open_site
from tests.services.test_metering import ENDED, STARTED, frame

pytestmark = pytest.mark.asyncio

QUARTER = 90
"""Frames of a quarter of an hour, one every ten seconds."""

HOUR = [
    frame(
        seq,
        source=Source.GRID if 120 < seq < 200 else Source.SOLAR,
        solar_mwh=(3000 + 10 * (seq - min(max(seq - 121, 0), 79))) * 1000,
        grid_mwh=(2000 + 10 * min(max(seq - 121, 0), 79)) * 1000,
    )
    for seq in range(4 * QUARTER)
]
"""An hour of charging, partly from the grid."""
END = replace(ENDED, at_ms=HOUR[-1].at_ms, meter_stop_mwh=None)


@pytest_asyncio.fixture(params=KINDS)
async def site(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """Yield a site with an empty database of each kind in turn."""
    async with open_site(tmp_path, kind=request.param) as made:
        yield made


type Read = tuple[Key | None, Key | None, int]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Read]:
    """Return which frames are read from now on: after and until which, and how many."""
    found: list[Read] = []
    read = FrameRepository.parts_of_session

    async def noted(
        self: FrameRepository,
        station_id: str,
        session: str,
        *,
        after: Key | None = None,
        until: Key | None = None,
    ) -> AsyncIterator[list[Frame]]:
        number = 0
        async for part in read(self, station_id, session, after=after, until=until):
            number += len(part)
            yield part
        found.append((after, until, number))

    monkeypatch.setattr(FrameRepository, "parts_of_session", noted)
    return found


def raised(frame: Frame, *, solar: int, total: int = 0) -> Frame:
    """Return a frame whose registers read so many mWh more."""
    assert frame.solar_mwh is not None
    assert frame.register_mwh is not None
    return replace(
        frame,
        solar_mwh=frame.solar_mwh + solar,
        register_mwh=frame.register_mwh + total,
    )


def number_of(reads: list[Read]) -> int:
    """Return how many frames were read."""
    return sum(number for _, _, number in reads)


async def kept(site: Site) -> list[tuple[int, int]]:
    """Return the first and the last number of each stored summary."""
    table = frame_summaries.c
    async with site.database.engine.connect() as connection:
        found = await connection.execute(
            select(table.first_seq, table.last_seq).order_by(table.first_seq)
        )
        return [(row.first_seq, row.last_seq) for row in found]


async def outcome(site: Site) -> tuple[Session, list[ChargingPeriod]]:
    """Return the only session, its random id left out, and its periods."""
    session = await site.session()
    async with site.database.read() as uow:
        return replace(session, id=""), await uow.sessions.periods(session.id)


async def rate_anew(site: Site) -> None:
    """Let an admin correct the station's rating."""
    async with site.database.write() as uow:
        station = await uow.stations.get(STATION)
        assert station is not None
        await uow.stations.set_up(replace(station, max_power_w=11_000))
        await uow.commit()


async def received_singly(site: Site, frames: list[Frame]) -> None:
    """Let frames come as from a station that is online, ten at a time."""
    for at in range(0, len(frames), 10):
        await site.receive(frames[at : at + 10], [STARTED] if at == 0 else [])


async def test_a_restart_reads_only_what_no_summary_says(
    site: Site, reads: list[Read]
) -> None:
    """The end comes after a restart: the frames of the quarter under way are enough."""
    await received_singly(site, HOUR[:200])
    assert await kept(site) == [(0, 89), (90, 179)]
    before = await site.session()
    site.restart()
    reads.clear()
    await site.receive(events=[END])
    assert number_of(reads) == 20
    session = await site.session()
    assert (session.status, session.frames) == (SessionStatus.COMPLETED, 200)
    assert session.energy_wh == before.energy_wh
    # Too few of the last quarter to be worth a summary.
    assert await kept(site) == [(0, 89), (90, 179)]


async def test_the_last_quarter_is_summed_up_at_the_end(
    site: Site, reads: list[Read]
) -> None:
    """Who asks for all of an ended session again reads none of its frames."""
    await received_singly(site, HOUR[:170])
    await site.receive(events=[END])
    assert await kept(site) == [(0, 89), (90, 169)]
    _, periods = await outcome(site)
    reads.clear()
    await site.receive(events=[replace(END, at_ms=END.at_ms + 1000, reason="again")])
    assert number_of(reads) == 0
    session, again = await outcome(site)
    assert again[:-1] == periods[:-1]
    assert session.energy_wh == Decimal(1690)
    assert session.frames == 170


async def test_late_frames_ask_for_their_quarter_alone(
    site: Site, reads: list[Read]
) -> None:
    """Whatever lies before and behind: a quarter with a hole is read, and summed up anew."""
    await received_singly(site, HOUR[:100] + HOUR[103:])
    assert await kept(site) == [(0, 89), (90, 179), (180, 269)]
    site.restart()
    reads.clear()
    await site.receive(HOUR[100:103])
    assert number_of(reads) == 2 * QUARTER
    assert await kept(site) == [(0, 89), (90, 179), (180, 269)]
    site.restart()
    reads.clear()
    await site.receive(events=[END])
    assert number_of(reads) == QUARTER
    assert (await site.session()).frames == len(HOUR)


async def test_a_frame_before_all_others_asks_for_no_more(
    site: Site, reads: list[Read]
) -> None:
    """The very first one comes last."""
    await received_singly(site, HOUR[1:])
    await site.receive(events=[END])
    reads.clear()
    await site.receive(HOUR[:1])
    assert number_of(reads) == 1
    assert (await site.session()).frames == len(HOUR)


async def test_a_frame_that_no_mark_told_of_is_found(
    site: Site, reads: list[Read]
) -> None:
    """Whatever stored it: a summary holds for just the frames that are there."""
    await received_singly(site, HOUR[:40] + HOUR[41:])
    await site.ingest.store(Batch(frames=[HOUR[40]]))
    async with site.database.write() as uow:
        await uow.marks.take(STATION)
        await uow.commit()
    site.restart()
    reads.clear()
    await site.receive(events=[END])
    assert number_of(reads) == 2 * QUARTER
    assert (await site.session()).frames == len(HOUR)


async def test_a_frame_of_another_session_in_between_is_no_loss(
    site: Site, reads: list[Read]
) -> None:
    """A station that names another session in the middle: the quarter is read frame by frame."""
    frames = [*HOUR[:50], replace(HOUR[50], session="1-2"), *HOUR[51:]]
    await site.receive(frames, [STARTED])
    site.restart()
    reads.clear()
    await site.receive(events=[END])
    mine = next(s for s in await site.sessions() if s.station_session == "1-1")
    assert mine.frames == len(HOUR) - 1
    assert mine.energy_wh == 10 * (len(HOUR) - 1)


async def test_summaries_hold_under_other_rules(
    site: Site, reads: list[Read], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another rating or a better start asks for no frames; other code asks for all of them."""
    await site.receive(HOUR)
    await rate_anew(site)
    reads.clear()
    await site.receive(events=[STARTED])
    assert number_of(reads) == 0
    site.restart()
    reads.clear()
    with monkeypatch.context() as other:
        other.setattr(summaries, "_code", lambda: "another")
        await site.receive(events=[END])
    assert number_of(reads) == len(HOUR)


async def test_what_the_rules_do_not_take_is_read(
    site: Site, reads: list[Read]
) -> None:
    """A rating that the rise of a register goes beyond: those frames are looked at, no others."""
    leap = [
        raised(each, solar=50_000, total=50_000) if each.seq >= 210 else each
        for each in HOUR
    ]
    await site.receive(leap, [STARTED, END])
    await rate_anew(site)
    reads.clear()
    site.restart()
    await site.receive(events=[replace(END, reason="again", at_ms=END.at_ms + 1)])
    read = [each for each in reads if each[2]]
    # From where the source went back to solar to the end of the quarter.
    assert read == [((1, 200), (1, 269), 69)]
    expected = await outcome(site)
    site.restart()
    async with site.database.engine.begin() as connection:
        await connection.execute(frame_summaries.delete())
    await site.receive(events=[replace(END, reason="once more", at_ms=END.at_ms + 1)])
    assert (await outcome(site))[1] == expected[1]


async def test_much_that_the_rules_do_not_take_is_read_at_once(
    site: Site, reads: list[Read]
) -> None:
    """Every rise is too steep for a rating: one query for each summary, not for each stretch."""
    await site.receive(HOUR, [STARTED])
    async with site.database.write() as uow:
        station = await uow.stations.get(STATION)
        assert station is not None
        await uow.stations.set_up(replace(station, max_power_w=2000))
        await uow.commit()
    reads.clear()
    await site.receive(events=[END])
    assert [number for _, _, number in reads if number] == [89, 89, 89, 89]
    session = await site.session()
    assert session.frames == len(HOUR)
    assert SessionFlag.REGISTER_OUTLIER in session.flags


async def test_a_corrected_session_is_metered_with_all_that_came_late(
    site: Site,
) -> None:
    """A fold of it may still be kept, from before another process ended it."""
    await site.receive(HOUR[:100] + HOUR[110:200], [STARTED])
    before = site.metering
    site.restart()
    await site.receive(events=[END])
    ended = await site.session()
    await site.ingest.store(Batch(frames=HOUR[100:110]))
    async with site.database.write() as uow:
        # Of a session that is billed, metering notes no more than that something came.
        await uow.marks.take(STATION)
        await before.meter_again(uow, ended, (HOUR[100].at_ms, HOUR[109].at_ms))
        await uow.commit()
    assert (await site.session()).frames == 200


async def test_an_upload_is_summed_up_as_it_is_stored(
    site: Site, reads: list[Read]
) -> None:
    """A day from an SD card was never metered: its first fold reads no frame that is summed up."""
    await site.ingest.store(Batch(frames=[*reversed(HOUR)]))
    assert await kept(site) == [(0, 89), (90, 179), (180, 269), (270, 359)]
    await site.metering.run_once()
    assert number_of(reads) == 0
    assert (await site.session()).frames == len(HOUR)


async def test_an_upload_to_a_running_session_is_not_read_again(
    site: Site, reads: list[Read]
) -> None:
    """What was offline for a while is taken by its summaries too."""
    await site.receive(HOUR[:20], [STARTED])
    reads.clear()
    await site.receive(HOUR[20:])
    assert number_of(reads) == 0
    assert (await site.session()).frames == len(HOUR)


async def test_an_upload_around_what_is_stored_costs_nothing_of_it(site: Site) -> None:
    """A whole log, of which a part had come before: no summary goes across that part."""
    await received_singly(site, HOUR[90:200])
    await site.receive(HOUR)
    assert await kept(site) == [(0, 89), (90, 179), (200, 269), (270, 359)]
    assert (await site.session()).frames == len(HOUR)


async def test_any_order_rules_and_restarts_give_the_same_session(
    site: Site, tmp_path: Path
) -> None:
    """Shuffled pieces, some twice, restarts between, against all of it at once."""
    frames = [
        replace(
            # A meter that was replaced, and a gap.
            raised(each, solar=-2_900_000 if each.seq > 80 else 0),
            at_ms=each.at_ms + (200_000 if each.seq > 240 else 0),
        )
        for each in HOUR
    ] + [frame(400, ""), frame(401, "")]
    ended = replace(END, at_ms=frames[-3].at_ms)
    async with open_site(tmp_path) as plain:
        for each in frames:
            await plain.ingest.store(Batch(frames=[each]))
        await plain.receive(events=[STARTED, ended])
        await plain.receive(events=[replace(STARTED, reason="told again")])
        expected = await outcome(plain)
    for seed in range(4):
        shuffler = random.Random(seed)
        sizes = [shuffler.choice([1, 7, 40, 100]) for _ in range(60)]
        pieces: list[list[Frame] | SessionEvent] = [STARTED, ended]
        at = 0
        for size in sizes:
            pieces.append(frames[at : at + size])
            at += size
        pieces.append(frames[at:])
        pieces += shuffler.sample(pieces, 8)
        for _ in range(len(pieces) // 2 if seed % 2 else 4 * len(pieces)):
            # Neighbours change places: mostly in order, or all mixed up.
            i = shuffler.randrange(len(pieces) - 1)
            pieces[i], pieces[i + 1] = pieces[i + 1], pieces[i]
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with open_site(folder) as other:
            for piece in pieces:
                if isinstance(piece, list):
                    await other.receive(piece)
                else:
                    await other.receive(events=[piece])
                if shuffler.random() < 0.4:
                    other.restart()
            assert await outcome(other) == expected, f"seed {seed}"
            assert await kept(other)


async def test_summaries_go_with_the_frames(site: Site) -> None:
    """What is past its retention leaves no summary either."""
    await site.receive(HOUR, [STARTED, END])
    assert len(await kept(site)) == 4
    site.now += timedelta(days=40)
    await Maintenance(
        site.database.write, site.clock, keep=timedelta(days=30)
    ).run_once()
    assert await kept(site) == []
