"""From frames to energy: what a session used, from which source, in which charging periods.

Energy comes from register differences where registers are sent, and from E = Σ P·Δt (trapezoid)
where they are not; both are computed and compared. Everything is summed in whole numbers (mWh,
and halves of mW·ms = µJ), so the order in which frames arrived cannot change a result.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import replace
from dataclasses import dataclass, field
from decimal import Decimal

from billing_service.domain.frame import (
    CHARGING_FROM_MW,
    NO_BOOT,
    Frame,
    Key,
    SessionEvent,
)
from billing_service.domain.meters import Meters
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.register import Step
from billing_service.domain.session import SessionFlag
from billing_service.domain.stretch import Extremes, Stretch, stretches
from billing_service.domain.timeline import (
    HALF_UJ_PER_MWH,
    UNSEEN,
    Energy,
    Label,
    Timeline,
    mwh_of,
    wh,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringRules:
    """What is believed. Powers in mW, times in ms.

    ``max_gap_ms``: frames further apart are not integrated between. ``max_power_mw``: a register
    that grows faster is wrong. ``tolerance`` (a ratio) and ``tolerance_mwh``: registers and
    Σ P·Δt may differ by the larger of both. ``next_boundary``: the first instant after the given
    one at which a price may change; ``power_steps_mw`` and ``current_steps_ma``: thresholds that
    a tariff's restrictions name.
    """

    max_gap_ms: int = 60_000
    max_power_mw: int = 24_000_000
    tolerance: Decimal = Decimal("0.05")
    tolerance_mwh: int = 20_000
    next_boundary: Callable[[int], int | None] = lambda _after: None
    power_steps_mw: Sequence[int] = ()
    current_steps_ma: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """What a session's frames say. Energies in Wh with three decimals at most."""

    frames: int
    first_ms: int | None
    last_ms: int | None
    solar_wh: Decimal
    grid_wh: Decimal
    integrated_wh: Decimal
    estimated_wh: Decimal
    meter_start_wh: Decimal | None
    meter_stop_wh: Decimal | None
    flags: frozenset[SessionFlag]
    periods: tuple[ChargingPeriod, ...]

    @property
    def energy_wh(self) -> Decimal:
        """Everything delivered, from both sources, Wh."""
        return self.solar_wh + self.grid_wh


@dataclass(slots=True)
class SessionMeter:
    """Folds a session's frames, in order of ``(boot, seq)``, into what was metered.

    A frame costs the same whether it is the first or the millionth, so a running session is kept
    up to date frame by frame; ``result`` may be asked at any time and changes nothing.
    """

    rules: MeteringRules
    frames: int = 0
    _last_key: Key | None = None
    _last_power_ms: int | None = None
    _previous: Frame | None = None
    _first: Frame | None = None
    _meters: Meters = field(default_factory=Meters)
    _integrated_half_uj: int = 0
    _flags: set[SessionFlag] = field(default_factory=set)
    _last_source: Source | None = None
    _timeline: Timeline = field(init=False)
    _unread: Timeline | None = None
    """What came since a frame with registers: the next one tells its energy."""
    _held: list[Step] = field(default_factory=list)
    """What one register has told of that while the other is in doubt."""

    def __post_init__(self) -> None:
        """Cut periods where the rules say a price may change."""
        self._timeline = Timeline(self.rules.next_boundary)

    @property
    def last_key(self) -> Key | None:
        """``(boot, seq)`` of the newest frame; one at or before it asks for a new fold."""
        return self._last_key

    @property
    def last_ms(self) -> int | None:
        """Time of the newest frame, ms."""
        return self._previous.at_ms if self._previous else None

    @property
    def last_power_ms(self) -> int | None:
        """Time of the newest frame in which power flowed, ms."""
        return self._last_power_ms

    def open_with(self, event: SessionEvent) -> None:
        """Begin from the registers the station reported at the start, before any frame."""
        at_ms = event.started_at_ms if event.started_at_ms is not None else event.at_ms
        self._advance(
            _marker(
                event.station_id,
                at_ms,
                event.meter_start_mwh,
                event.solar_start_mwh,
                event.grid_start_mwh,
            )
        )

    def close_with(self, event: SessionEvent) -> None:
        """End with the registers the station reported at the end, after all frames."""
        if self._previous is not None:
            self._advance(
                _marker(event.station_id, event.at_ms, event.meter_stop_mwh),
                by_event=True,
            )

    def add(self, frame: Frame) -> None:
        """Take the next frame."""
        self.frames += 1
        self._last_key = frame.key
        if frame.power_mw >= CHARGING_FROM_MW:
            self._last_power_ms = frame.at_ms
        if not frame.clock_synced:
            self._flags.add(SessionFlag.CLOCK_ESTIMATED)
        # Before the first frame there is only what the start event told.
        self._advance(frame, by_event=self.frames == 1)

    def extend(self, frames: Iterable[Frame]) -> list[Stretch]:
        """Take the next frames, as ``add`` would in many times the time; return their stretches."""
        found = []
        for stretch, its in stretches(frames):
            if not self.take(stretch):
                for frame in its[1:]:
                    self.add(frame)
            found.append(stretch)
        return found

    def take(self, stretch: Stretch) -> bool:
        """Take the first of a stretch's frames, and the others at once where the rules allow.

        False: the others are still to be added, one by one.
        """
        first, last = stretch.first, stretch.last
        self.add(first)
        if stretch.frames == 1:
            return True
        assert stretch.extremes is not None
        if (
            self._previous is not first
            or self._unread is not None
            or stretch.longest_ms > self.rules.max_gap_ms
            or stretch.needed_mw > self.rules.max_power_mw
            or not self._alike(stretch.extremes)
            or not self._timeline.uncut_until(last.at_ms)
        ):
            return False
        energy = self._meters.take(stretch, self._source_of(None, first, first))
        if energy is None:
            return False
        self._timeline.extend(self._label(first), first.at_ms, last.at_ms, energy, None)
        self._timeline.saw(stretch.extremes)
        self._integrated_half_uj += stretch.half_uj
        self.frames += stretch.frames - 1
        self._last_key = last.key
        self._previous = last
        if stretch.last_power_ms is not None:
            self._last_power_ms = stretch.last_power_ms
        return True

    # -- a stretch -----------------------------------------------------------------------------

    def _alike(self, extremes: Extremes) -> bool:
        """Return whether all of these readings are on the same side of a tariff's thresholds."""
        return not any(
            extremes.min_mw < step <= extremes.max_mw
            for step in self.rules.power_steps_mw
        ) and not any(
            extremes.min_ma < step <= extremes.max_ma
            for step in self.rules.current_steps_ma
        )

    # -- one step ----------------------------------------------------------------------------

    def _advance(self, b: Frame, *, by_event: bool = False) -> None:
        a = self._previous
        if a is None:
            self._first = b
            self._timeline.begin(b.at_ms)
            self._read(b, b)
        else:
            if b.at_ms < a.at_ms:
                # The counters say what came first. Time stands still.
                if not by_event or a.at_ms - b.at_ms > self.rules.max_gap_ms:
                    # The clock was set back. An event alone does not tell that: a station says
                    # when the plug was pulled, and still waits for its meters' last reading.
                    self._flags.add(SessionFlag.CLOCK_ESTIMATED)
                b = replace(b, at_ms=a.at_ms)
                self._meters.doubt_time(self.rules.max_gap_ms)
            self._interval(a, b)
        self._previous = b
        if b.source is not Source.NONE:
            self._last_source = b.source

    def _interval(self, a: Frame, b: Frame) -> None:
        gap = b.at_ms - a.at_ms > self.rules.max_gap_ms
        half_uj = 0
        if gap:
            self._flags.add(SessionFlag.GAP)
        else:
            half_uj = _trapezoid(a, b)
            self._integrated_half_uj += half_uj
            self._meters.passed(a.source, half_uj)
        by_power = [Step(None, half_uj=half_uj)] if half_uj else []
        found = self._read(a, b)
        if found is None:
            # No registers until now: Σ P·Δt is what there is.
            self._book(self._timeline, a, b, by_power, gap=gap)
        elif self._unread is None and b.total_mwh is not None:
            self._book(self._timeline, a, b, found, gap=gap)
        else:
            self._set_aside(a, b, by_power, gap=gap)
            self._held += found
            if b.total_mwh is not None and not self._meters.in_doubt:
                self._settle(a, b)

    def _read(self, a: Frame, b: Frame) -> list[Step] | None:
        used = self._source_of(None, a, b)
        return self._meters.read(b, used, self.rules.max_power_mw)

    # -- where the energy belongs -------------------------------------------------------------

    def _set_aside(
        self, a: Frame, b: Frame, by_power: list[Step], *, gap: bool
    ) -> None:
        """Keep [a, b) and its Σ P·Δt apart until registers that are believed span it."""
        if self._unread is None:
            self._unread = Timeline(self.rules.next_boundary)
            self._unread.begin(a.at_ms)
        if gap:
            self._unread.gap(a.at_ms, b.at_ms)
        else:
            self._book(self._unread, a, b, by_power, gap=False)

    def _settle(self, a: Frame, b: Frame) -> None:
        """Bill what registers found over the frames without them."""
        assert self._unread is not None
        seen = self._unread.seen()
        energy = dict.fromkeys(seen, 0)
        for step in self._held:
            half_uj = step.mwh * HALF_UJ_PER_MWH + step.half_uj
            if step.source is None and (whole := sum(seen.values())):
                by_sun = half_uj * seen[Source.SOLAR] // whole
                energy[Source.SOLAR] += by_sun
                energy[Source.GRID] += half_uj - by_sun
            else:
                energy[self._source_of(step.source, a, b)] += half_uj
        if self._timeline.take_over(self._unread, energy):
            self._flags.add(SessionFlag.ESTIMATED_SPLIT)
        self._unread, self._held = None, []

    def _so_far(self) -> Timeline:
        """Return all periods; Σ P·Δt stands in where registers have not told yet."""
        if self._unread is None:
            return self._timeline
        energy = self._unread.seen()
        told = {step.source for step in self._held if step.source is not None}
        energy |= dict.fromkeys(told, 0)
        for step in self._held:
            if step.source is not None:
                energy[step.source] += step.mwh * HALF_UJ_PER_MWH + step.half_uj
        timeline = self._timeline.copy()
        timeline.take_over(self._unread, energy)
        return timeline

    def _book(
        self, into: Timeline, a: Frame, b: Frame, found: list[Step], *, gap: bool
    ) -> None:
        """Give the energy of the stretch [a, b) to its sources and cut it into periods."""
        energy = {Source.SOLAR: Energy(), Source.GRID: Energy()}
        for step in found:
            of = energy[self._source_of(step.source, a, b)]
            of.mwh += step.mwh
            of.half_uj += step.half_uj
        used = [source for source in self._in_order(a) if energy[source]]
        if gap:
            self._book_gap(into, a, b, used, energy)
            return
        label = self._label(a)
        if not used or (used == [a.source]):
            into.extend(label, a.at_ms, b.at_ms, energy.get(a.source), a)
            return
        if a.source is Source.NONE:
            # A register that ticks between two frames while nothing is connected yet (or any
            # more) belongs to the neighbouring period of its source.
            for source in used:
                into.carry(source, energy[source])
            into.extend(label, a.at_ms, b.at_ms, None, a)
            return
        into.share_out(a, b, used, energy, label)

    def _book_gap(
        self,
        into: Timeline,
        a: Frame,
        b: Frame,
        used: list[Source],
        energy: dict[Source, Energy],
    ) -> None:
        """Book a stretch nobody saw: registers tell how much, their shares tell about when."""
        if not used:
            into.extend(UNSEEN, a.at_ms, b.at_ms, None, None)
            return
        self._flags.add(SessionFlag.ESTIMATED_SPLIT)
        into.share_out(
            a,
            b,
            used,
            energy,
            Label(a.source, charging=True, estimated=True),
            seen=False,
        )

    def _source_of(self, known: Source | None, a: Frame, b: Frame) -> Source:
        """Return whose the energy of [a, b) is, where its register does not say."""
        for source in (known, a.source, b.source, self._last_source):
            if source is not None and source is not Source.NONE:
                return source
        return Source.GRID

    @staticmethod
    def _in_order(a: Frame) -> tuple[Source, Source]:
        if a.source is Source.GRID:
            return (Source.GRID, Source.SOLAR)
        return (Source.SOLAR, Source.GRID)

    def _label(self, frame: Frame) -> Label:
        return Label(
            frame.source,
            frame.is_charging,
            sum(frame.power_mw >= step for step in self.rules.power_steps_mw),
            sum(frame.current_ma >= step for step in self.rules.current_steps_ma),
        )

    # -- the result ----------------------------------------------------------------------------

    def result(self) -> Metered:
        """Return what has been metered so far."""
        totals = self._so_far().totals()
        solar, grid, estimated = totals.solar_mwh, totals.grid_mwh, totals.estimated_mwh
        integrated = mwh_of(self._integrated_half_uj)
        meters = self._meters
        flags = set(self._flags)
        if meters.outlier or meters.in_doubt:
            flags.add(SessionFlag.REGISTER_OUTLIER)
        if meters.reset:
            flags.add(SessionFlag.REGISTER_RESET)
        allowed = max(
            Decimal(self.rules.tolerance_mwh), (solar + grid) * self.rules.tolerance
        )
        if (
            meters.start_mwh is not None
            and abs(solar + grid - estimated - integrated) > allowed
        ):
            flags.add(SessionFlag.ENERGY_MISMATCH)
        return Metered(
            frames=self.frames,
            first_ms=self._first.at_ms if self._first else None,
            last_ms=self._previous.at_ms if self._previous else None,
            solar_wh=wh(solar),
            grid_wh=wh(grid),
            integrated_wh=wh(integrated),
            estimated_wh=wh(estimated),
            meter_start_wh=None if meters.start_mwh is None else wh(meters.start_mwh),
            meter_stop_wh=None if meters.stop_mwh is None else wh(meters.stop_mwh),
            flags=frozenset(flags),
            periods=totals.periods,
        )


def meter(
    frames: Iterable[Frame],
    rules: MeteringRules,
    *,
    started: SessionEvent | None = None,
    ended: SessionEvent | None = None,
) -> Metered:
    """Meter a whole session at once; ``frames`` in order of (boot, seq), each once."""
    session = SessionMeter(rules)
    if started is not None:
        session.open_with(started)
    session.extend(frames)
    if ended is not None:
        session.close_with(ended)
    return session.result()


def _marker(
    station_id: str,
    at_ms: int,
    total_mwh: int | None,
    solar_mwh: int | None = None,
    grid_mwh: int | None = None,
) -> Frame:
    """Make the reading that a start or end event stands for: no power, only registers."""
    return Frame(
        station_id,
        NO_BOOT,
        at_ms,
        at_ms,
        0,
        0,
        0,
        Source.NONE,
        total_mwh,
        solar_mwh,
        grid_mwh,
    )


def _trapezoid(a: Frame, b: Frame) -> int:
    """Return the energy between two neighbours, in half µJ.

    A stretch whose ends differ in source belongs to the earlier one, at the earlier power.
    """
    dt = b.at_ms - a.at_ms
    if a.source is b.source:
        return (a.power_mw + b.power_mw) * dt
    return 2 * a.power_mw * dt
