"""One station as a whole: energy, registers, sessions, what it tells."""

from collections.abc import Callable
from datetime import timedelta
from itertools import groupby, pairwise

import pytest

from simulator.controller import Mode, Pilot, Source
from simulator.outputs import MeterReading, Reading
from simulator.physics.clouds import Scenario
from simulator.station import POWER_FACTOR, Refused
from tests.simulator.world import (
    START,
    happenings,
    readings,
    run_s,
    run_to_end,
    snapshots,
    station,
)

HOUR_S = 3600.0


def integral_wh(
    frames: list[Reading], meter: Callable[[Reading], MeterReading]
) -> float:
    """Energy of one meter as a receiver integrates it: see docs/protocol and the meter."""
    energy = 0.0
    for one, two in pairwise(frames):
        hours = (two.at_ms - one.at_ms) / 3_600_000
        power = meter(one).power_w
        if one.source is two.source:
            power = (power + meter(two).power_w) / 2
        energy += power * hours
    return energy


@pytest.fixture(scope="module", params=list(Scenario))
def frames(request: pytest.FixtureRequest) -> list[Reading]:
    """One session of three hours, in each scenario."""
    subject = station(
        scenario=request.param,
        seed=11,
        session_length_s=3 * HOUR_S,
        duration_s=3 * HOUR_S + 120,
        solar_register_wh=1234.9,
        grid_register_wh=0.5,
    )
    return readings(run_to_end(subject))


@pytest.mark.parametrize("source", ["solar", "grid"])
def test_power_over_time_is_what_the_registers_say(
    frames: list[Reading], source: str
) -> None:
    """Per meter, the integral of P and the register agree within 1 Wh."""

    def meter(reading: Reading) -> MeterReading:
        return reading.solar if source == "solar" else reading.grid

    by_register = meter(frames[-1]).energy_wh - meter(frames[0]).energy_wh
    assert integral_wh(frames, meter) == pytest.approx(by_register, abs=1.0)


def test_registers_never_fall(frames: list[Reading]) -> None:
    """From frame to frame neither register goes down."""
    for one, two in pairwise(frames):
        assert two.solar.energy_wh >= one.solar.energy_wh
        assert two.grid.energy_wh >= one.grid.energy_wh


def test_power_is_voltage_times_current(frames: list[Reading]) -> None:
    """P = V · I · power factor, within what the displays' last digits allow."""
    for reading in frames:
        for meter in (reading.solar, reading.grid):
            expected = meter.voltage_v * meter.current_a * POWER_FACTOR
            tolerance = 0.05 * meter.current_a + 0.0005 * meter.voltage_v + 0.06
            assert meter.power_w == pytest.approx(expected, abs=tolerance)


def test_one_source_at_a_time(frames: list[Reading]) -> None:
    """The meter that is not in use shows no current, and none does between two sources."""
    for reading in frames:
        if reading.source is not Source.SOLAR:
            assert reading.solar.current_a == reading.solar.power_w == 0
        if reading.source is not Source.GRID:
            assert reading.grid.current_a == reading.grid.power_w == 0
    for one, two in pairwise(frames):
        assert {one.source, two.source} != {Source.SOLAR, Source.GRID}


def test_the_pilot_runs_from_a_to_a(frames: list[Reading]) -> None:
    """A, B, C … B, A, one step at a time."""
    states = [state for state, _ in groupby(reading.pilot for reading in frames)]
    assert states[:3] == [Pilot.A, Pilot.B, Pilot.C]
    assert states[-2:] == [Pilot.B, Pilot.A]
    assert all({one, two} != {Pilot.A, Pilot.C} for one, two in pairwise(states))


def test_frames_are_counted_and_in_order(frames: list[Reading]) -> None:
    """The count starts at 0 and has no gap, and time goes forward."""
    assert [reading.seq for reading in frames] == list(range(len(frames)))
    assert all(one.at_ms < two.at_ms for one, two in pairwise(frames))


def test_rhythm(frames: list[Reading]) -> None:
    """A frame each second while a source is connected, at least each ten seconds otherwise."""
    for one, two in pairwise(frames):
        gap_ms = two.at_ms - one.at_ms
        assert gap_ms == 1000 if one.source is not Source.NONE else gap_ms <= 10_000


def test_what_leaves_the_meters_arrives_in_the_battery() -> None:
    """The battery gains the metered energy times the charger's efficiency."""
    subject = station(scenario=Scenario.CLOUDY, session_length_s=2 * HOUR_S)
    run_s(subject, 20)
    assert subject.vehicle is not None
    soc, metered = (
        subject.vehicle.soc,
        subject.solar_meter.energy_wh + subject.grid_meter.energy_wh,
    )
    run_s(subject, HOUR_S)
    gained = (subject.vehicle.soc - soc) * subject.vehicle.capacity_wh
    metered = subject.solar_meter.energy_wh + subject.grid_meter.energy_wh - metered
    assert gained == pytest.approx(metered * subject.vehicle.charger_efficiency)


@pytest.mark.parametrize(
    ("scenario", "buffer_wh"),
    [
        (Scenario.CLOUDY, 0.0),
        (Scenario.PV_DROP, 0.0),
        (Scenario.CLOUDY, 60.0),
        (Scenario.PV_DROP, 60.0),
        (Scenario.FLAPPING, 60.0),
    ],
)
def test_no_more_solar_energy_is_used_than_the_roof_gives(
    scenario: Scenario, buffer_wh: float
) -> None:
    """What is drawn comes from the roof in that second or from the buffer's content.

    Within a second the power is taken as a straight line, so that a cloud's edge blurs it a
    little: in an hour by less than 1 Wh.
    """
    subject = station(scenario=scenario, mode=Mode.SOLAR, session_length_s=HOUR_S)
    subject.solar.buffer_capacity_wh = buffer_wh
    stored_wh = owed_wh = before_w = metered_wh = 0.0
    while subject.elapsed_s < HOUR_S:
        subject.advance()
        roof_wh = (before_w + subject.solar.pv_w) / 2 / 3600
        drawn_wh = subject.solar_meter.energy_wh - metered_wh
        before_w, metered_wh = subject.solar.pv_w, subject.solar_meter.energy_wh
        stored_wh = min(buffer_wh, stored_wh + roof_wh - drawn_wh)
        if stored_wh < 0:
            owed_wh, stored_wh = owed_wh - stored_wh, 0.0
    assert owed_wh < 1
    assert metered_wh > 100


@pytest.mark.parametrize("scenario", list(Scenario))
def test_solar_mode_never_draws_from_the_grid(scenario: Scenario) -> None:
    """Not a watt-second, whatever the weather."""
    subject = station(scenario=scenario, mode=Mode.SOLAR, session_length_s=HOUR_S)
    run_s(subject, HOUR_S + 60)
    assert subject.grid_meter.energy_wh == 0


@pytest.mark.parametrize("hour", range(0, 24, 6))
def test_sunny_is_sunny_at_any_hour(hour: int) -> None:
    """A session of five hours charges from the sun alone whenever it starts."""
    start = START + timedelta(hours=hour)
    subject = station(
        start=start, session_length_s=5 * HOUR_S, duration_s=5 * HOUR_S + 60
    )
    run_to_end(subject)
    assert subject.solar_meter.energy_wh > 10_000
    assert subject.grid_meter.energy_wh == 0


@pytest.mark.parametrize("hour", range(0, 24, 6))
def test_a_drop_uses_both_sources_at_any_hour(hour: int) -> None:
    """Solar, then the grid through the drop, then solar again; each for a good part."""
    subject = station(
        start=START + timedelta(hours=hour),
        scenario=Scenario.PV_DROP,
        session_length_s=2 * HOUR_S,
        duration_s=2 * HOUR_S + 60,
    )
    out = run_to_end(subject)
    changes = [event.fields["to"] for event in happenings(out, "source_changed")]
    assert changes == ["solar", "grid", "solar", "none"]
    assert subject.solar_meter.energy_wh > 2 * subject.grid_meter.energy_wh > 2000


def test_the_night_has_no_sun() -> None:
    """Eight hours of charging, none of it solar, and the inverter sleeps."""
    subject = station(
        scenario=Scenario.NIGHT, session_length_s=8 * HOUR_S, duration_s=8.1 * HOUR_S
    )
    frames = readings(run_to_end(subject))
    assert subject.solar_meter.energy_wh == 0
    assert subject.grid_meter.energy_wh > 10_000
    assert {reading.solar.voltage_v for reading in frames} == {0.0}


def test_flapping_sun_does_not_wear_the_contactors() -> None:
    """Between two changes of source lies at least the shorter hold time."""
    subject = station(scenario=Scenario.FLAPPING, session_length_s=3 * HOUR_S)
    changes = happenings(run_s(subject, 3 * HOUR_S), "source_changed")
    assert len(changes) > 10
    assert all(two.at_ms - one.at_ms >= 30_000 for one, two in pairwise(changes))


def test_a_full_car_ends_by_itself() -> None:
    """At the end of a long session the power tapers off, then the pilot is B, still plugged."""
    subject = station(scenario=Scenario.NIGHT, session_length_s=11 * HOUR_S)
    frames = readings(run_s(subject, 11 * HOUR_S - 60))
    charging = [
        reading.connected.power_w for reading in frames if reading.pilot is Pilot.C
    ]
    assert charging[len(charging) // 3] > 3000
    assert 150 < charging[-10] < 400
    assert frames[-1].pilot is Pilot.B
    assert frames[-1].session is not None
    assert not snapshots([subject.snapshot()])[0].charging


def test_the_same_seed_gives_the_same_story() -> None:
    """Same config, same outputs; another seed or another station, other frames."""

    def story(seed: int, name: str = "garage") -> list[object]:
        config = {"seed": seed, "station": name, "scenario": Scenario.CLOUDY}
        return list(run_s(station(**config), 1800))

    assert story(5) == story(5)
    assert story(5) != story(6)
    assert story(5) != story(5, "carport")


def test_session_events_tell_the_registers() -> None:
    """Start and end of a session carry what the frames show, and the sum of both sources."""
    subject = station(
        scenario=Scenario.PV_DROP,
        session_length_s=HOUR_S,
        duration_s=HOUR_S + 60,
        solar_register_wh=500.7,
        grid_register_wh=20.2,
    )
    out = run_to_end(subject)
    (started,), (ended,) = (
        happenings(out, "session_started"),
        happenings(out, "session_ended"),
    )
    last = readings(out)[-1]
    assert started.fields["meter_start_wh"] == 520
    assert ended.fields["solar_wh"] == last.solar.energy_wh - 500
    assert ended.fields["grid_wh"] == last.grid.energy_wh - 20
    assert ended.fields["meter_stop_wh"] == last.solar.energy_wh + last.grid.energy_wh
    kinds = [event.type for event in happenings(out) if event.type != "source_changed"]
    assert kinds == [
        "rebooted",
        "plugged",
        "session_started",
        "session_ended",
        "unplugged",
    ]


def test_sessions_repeat_under_new_names() -> None:
    """Without an end vehicles keep coming, and no session's name comes twice."""
    subject = station(session_length_s=60)
    out = run_s(subject, 3 * HOUR_S)
    names = [event.fields["session"] for event in happenings(out, "session_started")]
    assert len(names) > 5
    assert len(set(names)) == len(names)


def test_the_end_is_clean() -> None:
    """At the planned end the vehicle is gone, the session closed and the state says so."""
    subject = station(duration_s=600)
    out = run_to_end(subject)
    assert snapshots(out)[-1].session is None
    assert readings(out)[-1].pilot is Pilot.A
    assert (
        readings(out)[-1].at_ms <= (START + timedelta(seconds=600)).timestamp() * 1000
    )


def test_an_early_end_unplugs_within_seconds() -> None:
    """After finish the charge is stopped, the vehicle leaves, and nothing more comes."""
    subject = station()
    run_s(subject, 120)
    subject.finish()
    out = run_to_end(subject)
    assert subject.elapsed_s < 130
    assert [event.type for event in happenings(out)][-2:] == [
        "session_ended",
        "unplugged",
    ]
    assert readings(out)[-1].source is Source.NONE


def test_finish_without_a_vehicle_ends_at_once() -> None:
    """Between sessions there is nothing to wait for."""
    subject = station(plug_in_after_s=500)
    run_s(subject, 50)
    subject.finish()
    assert subject.over


def test_the_current_limit_is_obeyed() -> None:
    """A few seconds after a lower limit the current is at it."""
    subject = station(mode=Mode.GRID)
    run_s(subject, 60)
    subject.set_current_limit(10)
    frames = readings(run_s(subject, 30))
    assert frames[-1].connected.current_a == pytest.approx(10, abs=0.01)


def test_stop_and_start() -> None:
    """Stop ends the flow and keeps the session, start resumes it; unplugging forgets the stop."""
    subject = station(mode=Mode.GRID, session_length_s=600)
    run_s(subject, 60)
    subject.stop_charging()
    run_s(subject, 20)
    assert (subject.snapshot().charging, subject.snapshot().enabled) == (False, False)
    subject.start_charging()
    run_s(subject, 20)
    assert subject.snapshot().charging
    subject.stop_charging()
    run_s(subject, 600)
    assert subject.session is None
    assert subject.snapshot().enabled


def test_a_fault_stops_the_charge_until_it_is_reset() -> None:
    """The fault is told, charging stays off, start is refused, reset clears and resumes."""
    subject = station(mode=Mode.GRID, fault_after_s=60)
    out = run_s(subject, 100)
    assert [event.fields["fault"] for event in happenings(out, "fault_raised")] == [
        "residual_current"
    ]
    assert subject.snapshot().faults == ("residual_current",)
    with pytest.raises(Refused) as refused:
        subject.start_charging()
    assert refused.value.code == "fault_active"
    subject.reset_faults()
    assert [event.type for event in happenings(subject.settle())] == ["fault_cleared"]
    run_s(subject, 20)
    assert subject.snapshot().charging


def test_a_reboot_keeps_the_session_and_starts_the_count_anew() -> None:
    """Refused under load; otherwise the boot number rises, seq starts at 0, the session stays."""
    subject = station(mode=Mode.GRID)
    run_s(subject, 60)
    with pytest.raises(Refused) as refused:
        subject.reboot()
    assert refused.value.code == "busy"
    subject.set_mode(Mode.OFF)
    run_s(subject, 20)
    subject.reboot()
    out = run_s(subject, 30)
    assert happenings(out)[0].fields == {"boot": 2, "reset_reason": "software"}
    assert (readings(out)[0].boot, readings(out)[0].seq) == (2, 0)
    assert readings(out)[-1].session == "1-1"


@pytest.mark.parametrize(
    ("rate", "gap_ms"), [(0.2, 5000), (1, 1000), (4, 250), (10, 100)]
)
def test_the_rate_is_kept_while_charging(rate: float, gap_ms: int) -> None:
    """Frames come at the rate that was asked for, slower and faster than the physics."""
    subject = station(mode=Mode.GRID, rate_hz=rate)
    frames = readings(run_s(subject, 120))
    charging = [reading.at_ms for reading in frames if reading.source is Source.GRID]
    assert {two - one for one, two in pairwise(charging)} == {gap_ms}
    assert subject.grid_meter.energy_wh == pytest.approx(100, rel=0.1)
