"""After a restart a session is metered on from a checkpoint, and comes out as from all frames."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from billing_service.adapters.db.repositories import checkpoints
from billing_service.adapters.db.repositories.frames import FrameRepository
from billing_service.adapters.db.tables import session_checkpoints
from billing_service.domain.frame import Frame, SessionEvent
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.session import Session, SessionStatus
from billing_service.services.ingest import Batch
from billing_service.services.metering import folds
from billing_service.services.retention import Maintenance
from tests.databases import KINDS
from tests.services.site import STATION, TARIFF, Site, open_site
from tests.services.test_metering import ENDED, STARTED, frame

pytestmark = pytest.mark.asyncio

EVERY = 4


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds, "CHECKPOINT_EVERY", EVERY)


@pytest_asyncio.fixture(params=KINDS)
async def site(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """Yield a site with an empty database of each kind in turn."""
    async with open_site(tmp_path, kind=request.param) as made:
        yield made


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int] | None]:
    """Return the keys after which sessions' frames are read from now on; None: all of them."""
    found: list[tuple[int, int] | None] = []
    read = FrameRepository.of_session

    def noted(
        self: FrameRepository,
        station_id: str,
        session: str,
        *,
        after: tuple[int, int] | None = None,
    ) -> AsyncIterator[Frame]:
        found.append(after)
        return read(self, station_id, session, after=after)

    monkeypatch.setattr(FrameRepository, "of_session", noted)
    return found


async def kept(site: Site) -> list[int]:
    """Return how many frames each stored checkpoint counts."""
    async with site.database.engine.connect() as connection:
        query = select(session_checkpoints.c.frames).order_by("frames")
        return [*await connection.scalars(query)]


async def outcome(site: Site) -> tuple[Session, list[ChargingPeriod]]:
    """Return the only session, its random id left out, and its periods."""
    session = await site.session()
    async with site.database.read() as uow:
        return replace(session, id=""), await uow.sessions.periods(session.id)


async def test_a_restart_reads_only_what_came_after_the_checkpoint(
    site: Site, reads: list[tuple[int, int] | None]
) -> None:
    """The end comes after a restart: the last checkpoint and two frames are enough."""
    for seq in range(10):
        await site.receive([frame(seq)], [STARTED] if seq == 0 else [])
    assert await kept(site) == [4, 8]
    site.restart()
    reads.clear()
    await site.receive(events=[ENDED])
    assert reads == [(1, 7)]
    session = await site.session()
    assert (session.status, session.frames) == (SessionStatus.COMPLETED, 10)
    assert session.energy_wh == 100
    # Its end was not in the checkpoint: a better one may still come.
    await site.receive(events=[replace(ENDED, meter_stop_mwh=5_090_000, at_ms=0)])
    assert reads[-1] == (1, 7)


async def test_late_frames_are_folded_on_from_the_checkpoint_before_them(
    site: Site, reads: list[tuple[int, int] | None]
) -> None:
    """Backlog in the middle voids the checkpoints behind it, and they are made anew."""
    frames = [frame(seq) for seq in range(20)]
    await site.receive([*frames[:9], *frames[12:]], [STARTED])
    assert await kept(site) == [4, 8, 12, 16]
    reads.clear()
    await site.receive(frames[9:12])
    assert reads == [(1, 7)]
    assert await kept(site) == [4, 8, 12, 16, 20]
    reads.clear()
    site.restart()
    await site.receive([frame(20)])
    assert reads == [(1, 19)]
    assert (await site.session()).frames == 21


async def test_a_frame_that_no_mark_told_of_voids_a_checkpoint(
    site: Site, reads: list[tuple[int, int] | None]
) -> None:
    """Whatever stored it: a session with more frames than a checkpoint counts is folded anew."""
    frames = [frame(seq) for seq in range(10)]
    await site.receive([*frames[:2], *frames[3:]], [STARTED])
    await site.ingest.store(Batch(frames=[frames[2]]))
    async with site.database.write() as uow:
        await uow.marks.take(STATION)
        await uow.commit()
    site.restart()
    reads.clear()
    await site.receive(events=[ENDED])
    assert reads == [None]
    assert (await site.session()).frames == 10


async def test_what_a_checkpoint_rests_on_has_to_be_the_same(
    site: Site,
    reads: list[tuple[int, int] | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other code, another rating, a better start: all anew."""
    await site.receive([frame(seq) for seq in range(10)])
    site.restart()
    reads.clear()
    with monkeypatch.context() as other:
        other.setattr(checkpoints, "_code", lambda: "another")
        await site.receive([frame(10)])
    assert reads == [None]
    reads.clear()
    async with site.database.write() as uow:
        station = await uow.stations.get(STATION)
        assert station is not None
        await uow.stations.set_up(replace(station, max_power_w=11_000))
        await uow.commit()
    await site.receive([frame(11)])
    assert reads == [None]
    reads.clear()
    await site.receive([frame(12)])
    assert reads == [(1, 11)]
    reads.clear()
    await site.receive(events=[STARTED])
    assert reads == [None]


async def test_any_order_rules_and_restarts_give_the_same_session(
    site: Site, tmp_path: Path
) -> None:
    """Shuffled pieces, some twice, restarts between, against all at once without a checkpoint."""
    frames = [
        frame(
            seq,
            source=Source.GRID if 12 < seq < 20 else Source.SOLAR,
            # A gap, and a meter that was replaced.
            at_ms=frame(seq).at_ms + (200_000 if seq > 24 else 0),
            solar_mwh=(frame(seq).solar_mwh or 0) - (2_900_000 if seq > 8 else 0),
        )
        for seq in range(30)
    ] + [frame(60, ""), frame(61, "")]
    ended = replace(ENDED, at_ms=frames[29].at_ms, meter_stop_mwh=None)
    await site.receive(frames, [STARTED, ended])
    site.restart()
    expected = await outcome(site)
    for seed in range(6):
        shuffler = random.Random(seed)
        pieces: list[Frame | SessionEvent] = [*frames, STARTED, ended]
        pieces += shuffler.sample(pieces, 8)
        for _ in range(len(pieces) // 2 if seed % 2 else 4 * len(pieces)):
            # Neighbours change places: mostly in order, or all mixed up.
            i = shuffler.randrange(len(pieces) - 1)
            pieces[i], pieces[i + 1] = pieces[i + 1], pieces[i]
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with open_site(folder) as other:
            for piece in pieces:
                if isinstance(piece, Frame):
                    await other.receive([piece])
                else:
                    await other.receive(events=[piece])
                if shuffler.random() < 0.4:
                    other.restart()
            assert await outcome(other) == expected, f"seed {seed}"
            assert await kept(other)


async def test_checkpoints_go_with_the_frames(site: Site) -> None:
    """A session that is settled is not metered again: nothing of its folds is kept."""
    await site.receive([frame(seq) for seq in range(10)], [STARTED, ENDED])
    assert await kept(site) == [4, 8]
    site.now += timedelta(days=40)
    await Maintenance(
        site.database.write, site.clock, keep=timedelta(days=30)
    ).run_once()
    assert await kept(site) == []


async def test_checkpoints_go_with_the_session(site: Site) -> None:
    """Who removes a session need not know of them."""
    await site.receive([frame(seq) for seq in range(5)])
    async with site.database.write() as uow:
        await uow.sessions.delete((await site.session()).id)
        await uow.commit()
    async with site.database.engine.connect() as connection:
        query = select(func.count()).select_from(session_checkpoints)
        assert await connection.scalar(query) == 0


async def test_a_session_without_events_costs_what_held_when_it_began(
    site: Site,
) -> None:
    """Frames that come days late, with no event: the tariff of their time, not of today."""
    async with site.database.write() as uow:
        later = replace(
            TARIFF, version=2, valid_from=site.now - timedelta(hours=1), name="New"
        )
        await uow.tariffs.add(later)
        await uow.commit()
    await site.receive([frame(seq) for seq in range(5)])
    session = await site.session()
    assert session.tariff is not None
    assert session.tariff.version == 1
