"""What a station is, from the messages it sent. No Home Assistant here."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from custom_components.solarrally.messages import (
    Clock,
    Frame,
    Meter,
    Mode,
    Pilot,
    SessionStart,
    Source,
    State,
    StationEvent,
)
from custom_components.solarrally.register import CONFIRMING_READINGS
from custom_components.solarrally.station import SILENCE_LIMIT_S, Station

START = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def frame(second: int, energy_wh: float | None = 1000.0, **changed: Any) -> Frame:
    """Return the frame of a second, number and time alike."""
    made = Frame(
        timestamp=START + timedelta(seconds=second),
        voltage_v=230.0,
        current_a=10.0,
        power_w=2300.0,
        energy_wh=energy_wh,
        source=Source.SOLAR,
        station="garage",
        boot=12,
        seq=second,
        solar=None,
        grid=None,
        pilot=Pilot.CHARGING,
        says_session=True,
        session="12-3",
        clock=Clock.SYNCED,
    )
    return replace(made, **changed)


def meter(energy_wh: float) -> Meter:
    """Return a meter of which only the register matters."""
    return Meter(voltage_v=230.0, current_a=10.0, power_w=2300.0, energy_wh=energy_wh)


def state(
    second: int = 0, session: SessionStart | None = None, **changed: Any
) -> State:
    """Return the state of a second."""
    made = State(
        timestamp=START + timedelta(seconds=second),
        mode=Mode.AUTO,
        source=Source.SOLAR,
        pilot=Pilot.CHARGING,
        enabled=True,
        charging=True,
        current_limit_a=16.0,
        faults=(),
        clock=Clock.SYNCED,
        sd=None,
        backlog=None,
        boot=12,
        session=session,
    )
    return replace(made, **changed)


def session_start(session_id: str = "12-3", meter_wh: float = 1000.0) -> SessionStart:
    """Return a session that started with the clock."""
    return SessionStart(
        id=session_id,
        started_at=START,
        meter_start_wh=meter_wh,
        solar_start_wh=None,
        grid_start_wh=None,
    )


def ended_event(**fields: Any) -> StationEvent:
    """Return the event that closes the session."""
    return StationEvent(
        type="session_ended",
        timestamp=START + timedelta(hours=2),
        session="12-3",
        fields={"started_at": START, "reason": "unplugged", **fields},
    )


@pytest.fixture
def station() -> Station:
    """Return a station of which nothing is known."""
    return Station("garage")


def test_order_of_arrival_does_not_matter() -> None:
    """Frames in any order leave the newest reading and the same session energy."""
    frames = [frame(second, 1000 + second) for second in range(4)]
    for order in permutations(frames):
        station = Station("garage")
        station.apply_state(state(0, session_start()))
        for it in order:
            station.apply_frame(it, 0)
        assert station.frame == frames[-1]
        assert station.session is not None
        assert station.session.total.energy_wh == 3


def test_frame_twice_is_ignored(station: Station) -> None:
    """A frame that is heard again changes nothing."""
    assert station.apply_frame(frame(1), 0)
    assert not station.apply_frame(frame(1), 0)
    assert station.frames_ignored == 1


def test_frames_without_numbers_go_by_time(station: Station) -> None:
    """Without boot and seq the newer timestamp wins."""
    station.apply_frame(frame(5, boot=None, seq=None), 0)
    assert not station.apply_frame(frame(5, boot=None, seq=None), 0)
    assert not station.apply_frame(frame(4, boot=None, seq=None), 0)
    assert station.apply_frame(frame(6, boot=None, seq=None), 0)


def test_numbers_count_more_than_the_clock(station: Station) -> None:
    """A clock that was set back does not make the station's frames old."""
    station.apply_frame(frame(5), 0)
    assert station.apply_frame(frame(6, timestamp=START - timedelta(hours=1)), 0)


def test_late_frame_of_an_earlier_boot_is_ignored(station: Station) -> None:
    """What was sent before a reboot and arrives after it is old."""
    station.apply_frame(frame(5, boot=13, seq=0), 0)
    assert not station.apply_frame(frame(4, boot=12, seq=900), 0)


def test_erased_reboot_counter_is_followed(station: Station) -> None:
    """A station whose memory was erased counts from zero and is still heard."""
    station.apply_frame(frame(5, boot=13), 0)
    assert station.apply_frame(frame(6, boot=0, seq=0), 0)


def test_session_energy_is_register_less_start(station: Station) -> None:
    """Not the register, and not what was charged before."""
    station.apply_state(state(0, session_start(meter_wh=900.5)))
    station.apply_frame(frame(1, 1000), 0)
    assert station.session is not None
    assert station.session.total.energy_wh == 99.5


def test_session_energy_is_not_negative(station: Station) -> None:
    """A start above the register reads as nothing charged yet."""
    station.apply_frame(frame(1, 1000, session="12-2"), 0)
    station.apply_state(state(2, session_start(meter_wh=1000.4)))
    assert station.session is not None
    assert station.session.total.energy_wh == 0


def test_session_energy_holds_after_the_end(station: Station) -> None:
    """Nothing creeps on once the session is over."""
    station.apply_state(state(0, session_start()))
    station.apply_frame(frame(1, 1010), 0)
    station.apply_frame(frame(2, 1011, session=None, pilot=Pilot.NO_VEHICLE), 0)
    station.apply_frame(frame(9, 1050, session=None, pilot=Pilot.NO_VEHICLE), 0)
    assert station.session is not None
    assert station.session.total.energy_wh == 10
    assert station.session.duration == timedelta(seconds=2)


def test_new_session_starts_at_zero(station: Station) -> None:
    """The next session shows 0 before its first frame."""
    station.apply_state(state(0, session_start()))
    station.apply_frame(frame(1, 1010), 0)
    station.apply_state(state(2))
    station.apply_state(state(3, session_start("12-4", meter_wh=1010)))
    assert station.session is not None
    assert (station.session.id, station.session.total.energy_wh) == ("12-4", 0)


def test_session_is_found_in_frames_alone(station: Station) -> None:
    """Whoever missed every state still counts from the first frame of the session."""
    station.apply_frame(frame(1, 1000), 0)
    station.apply_frame(frame(61, 1030), 0)
    assert station.session is not None
    assert station.session.total.energy_wh == 30
    assert station.session.duration == timedelta(minutes=1)


def test_start_that_is_learned_late_counts(station: Station) -> None:
    """The start from the state replaces the guess from the first frame."""
    station.apply_frame(frame(60, 1030), 0)
    station.apply_state(state(60, session_start(meter_wh=1000)))
    station.apply_frame(frame(61, 1031), 0)
    assert station.session is not None
    assert station.session.total.energy_wh == 31
    assert station.session.started_at == START


def test_register_reset_in_a_session_keeps_the_energy(station: Station) -> None:
    """A meter that is reset loses nothing of what was charged before."""
    station.apply_state(state(0, session_start()))
    station.apply_frame(frame(1, 1010), 0)
    for step in range(CONFIRMING_READINGS + 1):
        station.apply_frame(frame(2 + step, float(step)), 0)
        # The station repeats the start it knows.
        station.apply_state(state(2 + step, session_start()))
    assert station.session is not None
    assert station.session.total.energy_wh == 10 + CONFIRMING_READINGS
    assert station.total.energy_wh == CONFIRMING_READINGS


def test_sources_are_counted_apart(station: Station) -> None:
    """Each source has its own energy; together they make the solar share."""
    station.apply_state(
        state(0, replace(session_start(), solar_start_wh=600, grid_start_wh=400))
    )
    assert station.session is not None
    assert station.session.solar_share_percent is None
    station.apply_frame(frame(1, 1040, solar=meter(630), grid=meter(410)), 0)
    assert station.session.solar.energy_wh == 30
    assert station.session.grid.energy_wh == 10
    assert station.session.solar_share_percent == 75


def test_two_meters_make_the_total(station: Station) -> None:
    """A station that sends only the two registers has a total all the same."""
    station.apply_frame(frame(1, None, solar=meter(600), grid=meter(400)), 0)
    assert station.total.energy_wh == 1000


def test_end_event_settles_the_session(station: Station) -> None:
    """The station's own final count stands, also for what no frame has shown."""
    station.apply_state(state(0, session_start()))
    station.apply_frame(frame(1, 1010), 0)
    station.apply_event(
        ended_event(meter_start_wh=1000, meter_stop_wh=1012.5, solar_wh=12.5, grid_wh=0)
    )
    assert station.session is not None
    assert station.session.total.energy_wh == 12.5
    assert station.session.solar.energy_wh == 12.5
    assert station.session.duration == timedelta(hours=2)
    assert station.session.ended


def test_end_below_the_start_is_not_believed(station: Station) -> None:
    """A stop register below the start does not make energy negative."""
    station.apply_state(state(0, session_start()))
    station.apply_frame(frame(1, 1010), 0)
    station.apply_event(ended_event(meter_start_wh=1000, meter_stop_wh=3))
    assert station.session is not None
    assert station.session.total.energy_wh == 10


def test_end_of_another_session_changes_nothing(station: Station) -> None:
    """A late end of the session before does not end the present one."""
    station.apply_state(state(0, session_start("12-4")))
    station.apply_event(ended_event())
    assert station.session is not None
    assert not station.session.ended


def test_event_twice_is_one_event(station: Station) -> None:
    """The same type, time and session is the same event."""
    assert station.apply_event(ended_event())
    assert not station.apply_event(ended_event())


def test_started_event_opens_the_session(station: Station) -> None:
    """The event of the start is enough to count from it."""
    station.apply_frame(frame(0, 1000, session=None), 0)
    started = StationEvent(
        type="session_started",
        timestamp=START,
        session="12-3",
        fields={"meter_start_wh": 990.0},
    )
    station.apply_event(started)
    assert station.session is not None
    assert station.session.total.energy_wh == 10


def test_frame_that_says_nothing_of_sessions_ends_none(station: Station) -> None:
    """Only a frame that says there is no session ends it."""
    station.apply_state(state(0, session_start()))
    station.apply_frame(frame(5, says_session=False, session=None), 0)
    assert station.session is not None
    assert not station.session.ended
    assert station.session.duration == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("pilot", "session", "plugged"),
    [
        (None, None, None),
        ("A", "12-3", False),
        ("B", "12-3", True),
        ("C", "12-3", True),
        ("D", "12-3", True),
        ("E", "12-3", True),
        ("E", None, False),
        ("F", "12-3", True),
        ("F", None, False),
    ],
)
def test_plugged(
    station: Station, pilot: str | None, session: str | None, plugged: bool | None
) -> None:
    """The pilot tells; without its signal the open session does."""
    station.apply_frame(
        frame(1, pilot=None if pilot is None else Pilot(pilot), session=session), 0
    )
    assert station.plugged is plugged


def test_silence_is_for_stations_without_status(station: Station) -> None:
    """Frames keep a station without a status for a minute, a status decides else."""
    assert not station.online(0)
    station.apply_frame(frame(1), heard_at=100)
    assert station.online(100 + SILENCE_LIMIT_S)
    assert not station.online(100.1 + SILENCE_LIMIT_S)
    station.apply_status(online=True)
    assert station.online(1e9)
    station.forget_status()
    assert not station.online(100)
