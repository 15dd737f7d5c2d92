"""A session's charging periods in the making: where each bit of energy belongs.

Time is given out in stretches, one after the other. Neighbouring stretches that share their label
become one period; a price boundary cuts a stretch, its energy shared in proportion to time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from billing_service.domain.frame import Frame, from_ms
from billing_service.domain.period import ChargingPeriod, Source

HALF_UJ_PER_MWH = 7_200_000
"""1 mWh = 3.6 J; power sums are kept in half microjoules (mW·ms / 2)."""


@dataclass(frozen=True, slots=True)
class Label:
    """What must stay the same within one charging period."""

    source: Source
    charging: bool
    power_step: int = 0
    current_step: int = 0
    estimated: bool = False


@dataclass(slots=True)
class _Run:
    """A charging period being made: register energy in mWh, integrated energy in half µJ."""

    label: Label
    start_ms: int
    end_ms: int
    mwh: int = 0
    half_uj: int = 0
    min_ma: int | None = None
    max_ma: int | None = None
    min_mw: int | None = None
    max_mw: int | None = None

    def saw(self, frame: Frame) -> None:
        """Widen the extremes by a reading."""
        if (
            self.min_mw is None
            or self.max_mw is None
            or self.min_ma is None
            or self.max_ma is None
        ):
            self.min_mw = self.max_mw = frame.power_mw
            self.min_ma = self.max_ma = frame.current_ma
            return
        self.min_mw = min(self.min_mw, frame.power_mw)
        self.max_mw = max(self.max_mw, frame.power_mw)
        self.min_ma = min(self.min_ma, frame.current_ma)
        self.max_ma = max(self.max_ma, frame.current_ma)


@dataclass(slots=True)
class Energy:
    """An amount of energy: from registers in mWh, from Σ P·Δt in half µJ."""

    mwh: int = 0
    half_uj: int = 0

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.mwh or self.half_uj)

    @property
    def rounded_mwh(self) -> int:
        """Both together, in whole mWh."""
        return self.mwh + mwh_of(self.half_uj)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """A timeline's periods and their sums in mWh."""

    solar_mwh: int
    grid_mwh: int
    estimated_mwh: int
    periods: tuple[ChargingPeriod, ...]


@dataclass(slots=True)
class Timeline:
    """The periods of one session, in order, without holes.

    ``next_boundary`` gives the first instant after the given one at which a price may change.
    """

    next_boundary: Callable[[int], int | None]
    _runs: list[_Run] = field(default_factory=list)
    _carried: dict[Source, Energy] = field(
        default_factory=lambda: {Source.SOLAR: Energy(), Source.GRID: Energy()}
    )
    _boundary: int | None = None
    _cut_at: int | None = None

    def begin(self, at_ms: int) -> None:
        """Say when the first stretch starts."""
        self._boundary = self.next_boundary(at_ms)

    def go_on(self, a: Frame, end: int, mwh: int, *, charging: bool) -> bool:
        """Lengthen the last period by [a, end) if nothing but its length changes."""
        if not self._runs:
            return False
        run = self._runs[-1]
        label = run.label
        if (
            label.source is not a.source
            or label.charging is not charging
            or label.estimated
            or run.end_ms != a.at_ms
            or self._cut_at == a.at_ms
            or (self._boundary is not None and end >= self._boundary)
            or self._carried.get(a.source)
        ):
            return False
        run.end_ms = end
        run.mwh += mwh
        run.saw(a)
        return True

    def share_out(
        self,
        a: Frame,
        b: Frame,
        used: list[Source],
        energy: dict[Source, Energy],
        label: Label,
        *,
        seen: bool = True,
    ) -> None:
        """Share the time of [a, b) between the sources in proportion to their energy."""
        weights = [energy[s].mwh * HALF_UJ_PER_MWH + energy[s].half_uj for s in used]
        whole, before, start = sum(weights), 0, a.at_ms
        for source, weight in zip(used, weights, strict=True):
            before += weight
            end = a.at_ms + (b.at_ms - a.at_ms) * before // whole
            part = Label(
                source,
                label.charging,
                label.power_step,
                label.current_step,
                label.estimated,
            )
            self.extend(part, start, end, energy[source], a if seen else None)
            start = end

    def carry(self, source: Source, energy: Energy) -> None:
        """Keep energy for the next period of its source."""
        self._carried[source].mwh += energy.mwh
        self._carried[source].half_uj += energy.half_uj

    def extend(
        self,
        label: Label,
        start: int,
        end: int,
        energy: Energy | None,
        frame: Frame | None,
    ) -> None:
        """Append [start, end) with its energy, cut where a price may change."""
        mwh, half_uj = (energy.mwh, energy.half_uj) if energy else (0, 0)
        while self._boundary is not None and start < self._boundary < end:
            cut = self._boundary
            share_mwh = mwh * (cut - start) // (end - start)
            share_half_uj = half_uj * (cut - start) // (end - start)
            self._append(label, start, cut, share_mwh, share_half_uj, frame)
            mwh, half_uj, start = mwh - share_mwh, half_uj - share_half_uj, cut
            self._next_boundary(cut)
        self._append(label, start, end, mwh, half_uj, frame)
        if self._boundary is not None and end >= self._boundary:
            self._next_boundary(end)

    def _next_boundary(self, at_ms: int) -> None:
        self._boundary = self.next_boundary(at_ms)
        self._cut_at = at_ms

    def _append(
        self,
        label: Label,
        start: int,
        end: int,
        mwh: int,
        half_uj: int,
        frame: Frame | None,
    ) -> None:
        carried = self._carried.get(label.source)
        if carried:
            mwh, half_uj = mwh + carried.mwh, half_uj + carried.half_uj
            carried.mwh = carried.half_uj = 0
        last = self._runs[-1] if self._runs else None
        if last is None or last.label != label or start == self._cut_at:
            last = _Run(label, start, end)
            self._runs.append(last)
            self._cut_at = None
        last.end_ms = end
        last.mwh += mwh
        last.half_uj += half_uj
        if frame is not None:
            last.saw(frame)

    def totals(self) -> Totals:
        """Return the periods so far and their sums; changes nothing."""
        sums = {source: Energy() for source in Source}
        periods: list[ChargingPeriod] = []
        estimated = 0
        for run in self._runs_with_carried():
            # Each source's running total is rounded, not each period: the periods of a source
            # then add up to its total exactly.
            of = sums[run.label.source]
            before = of.rounded_mwh
            of.mwh += run.mwh
            of.half_uj += run.half_uj
            mwh = of.rounded_mwh - before
            if run.label.estimated:
                estimated += mwh
            if run.end_ms > run.start_ms or mwh:
                periods.append(_period(run, mwh))
        return Totals(
            solar_mwh=sums[Source.SOLAR].rounded_mwh,
            grid_mwh=sums[Source.GRID].rounded_mwh,
            estimated_mwh=estimated,
            periods=tuple(periods),
        )

    def _runs_with_carried(self) -> list[_Run]:
        """Give energy that found no later period of its source to the last earlier one."""
        if not any(self._carried.values()):
            return self._runs
        runs = [replace(run) for run in self._runs]
        for source, energy in self._carried.items():
            if not energy:
                continue
            mine = next(
                (run for run in reversed(runs) if run.label.source is source), None
            )
            if mine is None:
                end = runs[-1].end_ms if runs else 0
                mine = _Run(Label(source, charging=True), end, end)
                runs.append(mine)
            mine.mwh += energy.mwh
            mine.half_uj += energy.half_uj
        return runs


def mwh_of(half_uj: int) -> int:
    """Round half microjoules to the nearest mWh, halves up."""
    return (2 * half_uj + HALF_UJ_PER_MWH) // (2 * HALF_UJ_PER_MWH)


def wh(mwh: int) -> Decimal:
    """Return the thousandth part of a whole number: Wh of mWh, W of mW, A of mA."""
    return Decimal(mwh).scaleb(-3)


def _period(run: _Run, mwh: int) -> ChargingPeriod:
    return ChargingPeriod(
        started_at=from_ms(run.start_ms),
        ended_at=from_ms(run.end_ms),
        source=run.label.source,
        charging=run.label.charging,
        energy_wh=wh(mwh),
        estimated=run.label.estimated,
        min_current_a=None if run.min_ma is None else wh(run.min_ma),
        max_current_a=None if run.max_ma is None else wh(run.max_ma),
        min_power_w=None if run.min_mw is None else wh(run.min_mw),
        max_power_w=None if run.max_mw is None else wh(run.max_mw),
    )
