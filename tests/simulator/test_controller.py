"""The station's brain: holds, dead time, pilot states, modes."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.controller import (
    DEAD_TIME_S,
    MIN_CURRENT_A,
    SOLAR_OFF_HOLD_S,
    SOLAR_ON_HOLD_S,
    Controller,
    Mode,
    Pilot,
    Source,
    SourceChange,
)

SUN_W, SHADE_W = 4000.0, 500.0


@dataclass
class Bench:
    """A controller with a vehicle that follows the offer at once; one step is a second."""

    controller: Controller
    plugged: bool = True
    wants_charge: bool = True
    sun_w: float = SUN_W
    changes: list[SourceChange] = field(default_factory=list)

    def source(self) -> Source:
        """The source that is connected."""
        return self.controller.source

    def pilot(self) -> Pilot:
        """The pilot state that is shown."""
        return self.controller.pilot

    def run(self, seconds: int) -> None:
        """Let seconds pass."""
        for _ in range(seconds):
            closed = self.controller.contactor_closed
            change = self.controller.step(
                1.0,
                plugged=self.plugged,
                wants_charge=self.wants_charge,
                current_a=self.controller.offer_a if closed else 0.0,
                solar_available_w=self.sun_w,
            )
            if change is not None:
                self.changes.append(change)


def bench(mode: Mode, *, sun_w: float = SUN_W) -> Bench:
    """A plugged-in vehicle under a sun that has been watched since power-on."""
    controller = Controller(mode=mode)
    controller.start_watching(sun_w)
    return Bench(controller, sun_w=sun_w)


@pytest.mark.parametrize(
    ("mode", "sun_w", "source"),
    [
        (Mode.OFF, SUN_W, Source.NONE),
        (Mode.SOLAR, SUN_W, Source.SOLAR),
        (Mode.SOLAR, SHADE_W, Source.NONE),
        (Mode.GRID, SUN_W, Source.GRID),
        (Mode.AUTO, SUN_W, Source.SOLAR),
        (Mode.AUTO, SHADE_W, Source.GRID),
    ],
)
def test_the_mode_chooses_the_source(mode: Mode, sun_w: float, source: Source) -> None:
    """Each mode, with and without sun."""
    subject = bench(mode, sun_w=sun_w)
    subject.run(10)
    assert subject.source() is source
    assert (subject.pilot() is Pilot.C) == (source is not Source.NONE)


def test_a_short_shadow_changes_nothing() -> None:
    """A shadow shorter than the hold time does not switch."""
    subject = bench(Mode.AUTO)
    subject.run(10)
    subject.sun_w = SHADE_W
    subject.run(int(SOLAR_OFF_HOLD_S) - 1)
    subject.sun_w = SUN_W
    subject.run(120)
    assert [change.new for change in subject.changes] == [Source.SOLAR]


def test_a_long_shadow_switches_to_the_grid_and_back() -> None:
    """Auto follows a lasting drop and returns after the sun has held."""
    subject = bench(Mode.AUTO)
    subject.run(10)
    subject.sun_w = SHADE_W
    subject.run(60)
    assert subject.source() is Source.GRID
    subject.sun_w = SUN_W
    subject.run(int(SOLAR_ON_HOLD_S) - 1)
    assert subject.source() is Source.GRID
    subject.run(20)
    assert subject.changes[1:] == [
        SourceChange(Source.SOLAR, Source.GRID, "pv_drop"),
        SourceChange(Source.GRID, Source.SOLAR, "pv_available"),
    ]


def test_solar_mode_pauses_without_sun() -> None:
    """In solar mode a lasting shadow opens the contactor, and the sun closes it again."""
    subject = bench(Mode.SOLAR)
    subject.run(10)
    subject.sun_w = SHADE_W
    subject.run(60)
    assert subject.source() is Source.NONE
    assert subject.pilot() is Pilot.B
    subject.sun_w = SUN_W
    subject.run(80)
    assert subject.source() is Source.SOLAR


def test_a_mode_change_names_itself_as_the_reason() -> None:
    """Switching by command is told as such."""
    subject = bench(Mode.AUTO)
    subject.run(10)
    subject.controller.mode = Mode.GRID
    subject.run(20)
    assert subject.changes[-1] == SourceChange(Source.SOLAR, Source.GRID, "mode")


def test_a_fault_opens_at_once() -> None:
    """With a fault the contactor is open after the same step, and the pilot shows F."""
    subject = bench(Mode.GRID)
    subject.run(10)
    subject.controller.faults.append("residual_current")
    subject.run(1)
    assert subject.source() is Source.NONE
    assert subject.pilot() is Pilot.F
    subject.controller.faults.clear()
    subject.run(20)
    assert subject.source() is Source.GRID


def test_a_pulled_plug_opens_at_once() -> None:
    """Unplugging ends everything in the same step, also in the middle of a changeover."""
    subject = bench(Mode.AUTO)
    subject.run(10)
    subject.controller.mode = Mode.GRID
    while subject.controller.contactor_closed:
        subject.run(1)
    subject.plugged = False
    subject.run(1)
    assert subject.pilot() is Pilot.A
    assert subject.changes[-1] == SourceChange(Source.SOLAR, Source.NONE, "unplugged")


def test_a_full_vehicle_goes_back_to_b() -> None:
    """When the vehicle wants no more, the contactor opens and the pilot shows B."""
    subject = bench(Mode.GRID)
    subject.run(10)
    subject.wants_charge = False
    subject.run(10)
    assert subject.pilot() is Pilot.B
    assert subject.changes[-1] == SourceChange(Source.GRID, Source.NONE, "vehicle")


def test_solar_offers_what_the_roof_gives() -> None:
    """From the sun no more than it has, from the grid the limit, never below 6 A."""
    subject = bench(Mode.SOLAR, sun_w=2300.0)
    subject.run(10)
    assert subject.controller.offer_a == pytest.approx(10)
    subject.sun_w = 1000.0
    subject.run(1)
    assert subject.controller.offer_a == MIN_CURRENT_A
    subject.controller.current_limit_a = 8
    subject.sun_w = SUN_W
    subject.run(1)
    assert subject.controller.offer_a == 8


DEEDS = st.one_of(
    st.tuples(st.just("mode"), st.sampled_from(list(Mode))),
    st.tuples(st.just("sun"), st.sampled_from([0.0, SHADE_W, 1500.0, SUN_W])),
    st.tuples(st.just("enabled"), st.booleans()),
    st.tuples(st.just("plug"), st.booleans()),
    st.tuples(st.just("vehicle"), st.booleans()),
    st.tuples(st.just("fault"), st.booleans()),
    st.tuples(st.just("limit"), st.floats(6, 32)),
)


def do(subject: Bench, deed: str, value: object) -> None:
    """Do to the bench what a person or the weather may do."""
    match deed, value:
        case "mode", Mode() as mode:
            subject.controller.mode = mode
        case "sun", float() as watts:
            subject.sun_w = watts
        case "enabled", bool() as enabled:
            subject.controller.enabled = enabled
        case "plug", bool() as plugged:
            subject.plugged = plugged
        case "vehicle", bool() as wants:
            subject.wants_charge = wants
        case "fault", bool() as stands:
            subject.controller.faults[:] = ["residual_current"] if stands else []
        case "limit", float() as amperes:
            subject.controller.current_limit_a = amperes


@given(st.lists(st.tuples(DEEDS, st.integers(1, 90)), max_size=25))
def test_whatever_happens_the_station_is_safe(
    story: list[tuple[tuple[str, object], int]],
) -> None:
    """Closed only in state C without a fault, dead time between two sources, offers in range."""
    subject = bench(Mode.AUTO)
    controller = subject.controller
    last, open_s = Source.NONE, DEAD_TIME_S
    for (deed, value), seconds in story:
        do(subject, deed, value)
        for _ in range(seconds):
            before = controller.source
            subject.run(1)
            now = controller.source
            assert {before, now} != {Source.SOLAR, Source.GRID}
            if now is not Source.NONE:
                assert controller.pilot is Pilot.C
                assert subject.plugged
                assert not controller.faults
                if before is Source.NONE:
                    assert last is Source.NONE or open_s >= DEAD_TIME_S
                last, open_s = now, 0.0
            else:
                open_s += 1.0
            assert controller.offer_a == 0 or (
                MIN_CURRENT_A
                <= controller.offer_a
                <= max(MIN_CURRENT_A, controller.current_limit_a)
            )
        if controller.mode is Mode.SOLAR and seconds > 10:
            assert controller.source is not Source.GRID


@given(st.lists(st.tuples(DEEDS, st.integers(1, 90)), max_size=25))
def test_the_changes_told_are_a_chain(
    story: list[tuple[tuple[str, object], int]],
) -> None:
    """Each change starts where the one before ended, and the last is where the station is."""
    subject = bench(Mode.AUTO)
    for (deed, value), seconds in story:
        do(subject, deed, value)
        subject.run(seconds)
    told = [Source.NONE]
    for change in subject.changes:
        assert change.old is told[-1]
        assert change.new is not change.old
        told.append(change.new)
    if subject.controller.contactor_closed:
        assert told[-1] is subject.controller.source
