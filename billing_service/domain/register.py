"""One energy register, read again and again: which differences can be believed.

A meter's register only grows, and no faster than the station's rating allows. A reading that
breaks this is set aside until the next one tells what it was: a single wrong value (the next fits
the old level again) or a meter that was reset or replaced (the next goes on from the new level).
Neither is ever billed as it stands.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from billing_service.domain.period import Source

UJ_PER_MWH = 3_600_000
RESOLUTION_MWH = 1_000
"""Meters count in whole Wh: two readings may each be off by one."""


class Step(NamedTuple):
    """Energy found between two readings, in mWh or half µJ; ``source`` None when not known."""

    source: Source | None
    mwh: int = 0
    half_uj: int = 0


class Reading(NamedTuple):
    """What one more reading says."""

    steps: tuple[Step, ...] = ()
    outlier: bool = False
    reset: bool = False


@dataclass(slots=True)
class Register:
    """The last believed reading, and the one that is not believed yet. Values in mWh."""

    source: Source | None = None
    value: int | None = None
    at_ms: int = 0
    _integrated: dict[Source, int] = field(default_factory=dict)
    _doubted: int | None = None
    _doubted_at_ms: int = 0
    _doubted_integrated: dict[Source, int] = field(default_factory=dict)

    @property
    def in_doubt(self) -> bool:
        """Whether the last reading has not been explained yet."""
        return self._doubted is not None

    def rebase(self, value: int | None, at_ms: int) -> None:
        """Take a reading as the level to count from, billing nothing."""
        self.value, self.at_ms, self._doubted = value, at_ms, None
        if self._integrated:
            self._integrated = {}

    def passed(self, source: Source, half_uj: int) -> None:
        """Note Σ P·Δt beside the register: it stands in where the register was reset."""
        if self.value is not None and self.source in (None, source):
            self._integrated[source] = self._integrated.get(source, 0) + half_uj

    def read(
        self, value: int, at_ms: int, max_power_mw: int, unsure_ms: int = 0
    ) -> Reading:
        """Take the next reading; ``unsure_ms`` widens the elapsed time after a clock was set."""
        if self.value is None:
            self.rebase(value, at_ms)
            return Reading()
        if follows(value - self.value, at_ms - self.at_ms + unsure_ms, max_power_mw):
            step = Step(self.source, mwh=value - self.value)
            outlier = self.in_doubt
            self.rebase(value, at_ms)
            return Reading((step,), outlier=outlier)
        if self._doubted is not None and follows(
            value - self._doubted, at_ms - self._doubted_at_ms + unsure_ms, max_power_mw
        ):
            steps = [
                Step(source, half_uj=half_uj)
                for source, half_uj in self._doubted_integrated.items()
                if half_uj
            ]
            steps.append(Step(self.source, mwh=value - self._doubted))
            self.rebase(value, at_ms)
            return Reading(tuple(steps), reset=True)
        outlier = self.in_doubt
        self._doubted, self._doubted_at_ms = value, at_ms
        self._doubted_integrated = dict(self._integrated)
        return Reading(outlier=outlier)


def follows(mwh: int, elapsed_ms: int, max_power_mw: int) -> bool:
    """Return whether a register can have grown so much in the time."""
    return 0 <= mwh <= max_power_mw * elapsed_ms // UJ_PER_MWH + 2 * RESOLUTION_MWH


def power_needed(mwh: int, elapsed_ms: int) -> int:
    """Return the least power in mW by which so much ``follows`` in a time above 0."""
    return max(0, -((2 * RESOLUTION_MWH - mwh) * UJ_PER_MWH // elapsed_ms))
