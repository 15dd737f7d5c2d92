"""A session's charging periods in the making: where each bit of energy belongs.

Time is given out in stretches, one after the other. Neighbouring stretches that share their label
become one period; a price boundary cuts a stretch, its energy shared in proportion to time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from billing_service.domain.frame import Frame, from_ms
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.stretch import Extremes

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


UNSEEN = Label(Source.NONE, charging=False)
"""A stretch of which nothing is known."""
_GAP = replace(UNSEEN, estimated=True)
"""A gap that is kept apart: what is found later may fill it."""
_BILLED = (Source.SOLAR, Source.GRID)


@dataclass(slots=True)
class _Run:
    """A charging period being made: register energy in mWh, integrated energy in half µJ."""

    label: Label
    start_ms: int
    end_ms: int
    mwh: int = 0
    half_uj: int = 0
    extremes: Extremes | None = None

    def saw(self, readings: Extremes | None) -> None:
        """Widen the extremes by readings, or by none."""
        if readings is not None and self.extremes is not None:
            readings = readings.joined(self.extremes)
        self.extremes = readings or self.extremes


@dataclass(slots=True)
class Energy:
    """An amount of energy: from registers in mWh, from Σ P·Δt in half µJ."""

    mwh: int = 0
    half_uj: int = 0

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.mwh or self.half_uj)

    @property
    def in_half_uj(self) -> int:
        """Both together, in half µJ."""
        return self.mwh * HALF_UJ_PER_MWH + self.half_uj

    @property
    def rounded_mwh(self) -> int:
        """Both together, in whole mWh."""
        return self.mwh + mwh_of(self.half_uj)


@dataclass(slots=True)
class _Share:
    """An amount given out in proportion to parts of a whole, to the last bit."""

    amount: int
    whole: int
    _before: int = 0

    def of(self, part: int) -> int:
        """Return the next part's share; nothing where there is no whole to be a part of."""
        if not self.whole:
            return 0
        given = self.amount * self._before // self.whole
        self._before += part
        return self.amount * self._before // self.whole - given


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
    _carried: dict[Source, Energy] = field(default_factory=dict)
    """Energy that waits for the next period of its source."""
    _boundary: int | None = None
    _cut_at: int | None = None

    def begin(self, at_ms: int) -> None:
        """Say when the first stretch starts."""
        self._boundary = self.next_boundary(at_ms)

    def uncut_until(self, end: int) -> bool:
        """Return whether no price may change before that time."""
        return self._boundary is None or end <= self._boundary

    def saw(self, extremes: Extremes) -> None:
        """Widen the last period's extremes."""
        self._runs[-1].saw(extremes)

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
        self._share_out(a.at_ms, b.at_ms, used, energy, label, a if seen else None)

    def _share_out(
        self,
        first: int,
        last: int,
        used: list[Source],
        energy: dict[Source, Energy],
        label: Label,
        frame: Frame | None,
    ) -> None:
        time = _Share(last - first, sum(energy[s].in_half_uj for s in used))
        start = first
        for source in used:
            end = start + time.of(energy[source].in_half_uj)
            part = Label(
                source,
                label.charging,
                label.power_step,
                label.current_step,
                label.estimated,
            )
            self.extend(part, start, end, energy[source], frame)
            start = end

    def carry(self, source: Source, energy: Energy) -> None:
        """Keep energy for the next period of its source."""
        if energy:
            carried = self._carried.setdefault(source, Energy())
            carried.mwh += energy.mwh
            carried.half_uj += energy.half_uj

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
        carried = self._carried.pop(label.source, None)
        if carried is not None:
            mwh, half_uj = mwh + carried.mwh, half_uj + carried.half_uj
        last = self._runs[-1] if self._runs else None
        if last is None or last.label != label or start == self._cut_at:
            last = _Run(label, start, end)
            self._runs.append(last)
            self._cut_at = None
        last.end_ms = end
        last.mwh += mwh
        last.half_uj += half_uj
        if frame is not None:
            last.saw(Extremes.of(frame))

    # -- stretches whose energy a register will tell later -------------------------------------

    def gap(self, start: int, end: int) -> None:
        """Append [start, end), of which nothing is known, to be filled when it is taken over."""
        self.extend(_GAP, start, end, None, None)

    def seen(self) -> dict[Source, int]:
        """Return Σ P·Δt of each source, half µJ."""
        return {
            source: self._carried_half_uj(source)
            + sum(run.half_uj for run in self._runs if run.label.source is source)
            for source in _BILLED
        }

    def _carried_half_uj(self, source: Source) -> int:
        return self._carried[source].half_uj if source in self._carried else 0

    def copy(self) -> Timeline:
        """Return one that may be lengthened without changing this one."""
        made = replace(self)
        made._runs = [*self._runs[:-1], *(replace(run) for run in self._runs[-1:])]
        made._carried = {s: replace(energy) for s, energy in self._carried.items()}
        return made

    def take_over(self, apart: Timeline, half_uj: dict[Source, int]) -> bool:
        """Append what was kept apart, with each source's energy in place of its Σ P·Δt.

        The energy follows the shape of Σ P·Δt; gaps take what that does not explain, and what
        fits nowhere goes to the neighbouring period of its source. Return whether gaps took any.
        """
        seen = apart.seen()
        gaps_ms = sum(
            run.end_ms - run.start_ms for run in apart._runs if run.label.estimated
        )
        by_power, in_gaps, left = {}, {}, {}
        for source in _BILLED:
            energy, power = half_uj[source], seen[source]
            at_power = min(energy, power) if gaps_ms else energy if power else 0
            by_power[source] = _Share(at_power, power)
            in_gaps[source] = _Share(energy - at_power if gaps_ms else 0, gaps_ms)
            left[source] = 0 if gaps_ms else energy - at_power
        before = Source.SOLAR
        for run in apart._runs:
            source = run.label.source
            if run.label.estimated:
                self._fill(run, in_gaps, before)
                continue
            share = by_power[source].of(run.half_uj) if source in by_power else 0
            self.extend(
                run.label, run.start_ms, run.end_ms, Energy(half_uj=share), None
            )
            self._runs[-1].saw(run.extremes)
            before = source
        for source in _BILLED:
            left[source] += by_power[source].of(apart._carried_half_uj(source))
            self.carry(source, Energy(half_uj=left[source]))
        return any(share.amount for share in in_gaps.values())

    def _fill(self, gap: _Run, found: dict[Source, _Share], before: Source) -> None:
        length = gap.end_ms - gap.start_ms
        energy = {s: Energy(half_uj=share.of(length)) for s, share in found.items()}
        used = [s for s in sorted(_BILLED, key=lambda s: s is not before) if energy[s]]
        if used:
            label = Label(used[0], charging=True, estimated=True)
            self._share_out(gap.start_ms, gap.end_ms, used, energy, label, None)
        else:
            self.extend(UNSEEN, gap.start_ms, gap.end_ms, None, None)

    # -- the result ----------------------------------------------------------------------------

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
        if not self._carried:
            return self._runs
        runs = [replace(run) for run in self._runs]
        for source in _BILLED:
            energy = self._carried.get(source)
            if energy is None:
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
    seen = run.extremes
    return ChargingPeriod(
        started_at=from_ms(run.start_ms),
        ended_at=from_ms(run.end_ms),
        source=run.label.source,
        charging=run.label.charging,
        energy_wh=wh(mwh),
        estimated=run.label.estimated,
        min_current_a=None if seen is None else wh(seen.min_ma),
        max_current_a=None if seen is None else wh(seen.max_ma),
        min_power_w=None if seen is None else wh(seen.min_mw),
        max_power_w=None if seen is None else wh(seen.max_mw),
    )
