"""A station's registers, read together: one of all energy, and one each of solar and grid.

Where a reading has both meters' registers they tell what was used, each its own source's. Else
the total tells, and the two meters are moved on by what it has billed, until they speak again.
"""

from dataclasses import dataclass, field

from billing_service.domain.frame import Frame
from billing_service.domain.period import Source
from billing_service.domain.register import Register, Step
from billing_service.domain.stretch import Stretch
from billing_service.domain.timeline import Energy


@dataclass(slots=True)
class Meters:
    """What the registers read, and what of it was doubted. Energies in mWh.

    ``start_mwh`` and ``stop_mwh`` are the first and the last total that were believed.
    """

    start_mwh: int | None = None
    stop_mwh: int | None = None
    outlier: bool = False
    """Whether a reading was wrong."""
    reset: bool = False
    """Whether a register began anew."""
    _total: Register = field(default_factory=Register)
    _solar: Register = field(default_factory=lambda: Register(Source.SOLAR))
    _grid: Register = field(default_factory=lambda: Register(Source.GRID))
    _alone: bool = False
    """Whether the total has billed what the two meters have not told yet."""
    _unsure_ms: int = 0

    @property
    def in_doubt(self) -> bool:
        """Whether a register's last reading has not been explained yet."""
        return self._total.in_doubt or self._solar.in_doubt or self._grid.in_doubt

    def passed(self, source: Source, half_uj: int) -> None:
        """Note Σ P·Δt beside the registers."""
        for register in (self._total, self._solar, self._grid):
            register.passed(source, half_uj)

    def doubt_time(self, ms: int) -> None:
        """Allow so much more for what the next reading tells: a clock was set."""
        self._unsure_ms += ms

    def read(self, b: Frame, used: Source, max_power_mw: int) -> list[Step] | None:
        """Return what was used since the registers were last read; None if they never were.

        ``used`` is the source that what the total alone tells of came from.
        """
        total = b.total_mwh
        if total is None:
            return None if self._total.value is None else []
        unsure_ms, self._unsure_ms = self._unsure_ms, 0
        split = b.solar_mwh is not None and b.grid_mwh is not None
        found: list[Step] | None = None
        if split and self._both_known and not self._carried_too_far(b):
            found = [
                *self._read(self._solar, b.solar_mwh, b.at_ms, max_power_mw, unsure_ms),
                *self._read(self._grid, b.grid_mwh, b.at_ms, max_power_mw, unsure_ms),
            ]
            self._total.rebase(total, b.at_ms)
            believed = not (self._solar.in_doubt or self._grid.in_doubt)
        else:
            if self._total.value is not None:
                found = self._read(self._total, total, b.at_ms, max_power_mw, unsure_ms)
            else:
                self._total.rebase(total, b.at_ms)
            believed = not self._total.in_doubt
            if split:
                # The total has billed this stretch: the two meters count from here.
                self._solar.rebase(b.solar_mwh, b.at_ms)
                self._grid.rebase(b.grid_mwh, b.at_ms)
            else:
                self._carry(found or [], used, b.at_ms, believed=believed)
        self._alone = not split
        if believed:
            if self.start_mwh is None:
                self.start_mwh = total
            self.stop_mwh = total
        return found

    def take(self, stretch: Stretch, used: Source) -> Energy | None:
        """Return what a stretch used, and read its last; None when all have to be read singly.

        Its first frame has been read: the registers stand where that says, or are in question.
        """
        first, last = stretch.first, stretch.last
        total = last.total_mwh
        if total is None:
            if self._total.value is not None:
                return None
            return Energy(half_uj=stretch.half_uj)
        assert first.total_mwh is not None
        mwh = total - first.total_mwh
        if last.solar_mwh is not None and last.grid_mwh is not None:
            stand = (self._solar.value, self._grid.value)
            if stand != (first.solar_mwh, first.grid_mwh):
                return None
            mwh = _moved(self._solar, last.solar_mwh, last.at_ms)
            mwh += _moved(self._grid, last.grid_mwh, last.at_ms)
        elif self._total.value != first.total_mwh:
            return None
        else:
            self._carry([Step(None, mwh)], used, last.at_ms, believed=True)
        self._total.rebase(total, last.at_ms)
        self.stop_mwh = total
        return Energy(mwh=mwh)

    @property
    def _both_known(self) -> bool:
        return self._solar.value is not None and self._grid.value is not None

    def _carry(
        self, found: list[Step], used: Source, at_ms: int, *, believed: bool
    ) -> None:
        """Move the meters on by what the total alone has billed.

        A meter that lives on the line it measures is silent while its source is away. What it had
        counted since it last spoke is still its own source's when it speaks again.
        """
        if not self._both_known:
            return
        if not believed or any(step.half_uj for step in found):
            self._solar.rebase(None, at_ms)
            self._grid.rebase(None, at_ms)
            return
        register = self._solar if used is Source.SOLAR else self._grid
        for step in found:
            assert register.value is not None
            register.rebase(register.value + step.mwh, at_ms)

    def _carried_too_far(self, b: Frame) -> bool:
        """Whether the total, while it was alone, has billed one meter's energy as the other's."""
        if not self._alone:
            return False
        assert self._solar.value is not None
        assert self._grid.value is not None
        assert b.solar_mwh is not None
        assert b.grid_mwh is not None
        return b.solar_mwh < self._solar.value or b.grid_mwh < self._grid.value

    def _read(
        self,
        register: Register,
        value: int | None,
        at_ms: int,
        max_power_mw: int,
        unsure_ms: int,
    ) -> list[Step]:
        if value is None:
            return []
        reading = register.read(value, at_ms, max_power_mw, unsure_ms)
        self.outlier |= reading.outlier
        self.reset |= reading.reset
        return list(reading.steps)


def _moved(register: Register, value: int, at_ms: int) -> int:
    """Move a register on; return by how much."""
    assert register.value is not None
    mwh = value - register.value
    register.rebase(value, at_ms)
    return mwh
