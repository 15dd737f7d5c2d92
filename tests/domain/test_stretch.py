"""What frames say together is what they say one by one, to the bit."""

import itertools
from copy import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_service.domain.frame import EventType, Frame, Pilot, SessionEvent
from billing_service.domain.metering import MeteringRules, SessionMeter
from billing_service.domain.period import Source
from billing_service.domain.register import follows, power_needed
from billing_service.domain.stretch import Stretch, stretches
from tests.domain.histories import (
    DISTURBANCES,
    FRAMES,
    T0,
    Step,
    disturbed,
    history,
)

SOLAR, GRID, NONE = Source.SOLAR, Source.GRID, Source.NONE
RULES = MeteringRules(max_gap_ms=60_000, max_power_mw=8_000_000)

RULE_SETS = st.builds(
    lambda cuts, **rules: MeteringRules(
        next_boundary=lambda at: next((T0 + c for c in sorted(cuts) if T0 + c > at), None),
        **rules,
    ),
    st.lists(st.integers(0, 5_400_000), max_size=5),
    max_gap_ms=st.sampled_from([20_000, 60_000]),
    max_power_mw=st.sampled_from([3_000_000, 8_000_000]),
    power_steps_mw=st.sampled_from([(), (4_000_000,), (50_000, 2_000_000)]),
    current_steps_ma=st.sampled_from([(), (10_000,)]),
)  # fmt: skip
"""Whatever an installation, a station and a tariff ask for."""

STARTED = SessionEvent(
    station_id="s",
    type=EventType.SESSION_STARTED,
    at_ms=T0,
    session="1-1",
    meter_start_mwh=15_000_000,
    solar_start_mwh=10_000_000,
    grid_start_mwh=5_000_000,
)


def one_by_one(
    frames: list[Frame], rules: MeteringRules, *, started: bool
) -> SessionMeter:
    """Fold frames singly."""
    meter = SessionMeter(rules)
    if started:
        meter.open_with(STARTED)
    for frame in frames:
        meter.add(frame)
    return meter


def pieces_of(
    frames: list[Frame], cuts: list[int]
) -> list[tuple[Stretch, list[Frame]]]:
    """Make stretches of parts, as they come, and join them again."""
    bounds = sorted({0, len(frames), *(cut for cut in cuts if cut < len(frames))})
    made: list[tuple[Stretch, list[Frame]]] = []
    for start, end in itertools.pairwise(bounds):
        for stretch, its in stretches(frames[start:end]):
            joined = made[-1][0].joined(stretch) if made else None
            if joined is None:
                made.append((stretch, its))
            else:
                made[-1] = (joined, made[-1][1] + its)
    return made


@settings(max_examples=300)
@given(FRAMES, DISTURBANCES, RULE_SETS, st.booleans())
def test_stretches_say_what_their_frames_say(
    steps: list[Step],
    disturbances: list[tuple[int, str]],
    rules: MeteringRules,
    started: bool,
) -> None:
    """Under any rules, and whatever happens: the fold holds the same and goes on the same."""
    frames = disturbed(history(steps), disturbances)
    meter = SessionMeter(rules)
    if started:
        meter.open_with(STARTED)
    found = meter.extend(frames)
    expected = one_by_one(frames, rules, started=started)
    assert meter == expected
    assert meter.result() == expected.result()
    assert sum(stretch.frames for stretch in found) == len(frames)


@settings(max_examples=300)
@given(FRAMES, DISTURBANCES, RULE_SETS, st.lists(st.integers(0, 60), max_size=8))
def test_joined_stretches_are_those_of_all_frames(
    steps: list[Step],
    disturbances: list[tuple[int, str]],
    rules: MeteringRules,
    cuts: list[int],
) -> None:
    """Made in parts and joined, they are the same; kept without their frames, they fold the same."""
    frames = disturbed(history(steps), disturbances)
    made = pieces_of(frames, cuts)
    assert made == [*stretches(frames)]
    meter = SessionMeter(rules)
    for stretch, its in made:
        if not meter.take(stretch):
            for frame in its[1:]:
                meter.add(frame)
    assert meter == one_by_one(frames, rules, started=False)


@given(
    st.integers(-5_000, 500_000), st.integers(1, 600_000), st.integers(0, 50_000_000)
)
def test_the_power_needed_is_what_a_register_follows_by(
    mwh: int, elapsed_ms: int, power_mw: int
) -> None:
    """A rise is believed by just the powers from the needed one on."""
    believed = follows(mwh, elapsed_ms, power_mw)
    assert believed is (mwh >= 0 and power_mw >= power_needed(mwh, elapsed_ms))


def charging(source: Source = SOLAR, registers: str = "both") -> list[Frame]:
    """Return ten frames, one a second."""
    return history([(1, 3600, source, Pilot.C, registers)] * 10)


@pytest.mark.parametrize("registers", ["both", "total", "none"])
@pytest.mark.parametrize("source", [*Source])
def test_frames_that_only_go_on_are_one_stretch(source: Source, registers: str) -> None:
    """From either source, plugged in and waiting, with any registers."""
    frames = charging(source, registers)
    ((stretch, its),) = stretches(frames)
    assert its == frames
    assert SessionMeter(RULES).take(stretch)


def test_a_meter_whose_line_is_dark_breaks_no_stretch() -> None:
    """At night the solar meter sends nothing: the grid's frames are taken at once all the same."""
    day = charging()
    night = [
        replace(frame, at_ms=frame.at_ms + 10_000, seq=frame.seq + 10, solar_mwh=None)
        for frame in history([(1, 3600, GRID, Pilot.C, "both")] * 10)
    ]
    rise = (day[-1].total_mwh or 0) - (night[0].register_mwh or 0)
    night = [replace(f, register_mwh=(f.register_mwh or 0) + rise) for f in night]
    meter = SessionMeter(RULES)
    meter.extend(day)
    ((stretch, _),) = stretches(night)
    assert meter.take(stretch)
    assert meter == one_by_one([*day, *night], RULES, started=False)


def test_what_waits_for_a_register_is_settled_first() -> None:
    """Frames without registers, then both meters beside a total that leaps: one by one."""
    one, two = (charging(registers=sent)[i] for i, sent in ((0, "total"), (1, "none")))
    leapt = [
        replace(each, register_mwh=(each.register_mwh or 0) + 900_000_000)
        for each in charging()[2:]
    ]
    meter = SessionMeter(RULES)
    found = meter.extend([one, two, *leapt])
    assert found[-1].frames == len(leapt)
    assert meter == one_by_one([one, two, *leapt], RULES, started=False)


@pytest.mark.parametrize(
    "change",
    [
        {"source": GRID},
        {"pilot": Pilot.B},
        {"clock_synced": False},
        {"boot": 2},
        {"at_ms": T0 + 5_000},
        {"solar_mwh": 0},
        {"grid_mwh": 5_001_000},
        {"solar_mwh": None},
        {"solar_mwh": None, "grid_mwh": None, "register_mwh": None},
    ],
)
def test_what_changes_ends_a_stretch(change: dict[str, object]) -> None:
    """Source, pilot, clock, counters, time, a register that falls, ticks or is missing."""
    frames = charging()
    frames[5] = replace(frames[5], **change)  # type: ignore[arg-type]  # fields by name
    assert [its[0].seq for _, its in stretches(frames)][:2] == [0, 5]


def test_no_stretch_crosses_a_quarter_of_an_hour() -> None:
    """Where prices change, its frames need not be read again."""
    quarter = T0 // 900_000 * 900_000 + 900_000
    frames = [replace(f, at_ms=quarter - 5_000 + 1000 * f.seq) for f in charging()]
    assert [len(its) for _, its in stretches(frames)] == [5, 5]


@pytest.mark.parametrize(
    "rules",
    [
        replace(RULES, max_gap_ms=999),
        replace(RULES, max_power_mw=3_599_999),
        replace(RULES, power_steps_mw=(3_680_000,)),
        replace(RULES, current_steps_ma=(15_730,)),
        replace(RULES, next_boundary=lambda at: T0 + 5_500 if at < T0 + 5_500 else None),
    ],
)  # fmt: skip
def test_what_the_rules_tell_apart_is_not_taken_at_once(rules: MeteringRules) -> None:
    """A gap, a rise too steep, a threshold of the tariff, a price that changes within."""
    frames = [
        replace(
            frame,
            power_mw=3_600_000 + 10_000 * i,
            current_ma=15_650 + 10 * i,
            solar_mwh=10_000_000 + 3_000 * i,
            register_mwh=15_000_000 + 3_000 * i,
        )
        for i, frame in enumerate(charging())
    ]
    ((stretch, _),) = stretches(frames)
    # The last one's readings belong to what comes after.
    beside = replace(
        RULES, power_steps_mw=(3_600_000, 3_690_000), current_steps_ma=(15_650, 15_740)
    )
    assert SessionMeter(beside).take(stretch)
    assert not SessionMeter(rules).take(stretch)
    meter = SessionMeter(rules)
    meter.extend(frames)
    assert meter == one_by_one(frames, rules, started=False)
