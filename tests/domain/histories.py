"""Histories of frames to meter: plausible ones, and what meters and clocks do to them."""

from copy import replace

from hypothesis import strategies as st

from billing_service.domain.frame import Frame, Pilot
from billing_service.domain.period import Source

T0 = 1_795_420_000_000

type Step = tuple[int, int, Source, Pilot | None, str]
"""Seconds since the frame before, watts, source, pilot state, which registers are sent."""

STEPS = st.tuples(
    st.integers(1, 90),
    st.integers(0, 7400),
    st.sampled_from([*Source]),
    st.sampled_from([None, *Pilot]),
    st.sampled_from(["both", "total", "none"]),
)
FRAMES = st.lists(st.tuples(st.integers(1, 6), STEPS), max_size=25).map(
    lambda stretches: [step for times, step in stretches for _ in range(times)]
)
"""Stretches of like frames, as stations send them, with changes of every kind between."""

DISTURBANCES = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.sampled_from([
            "reset", "outlier", "clock set back", "clock not set", "lost", "rebooted",
            "other power", "no power", "tick",
        ]),
    ),
    max_size=6,
)  # fmt: skip


def history(steps: list[Step]) -> list[Frame]:
    """Make a plausible history: registers follow power, sources change, gaps happen."""
    second, solar, grid, frames = 0, 10_000_000, 5_000_000, []
    for seq, (wait, watts, source, pilot, registers) in enumerate(steps):
        second += wait
        power = 0 if source is Source.NONE else watts
        solar += power * wait * 1000 // 3600 if source is Source.SOLAR else 0
        grid += power * wait * 1000 // 3600 if source is Source.GRID else 0
        frames.append(
            Frame(
                "s",
                1,
                seq,
                T0 + second * 1000,
                230_000,
                power * 1000 // 230,
                power * 1000,
                source,
                solar + grid if registers != "none" else None,
                solar if registers == "both" else None,
                grid if registers == "both" else None,
                pilot,
            )
        )
    return frames


def disturbed(frames: list[Frame], disturbances: list[tuple[int, str]]) -> list[Frame]:
    """Let meters, clock, broker and station misbehave at frames of these numbers."""
    made = [*frames]
    lost = set()
    for at, what in disturbances:
        for i in range(at, len(made)):
            frame = made[i]
            if what == "reset":
                frame = _shifted(frame, -4_000_000)
            elif what == "tick":
                frame = _shifted(frame, 1_000)
            elif what == "clock set back":
                frame = replace(frame, at_ms=frame.at_ms - 45_000)
            elif what == "rebooted":
                frame = replace(frame, boot=frame.boot + 1)
            elif i > at:
                break
            elif what == "outlier":
                frame = _shifted(frame, 900_000_000)
            elif what == "clock not set":
                frame = replace(frame, clock_synced=False)
            elif what == "other power":
                frame = replace(frame, power_mw=frame.power_mw * 3 // 2 + 20_000)
            elif what == "no power":
                frame = replace(frame, power_mw=0, current_ma=0)
            elif what == "lost":
                lost.add(i)
            made[i] = frame
    return [frame for i, frame in enumerate(made) if i not in lost]


def _shifted(frame: Frame, mwh: int) -> Frame:
    """Return a frame whose registers read so much more."""
    return replace(
        frame,
        register_mwh=None if frame.register_mwh is None else frame.register_mwh + mwh,
        solar_mwh=None if frame.solar_mwh is None else frame.solar_mwh + mwh,
    )
