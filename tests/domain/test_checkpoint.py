"""A fold that was taken down and gone on with is the fold of all frames."""

import json
from copy import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_service.domain.checkpoint import go_on, take_down
from billing_service.domain.frame import EventType, Frame, Pilot, SessionEvent
from billing_service.domain.metering import SessionMeter
from billing_service.domain.period import Source
from tests.domain.test_metering import FRAMES, RULES, T0, history

DISTURBANCES = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.sampled_from(["reset", "outlier", "clock set back", "clock not set"]),
    ),
    max_size=4,
)


def disturbed(frames: list[Frame], disturbances: list[tuple[int, str]]) -> list[Frame]:
    """Let meters and clock misbehave at frames of these numbers."""
    made = [*frames]
    for at, what in disturbances:
        for i in range(at, len(made)):
            frame = made[i]
            if what == "reset":
                frame = shifted(frame, -4_000_000)
            elif what == "outlier" and i == at:
                frame = shifted(frame, 900_000_000)
            elif what == "clock set back":
                frame = replace(frame, at_ms=frame.at_ms - 45_000)
            elif what == "clock not set" and i == at:
                frame = replace(frame, clock_synced=False)
            made[i] = frame
    return made


def shifted(frame: Frame, mwh: int) -> Frame:
    """Return a frame whose registers read so much more."""
    return replace(
        frame,
        register_mwh=None if frame.register_mwh is None else frame.register_mwh + mwh,
        solar_mwh=None if frame.solar_mwh is None else frame.solar_mwh + mwh,
    )


@given(
    FRAMES,
    DISTURBANCES,
    st.lists(st.integers(0, 60), max_size=3),
    st.lists(st.integers(0, 5_400_000), max_size=5),
    st.booleans(),
)
def test_a_fold_that_is_gone_on_with_is_the_same(
    steps: list[tuple[int, int, Source, Pilot | None, str]],
    disturbances: list[tuple[int, str]],
    stops: list[int],
    cuts: list[int],
    started: bool,
) -> None:
    """Through JSON, at any frames: all that the fold holds and tells stays the same to the bit."""
    bounds = sorted(T0 + cut for cut in cuts)
    rules = replace(
        RULES,
        next_boundary=lambda at: next((b for b in bounds if b > at), None),
        power_steps_mw=(4_000_000,) if len(stops) == 3 else (),
    )
    frames = disturbed(history(steps), disturbances)
    end = SessionEvent(
        station_id="s",
        type=EventType.SESSION_ENDED,
        at_ms=T0 + 10_000_000,
        session="1-1",
        meter_start_mwh=15_000_000,
        meter_stop_mwh=15_400_000,
    )
    whole = SessionMeter(rules)
    if started:
        whole.open_with(replace(end, type=EventType.SESSION_STARTED, at_ms=T0))
    in_parts = go_on(rules, json.loads(json.dumps(take_down(whole))))
    for one, two in pairwise([0, *sorted(stops), len(frames)]):
        for frame in frames[one:two]:
            in_parts.add(frame)
        in_parts = go_on(rules, json.loads(json.dumps(take_down(in_parts))))
    for frame in frames:
        whole.add(frame)
    assert in_parts == whole
    assert in_parts.result() == whole.result()
    whole.close_with(end)
    in_parts.close_with(end)
    assert in_parts.result() == whole.result()


def test_what_was_taken_down_stays_as_it_was() -> None:
    """Frames that come after change the fold, not what was taken down of it."""
    frames = history([(1, 3600, Source.SOLAR, Pilot.C, "both")] * 4)
    meter = SessionMeter(RULES)
    for frame in frames[:2]:
        meter.add(frame)
    state = take_down(meter)
    before = json.dumps(state)
    for frame in frames[2:]:
        meter.add(frame)
    assert json.dumps(state) == before
    assert go_on(RULES, state).frames == 2


def test_what_is_no_plain_value_is_refused() -> None:
    """A kind of field that could not come back the same is told at once."""
    meter = SessionMeter(RULES)
    meter.frames = 1.5  # type: ignore[assignment]  # what a later field might hold
    with pytest.raises(TypeError, match="float cannot be taken down"):
        take_down(meter)
