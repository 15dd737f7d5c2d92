"""Stretches: neighbouring frames between which nothing changes but amounts.

Most frames only go on where the one before stood: same source, same pilot state, one register a
little higher. What such neighbours say together can be said at once, and says the same under any
rules that ``MeteringRules`` may hold: a stretch tells of itself what they ask for. Prices change
at quarters of an hour nearly always, so no stretch crosses one.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from billing_service.domain.frame import CHARGING_FROM_MW, Frame
from billing_service.domain.period import Source
from billing_service.domain.register import power_needed

QUARTER_MS = 900_000
"""A quarter of an hour."""


class Extremes(NamedTuple):
    """The lowest and highest readings: power in mW, current in mA."""

    min_mw: int
    max_mw: int
    min_ma: int
    max_ma: int

    @classmethod
    def of(cls, frame: Frame) -> Extremes:
        """Return those of one frame."""
        mw, ma = frame.power_mw, frame.current_ma
        return cls(mw, mw, ma, ma)

    def joined(self, other: Extremes) -> Extremes:
        """Return those of both."""
        return Extremes(
            min(self.min_mw, other.min_mw),
            max(self.max_mw, other.max_mw),
            min(self.min_ma, other.min_ma),
            max(self.max_ma, other.max_ma),
        )


class Stretch(NamedTuple):
    """What ``frames`` neighbours say together; one alone is a stretch too.

    ``half_uj`` is Σ P·Δt (trapezoid, in half µJ), ``longest_ms`` the longest time between two,
    ``needed_mw`` the least power by which each rise of a register can be believed (see
    ``power_needed``), ``last_power_ms`` the time of the last one in which power flowed.
    ``extremes`` are those of all but the last, whose reading holds until the next frame.
    """

    first: Frame
    last: Frame
    frames: int
    half_uj: int
    longest_ms: int
    needed_mw: int
    last_power_ms: int | None
    extremes: Extremes | None

    def joined(self, other: Stretch) -> Stretch | None:
        """Return both as one; None when something changes between them."""
        a, b = self.last, other.first
        needed = _power_needed(a, b)
        if needed is None:
            return None
        dt = b.at_ms - a.at_ms
        extremes = Extremes.of(a)
        for each in (self.extremes, other.extremes):
            if each is not None:
                extremes = extremes.joined(each)
        return Stretch(
            self.first,
            other.last,
            self.frames + other.frames,
            self.half_uj + (a.power_mw + b.power_mw) * dt + other.half_uj,
            max(self.longest_ms, dt, other.longest_ms),
            max(self.needed_mw, needed, other.needed_mw),
            self.last_power_ms if other.last_power_ms is None else other.last_power_ms,
            extremes,
        )


def stretches(frames: Iterable[Frame]) -> Iterator[tuple[Stretch, list[Frame]]]:
    """Yield the stretches that frames in order of (boot, seq) make, each with its frames."""
    part: list[Frame] = []
    half_uj = longest_ms = needed_mw = 0
    for b in frames:
        if part:
            a = part[-1]
            needed = _power_needed(a, b)
            if needed is None:
                yield _stretch(part, half_uj, longest_ms, needed_mw), part
                part = []
                half_uj = longest_ms = needed_mw = 0
            else:
                dt = b.at_ms - a.at_ms
                half_uj += (a.power_mw + b.power_mw) * dt
                # Comparing takes a third of the time of max(), and this is done for each frame.
                longest_ms = max(longest_ms, dt)
                needed_mw = max(needed_mw, needed)
        part.append(b)
    if part:
        yield _stretch(part, half_uj, longest_ms, needed_mw), part


def _stretch(
    frames: list[Frame], half_uj: int, longest_ms: int, needed_mw: int
) -> Stretch:
    extremes = None
    if len(frames) > 1:
        powers = [frame.power_mw for frame in frames[:-1]]
        currents = [frame.current_ma for frame in frames[:-1]]
        extremes = Extremes(min(powers), max(powers), min(currents), max(currents))
    return Stretch(
        frames[0],
        frames[-1],
        len(frames),
        half_uj,
        longest_ms,
        needed_mw,
        next(
            (
                each.at_ms
                for each in reversed(frames)
                if each.power_mw >= CHARGING_FROM_MW
            ),
            None,
        ),
        extremes,
    )


def _power_needed(a: Frame, b: Frame) -> int | None:
    """Return the power (mW) by which a register's rise from a to b can be believed.

    None when b does not only go on where a stood.
    """
    at_ms = b.at_ms
    dt = at_ms - a.at_ms
    if (
        dt <= 0
        or b.source is not a.source
        or b.pilot is not a.pilot
        or b.clock_synced is not a.clock_synced
        or b.boot != a.boot
        or a.at_ms // QUARTER_MS != at_ms // QUARTER_MS
        or (a.pilot is None and a.is_charging is not b.is_charging)
    ):
        return None
    mwh = _rise(a, b)
    if mwh is None or mwh < 0 or (mwh and a.source is Source.NONE):
        return None
    return power_needed(mwh, dt)


def _rise(a: Frame, b: Frame) -> int | None:
    """Return by how much the register of the source in use rose, 0 where none is sent.

    None when another one moved too, or others are sent than before.
    """
    if b.solar_mwh is not None and b.grid_mwh is not None:
        if a.solar_mwh is None or a.grid_mwh is None:
            return None
        solar, grid = b.solar_mwh - a.solar_mwh, b.grid_mwh - a.grid_mwh
        if a.source is Source.GRID:
            solar, grid = grid, solar
        return None if grid else solar
    if a.solar_mwh is not None and a.grid_mwh is not None:
        return None
    if b.register_mwh is not None and a.register_mwh is not None:
        return b.register_mwh - a.register_mwh
    if a.register_mwh is not None or b.register_mwh is not None:
        return None
    # Power that flows from no source belongs to what comes before or after.
    idle = a.source is not Source.NONE or not (a.power_mw or b.power_mw)
    return 0 if idle else None
