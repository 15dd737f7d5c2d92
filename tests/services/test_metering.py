"""Sessions made of what is stored, whatever order it came in."""

import random
from collections.abc import AsyncIterator
from copy import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from billing_service.adapters.db.repositories.frames import FrameRepository
from billing_service.domain.frame import NO_BOOT, EventType, Frame, Pilot, SessionEvent
from billing_service.domain.period import Source
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.domain.tariff import Restrictions
from billing_service.domain.tariff_choice import Assignment
from billing_service.services.metering import ENDED_BY_ADMIN
from billing_service.services.ports import Role, User
from tests.databases import KINDS
from tests.services.site import STATION, T0, T0_MS, TARIFF, Site, open_site

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=KINDS)
async def site(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """Yield a site with an empty database of each kind in turn."""
    async with open_site(tmp_path, kind=request.param) as made:
        yield made


def frame(
    seq: int, session: str | None = "1-1", watts: int = 3600, **more: object
) -> Frame:
    """Make frame ``seq``, one every 10 s; 10 Wh of solar each."""
    made = Frame(
        STATION, 1, seq, T0_MS + seq * 10_000, 230_000, 15_652, watts * 1000, Source.SOLAR,
        (5000 + seq * 10) * 1000, (3000 + seq * 10) * 1000, 2_000_000, Pilot.C, session,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


def plain(second: int, watts: int) -> Frame:
    """Make a frame of the smallest form."""
    at_ms = T0_MS + second * 1000
    return Frame(STATION, NO_BOOT, at_ms, at_ms, 230_000, 0, watts * 1000, Source.GRID)


def event(
    kind: EventType, second: int, session: str = "1-1", **more: object
) -> SessionEvent:
    """Make a session event."""
    made = SessionEvent(
        station_id=STATION, type=kind, at_ms=T0_MS + second * 1000, session=session
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


STARTED = event(
    EventType.SESSION_STARTED, 0,
    meter_start_mwh=5_000_000, solar_start_mwh=3_000_000, grid_start_mwh=2_000_000,
)  # fmt: skip
ENDED = event(
    EventType.SESSION_ENDED, 100, started_at_ms=T0_MS,
    meter_start_mwh=5_000_000, meter_stop_mwh=5_100_000, reason="unplugged",
)  # fmt: skip


def same(session: Session) -> Session:
    """Leave out the id, which differs by nature."""
    return replace(session, id="")


async def test_a_session_runs_from_its_start_to_its_end(site: Site) -> None:
    """Start event, frames, end event: one completed session with the registers' energy."""
    await site.receive(events=[STARTED])
    assert (await site.session()).status is SessionStatus.PENDING
    for seq in range(10):
        await site.receive([frame(seq)])
    running = await site.session()
    assert (running.status, running.energy_wh) == (SessionStatus.ACTIVE, Decimal(90))
    await site.receive(events=[ENDED])
    done = await site.session()
    assert (done.status, done.energy_wh) == (SessionStatus.COMPLETED, Decimal(100))
    assert (done.meter_start_wh, done.meter_stop_wh) == (Decimal(5000), Decimal(5100))
    assert done.ended_at is not None
    assert (done.ended_at - done.started_at).total_seconds() == 100
    assert done.tariff is not None


async def test_everything_twice_is_once(site: Site) -> None:
    """Receiving all of it again changes nothing."""
    frames = [frame(seq) for seq in range(10)]
    await site.receive(frames, [STARTED, ENDED])
    once = await site.session()
    again = await site.receive([*frames, *frames], [STARTED, ENDED, ENDED])
    assert (again.frames, again.duplicates, again.events) == (0, 20, 0)
    assert await site.session() == once


async def test_any_order_and_any_restart_give_the_same_session(
    site: Site, tmp_path: Path
) -> None:
    """Frames and events one by one in random order, with restarts between, equal all at once."""
    frames = [frame(seq) for seq in range(10)] + [frame(10 + s, "") for s in range(2)]
    await site.receive(frames, [STARTED, ENDED])
    expected = same(await site.session())
    for seed in range(8):
        shuffler = random.Random(seed)
        pieces: list[Frame | SessionEvent] = [*frames, STARTED, ENDED]
        shuffler.shuffle(pieces)
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with open_site(folder) as other:
            for piece in pieces:
                if isinstance(piece, Frame):
                    await other.receive([piece])
                else:
                    await other.receive(events=[piece])
                if shuffler.random() < 0.2:
                    other.restart()
            assert same(await other.session()) == expected


async def test_periods_that_are_past_stay_as_they_were_stored(site: Site) -> None:
    """Frame by frame, with a change of source, the stored periods are those of all at once."""
    frames = [frame(seq) for seq in range(6)]
    frames += [
        frame(
            seq,
            source=Source.GRID,
            solar_mwh=3_060_000,
            grid_mwh=2_000_000 + (seq - 5) * 10_000,
        )
        for seq in range(6, 12)
    ]
    for each in frames:
        await site.receive([each], [STARTED] if each.seq == 0 else [])
    session = await site.session()
    async with site.database.read() as uow:
        step_by_step = await uow.sessions.periods(session.id)
    site.restart()
    await site.receive(events=[ENDED])
    async with site.database.read() as uow:
        at_once = await uow.sessions.periods(session.id)
    assert [period.source for period in step_by_step][-2:] == [
        Source.SOLAR,
        Source.GRID,
    ]
    assert step_by_step[:-1] == at_once[: len(step_by_step) - 1]


async def test_a_session_without_events_is_found_in_its_frames(site: Site) -> None:
    """The frames' session name alone opens it; a later frame without it ends it."""
    await site.receive([frame(seq) for seq in range(6)])
    assert (await site.session()).status is SessionStatus.ACTIVE
    await site.receive([frame(6, ""), frame(7, "")])
    ended = await site.session()
    assert ended.status is SessionStatus.COMPLETED
    assert ended.energy_wh == 50
    assert ended.ended_at is not None
    assert (ended.ended_at - ended.started_at).total_seconds() == 60


async def test_backlog_that_comes_after_the_end_fills_the_gap(site: Site) -> None:
    """Frames logged offline arrive last: the estimate gives way to what was measured."""
    frames = [frame(seq) for seq in range(30)]
    late = frames[3:25]
    ended = replace(ENDED, at_ms=T0_MS + 290_000, meter_stop_mwh=5_290_000)
    await site.receive([*frames[:3], *frames[25:]], [STARTED, ended])
    before = await site.session()
    assert SessionFlag.ESTIMATED_SPLIT in before.flags
    assert before.energy_wh == 290
    await site.receive(late)
    after = await site.session()
    assert after.flags == frozenset()
    assert (after.energy_wh, after.estimated_wh, after.frames) == (
        Decimal(290),
        Decimal(0),
        30,
    )


async def test_a_new_session_ends_the_one_before_even_when_it_comes_late(
    site: Site,
) -> None:
    """Two sessions, the first one's frames last: both are complete and neither has the other's."""
    first = [frame(seq, "1-1") for seq in range(5)]
    second = [frame(seq, "1-2") for seq in range(10, 15)]
    await site.receive(second)
    await site.receive(first)
    await site.receive([frame(7, "")])
    one, two = await site.sessions()
    assert (one.station_session, one.status, one.energy_wh) == (
        "1-1", SessionStatus.COMPLETED, Decimal(40),
    )  # fmt: skip
    assert one.ended_at == frame(7).at
    assert (two.status, two.energy_wh) == (SessionStatus.ACTIVE, Decimal(40))


async def test_a_start_that_is_told_last_moves_what_is_counted_from_it(
    tmp_path: Path,
) -> None:
    """A price of the first five minutes: periods are cut by the start that the frames tell."""
    by_duration = replace(
        TARIFF,
        elements=(
            replace(
                TARIFF.elements[0],
                restrictions=Restrictions(max_duration=timedelta(minutes=5)),
            ),
            *TARIFF.elements[1:],
        ),
    )
    async with open_site(tmp_path, tariff=by_duration) as site:
        await site.receive([*(frame(seq) for seq in range(10, 60)), frame(60, "")])
        await site.receive([frame(seq) for seq in range(10)])
        session = await site.session()
        async with site.database.read() as uow:
            periods = await uow.sessions.periods(session.id)
    assert session.started_at == T0
    assert [(p.started_at - T0).total_seconds() for p in periods] == [0, 300]


async def test_power_alone_makes_a_session_of_the_smallest_frames(site: Site) -> None:
    """A station that names no sessions: power opens one, ten idle minutes end it."""
    watts = [0, 0, *[3600] * 6, 0, 0]
    await site.receive([plain(10 * i, w) for i, w in enumerate(watts)])
    running = await site.session()
    assert running.status is SessionStatus.ACTIVE
    assert SessionFlag.INFERRED in running.flags
    assert (running.started_at - T0).total_seconds() == 20
    # Five whole intervals, and the falling edge's half.
    assert running.grid_wh == Decimal(55)
    await site.receive([plain(900, 0)])
    assert (await site.session()).status is SessionStatus.COMPLETED


async def test_a_pause_shorter_than_the_idle_time_stays_one_session(site: Site) -> None:
    """Clouds do not make two sessions; a longer pause does."""
    await site.receive([plain(0, 3600), plain(10, 3600), plain(20, 0)])
    await site.receive([plain(400, 3600), plain(410, 3600)])
    await site.session()
    await site.receive([plain(1100, 3600), plain(1110, 3600)])
    assert len(await site.sessions()) == 2


async def test_frames_that_bridge_two_inferred_sessions_join_them(site: Site) -> None:
    """Backlog between two stretches of power shows that they were one session."""
    await site.receive([plain(0, 3600), plain(10, 3600)])
    await site.receive([plain(1000, 3600), plain(1010, 3600)])
    assert len(await site.sessions()) == 2
    await site.receive([plain(s, 3600) for s in range(20, 1000, 10)])
    joined = await site.session()
    assert joined.grid_wh == Decimal(1010)


@pytest.mark.parametrize("counters", [True, False])
async def test_late_frames_fill_the_gap_of_an_inferred_session(
    site: Site, *, counters: bool
) -> None:
    """What comes late is metered too while the fold is at hand, not only after a restart."""
    frames = [
        frame(seq, None, register_mwh=None, solar_mwh=None, grid_mwh=None)
        if counters
        else plain(seq * 10, 3600)
        for seq in range(40)
    ]
    await site.receive(frames[:10] + frames[30:])
    await site.receive(frames[10:30])
    filled = await site.session()
    assert (filled.frames, filled.energy_wh) == (40, Decimal(390))
    assert SessionFlag.GAP not in filled.flags


async def test_power_before_a_clock_was_set_back_hides_none_after_it(
    site: Site,
) -> None:
    """The frames of an hour that comes twice are found, though their numbers are higher."""
    minutes = [0, 60_000]
    await site.receive([
        frame(seq, None, at_ms=T0_MS + at_ms)
        for seq, at_ms in enumerate([*(3_600_000 + m for m in minutes), *minutes])
    ])  # fmt: skip
    early, late = await site.sessions()
    assert (early.frames, late.frames) == (2, 2)
    assert early.started_at == T0


async def test_a_plain_station_that_falls_silent_ends_its_session(site: Site) -> None:
    """Without any more frames the wall clock ends an inferred session."""
    await site.receive([plain(0, 3600), plain(10, 3600)])
    assert await site.metering.end_idle() == 0
    site.now = site.now.replace(hour=13)
    assert await site.metering.end_idle() == 1
    assert (await site.session()).status is SessionStatus.COMPLETED


@pytest.mark.parametrize("named", [True, False])
async def test_the_end_of_a_session_that_an_admin_ended_follows_its_energy(
    site: Site, *, named: bool
) -> None:
    """The station measures on, as one session: it stays ended, and no energy is after its end."""

    def minute(number: int) -> Frame:
        return frame(number * 6) if named else plain(number * 60, 3600)

    await site.receive([minute(0), minute(1)])
    by_admin = replace(
        await site.session(),
        status=SessionStatus.COMPLETED,
        ended_at=T0 + timedelta(minutes=1),
        end_reason=ENDED_BY_ADMIN,
    )
    async with site.database.write() as uow:
        await uow.sessions.save(by_admin)
        await uow.commit()
    await site.receive([minute(2)])
    session = await site.session()
    assert (session.status, session.end_reason) == (by_admin.status, ENDED_BY_ADMIN)
    assert session.energy_wh == 120
    assert session.ended_at == session.last_frame_at == T0 + timedelta(minutes=2)


async def test_who_claimed_the_charge_is_its_driver(site: Site) -> None:
    """A driver who started a charge gets the session that appears."""
    await site.receive([frame(0, "")])
    async with site.database.write() as uow:
        await uow.users.add(
            User(id="u1", name="driver", role=Role.USER, password_hash="x")
        )
        await uow.stations.claim(STATION, "u1", site.now)
        await uow.commit()
    await site.receive([frame(1), frame(2)])
    assert (await site.session()).user_id == "u1"


async def test_live_updates_carry_frames_energy_and_cost(site: Site) -> None:
    """A listener hears each frame with the session's energy and cost so far."""
    await site.receive([frame(0), frame(1)])
    session = await site.session()
    async with site.bus.listen(session.id) as updates:
        await site.receive([frame(2)])
        update = await anext(updates)
    assert update.frame == frame(2)
    assert update.session.energy_wh == 20
    assert update.running_cost is not None
    assert update.running_cost.total_cost.excl_vat == Decimal("0.002")


async def test_a_billing_day_can_be_metered_again(site: Site) -> None:
    """After a restart a running session goes on where it was."""
    for seq in range(5):
        await site.receive([frame(seq)])
    site.restart()
    for seq in range(5, 9):
        await site.receive([frame(seq)])
    assert (await site.session()).energy_wh == 80


async def test_an_end_does_not_ask_for_all_frames_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sums of a running session are there: its end reads no frame twice, and says the same."""
    read: list[tuple[int, int] | None] = []
    parts = FrameRepository.parts_of_session

    def noted(
        self: FrameRepository,
        station_id: str,
        name: str,
        *,
        after: tuple[int, int] | None = None,
        until: tuple[int, int] | None = None,
    ) -> AsyncIterator[list[Frame]]:
        read.append(after)
        return parts(self, station_id, name, after=after, until=until)

    monkeypatch.setattr(FrameRepository, "parts_of_session", noted)
    await site.receive([frame(seq) for seq in range(5)], [STARTED])
    await site.receive([frame(seq) for seq in range(5, 10)])
    await site.receive(events=[ENDED])
    assert read == [None, (1, 4), (1, 9)]
    ended = await site.session()
    assert ended.status is SessionStatus.COMPLETED
    assert ended.meter_stop_wh == 5100
    # Folded anew, from the store, when another event tells the same: nothing differs.
    site.restart()
    await site.receive(events=[event(EventType.UNPLUGGED, 101)])
    assert read[3:] == [None]
    assert await site.session() == ended


async def test_frames_that_come_late_with_the_end_are_not_hidden_by_it(
    site: Site,
) -> None:
    """One batch with a gap's backlog and the end: everything counts."""
    await site.receive([frame(seq) for seq in (0, 1, 2, 7, 8)], [STARTED])
    await site.receive([frame(seq) for seq in (3, 4, 5, 6, 9)], [ENDED])
    session = await site.session()
    assert session.frames == 10
    assert session.status is SessionStatus.COMPLETED
    assert session.energy_wh == 100
    assert session.integrated_wh == 100


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


async def test_a_start_that_a_backlog_tells_brings_its_tariff(site: Site) -> None:
    """A station that was offline when its session began: the price of then, not of its return."""
    async with site.database.write() as uow:
        changed = replace(TARIFF, version=2, valid_from=T0 + timedelta(seconds=55))
        await uow.tariffs.add(changed)
        await uow.commit()
    await site.receive([frame(seq) for seq in range(6, 10)])
    heard = await site.session()
    assert heard.tariff is not None
    assert heard.tariff.version == 2
    await site.receive([frame(seq) for seq in range(6)])
    session = await site.session()
    assert session.tariff is not None
    assert (session.started_at, session.tariff.version) == (T0, 1)


async def test_a_frozen_tariff_stays_when_only_the_start_moves(site: Site) -> None:
    """Assigned to others meanwhile: a first reading that comes late brings no other price."""
    await site.receive([frame(seq) for seq in range(1, 5)])
    async with site.database.write() as uow:
        await uow.users.add(
            User(id="u1", name="driver", role=Role.USER, password_hash="x")
        )
        await uow.tariffs.save_assignment(
            Assignment(id="a", tariff_id=TARIFF.id, user_id="u1")
        )
        await uow.tariffs.add(replace(TARIFF, id="other", name="Other"))
        await uow.commit()
    await site.receive([frame(0)])
    session = await site.session()
    assert session.tariff is not None
    assert (session.started_at, session.tariff.id) == (T0, TARIFF.id)
