"""The station's brain: which source, which pilot state, how much current. Pure.

The same rules as the firmware's, written anew: one source at a time, dead time between two
sources, hold times so that clouds do not wear the contactors out, and solar mode that waits for
the sun rather than draw from the grid.
"""

from dataclasses import dataclass, field
from enum import StrEnum

MIN_CURRENT_A = 6.0
MAX_CURRENT_A = 32.0
NOMINAL_VOLTAGE_V = 230.0
DEFAULT_CURRENT_LIMIT_A = 16.0

# Solar power must hold above the one for so long before it is used, and below the other for so
# long before it is given up. The lower one is the least current a pilot can offer (IEC 61851-1).
SOLAR_OFF_BELOW_W = MIN_CURRENT_A * NOMINAL_VOLTAGE_V
SOLAR_ON_ABOVE_W = SOLAR_OFF_BELOW_W + 300.0
SOLAR_ON_HOLD_S = 60.0
SOLAR_OFF_HOLD_S = 30.0
# Both contactors stay open this long between two sources.
DEAD_TIME_S = 5.0
# A vehicle takes about this long from the offer to state C.
VEHICLE_ANSWER_S = 2.0
# A vehicle must have stopped this long after the offer ended (IEC 61851-1); then we open anyway.
RAMP_DOWN_S = 5.0
NO_CURRENT_A = 0.5


class Mode(StrEnum):
    """What the owner wants."""

    OFF = "off"
    SOLAR = "solar"
    GRID = "grid"
    AUTO = "auto"


class Source(StrEnum):
    """Where the power comes from."""

    NONE = "none"
    SOLAR = "solar"
    GRID = "grid"


class Pilot(StrEnum):
    """Control pilot state, IEC 61851-1 (those the simulated station reaches)."""

    A = "A"
    B = "B"
    C = "C"
    F = "F"


@dataclass(frozen=True, slots=True)
class SourceChange:
    """The vehicle's supply has changed."""

    old: Source
    new: Source
    reason: str


@dataclass(slots=True)
class Controller:
    """State machine of one station. `step` it with what the station senses."""

    mode: Mode = Mode.AUTO
    current_limit_a: float = DEFAULT_CURRENT_LIMIT_A
    enabled: bool = True
    faults: list[str] = field(default_factory=list)
    pilot: Pilot = Pilot.A
    source: Source = Source.NONE
    offer_a: float = 0.0
    solar_good: bool = False
    _solar_for_s: float = 0.0
    _open_for_s: float = DEAD_TIME_S
    _offered_for_s: float = 0.0
    _ramping_for_s: float = 0.0
    _changing_from: Source = Source.NONE
    _mode_then: Mode = Mode.AUTO
    _reason: str = ""

    @property
    def contactor_closed(self) -> bool:
        """Whether a source is connected to the vehicle."""
        return self.source is not Source.NONE

    def wanted(self, wants_charge: bool) -> tuple[Source, str]:
        """The source the vehicle should have now, and why."""
        obstacles = (
            (bool(self.faults), "fault"),
            (not self.enabled, "stopped"),
            (self.mode is Mode.OFF, "mode"),
            (not wants_charge, "vehicle"),
        )
        for stands, reason in obstacles:
            if stands:
                return Source.NONE, reason
        if self.mode is Mode.GRID:
            return Source.GRID, "mode"
        if self.solar_good:
            return Source.SOLAR, "pv_available"
        reason = "pv_drop" if self.source is Source.SOLAR else "pv_low"
        return (Source.GRID if self.mode is Mode.AUTO else Source.NONE), reason

    def step(
        self,
        dt_s: float,
        *,
        plugged: bool,
        wants_charge: bool,
        current_a: float,
        solar_available_w: float,
    ) -> SourceChange | None:
        """Let `dt_s` seconds pass; the change of source a listener should hear of, or None.

        A change from one source to the other is told once, when the new one is connected;
        `source` is `none` in between.
        """
        self._watch_sun(dt_s, solar_available_w)
        if not self.contactor_closed:
            self._open_for_s += dt_s
        if not plugged:
            self.enabled = True
            return self._rest(Pilot.A, "unplugged")
        if self.faults:
            # No waiting for the vehicle: the contactors open at once.
            return self._rest(Pilot.F, "fault")
        if self.pilot in (Pilot.A, Pilot.F):
            self.pilot = Pilot.B
        wanted, reason = self.wanted(wants_charge)
        if self.contactor_closed:
            if wanted is self.source:
                self._offer(solar_available_w)
                self._ramping_for_s = 0.0
                return None
            return self._ramp_down(dt_s, wanted, reason, current_a)
        return self._connect(dt_s, wanted, reason, solar_available_w)

    def start_watching(self, solar_available_w: float) -> None:
        """Judge the sun at power-on, without a hold time."""
        self.solar_good = solar_available_w >= SOLAR_ON_ABOVE_W

    def _watch_sun(self, dt_s: float, available_w: float) -> None:
        """Hysteresis with hold times over the solar power at hand."""
        contrary = (
            available_w < SOLAR_OFF_BELOW_W
            if self.solar_good
            else available_w >= SOLAR_ON_ABOVE_W
        )
        self._solar_for_s = self._solar_for_s + dt_s if contrary else 0.0
        if self._solar_for_s >= (
            SOLAR_OFF_HOLD_S if self.solar_good else SOLAR_ON_HOLD_S
        ):
            self.solar_good = not self.solar_good
            self._solar_for_s = 0.0

    def _rest(self, pilot: Pilot, reason: str) -> SourceChange | None:
        """Everything open, nothing offered."""
        self.pilot = pilot
        self.offer_a = self._offered_for_s = self._ramping_for_s = 0.0
        if self.contactor_closed:
            return self._open(Source.NONE, reason)
        return self._give_up_changing(reason)

    def _open(self, wanted: Source, reason: str) -> SourceChange | None:
        old, self.source = self.source, Source.NONE
        self._open_for_s = self._ramping_for_s = self._offered_for_s = self.offer_a = (
            0.0
        )
        if wanted is Source.NONE:
            return SourceChange(old, Source.NONE, reason)
        self._changing_from, self._reason = old, reason
        return None

    def _give_up_changing(self, reason: str) -> SourceChange | None:
        """A change that ended without its new source is a change to none."""
        old, self._changing_from = self._changing_from, Source.NONE
        return None if old is Source.NONE else SourceChange(old, Source.NONE, reason)

    def _ramp_down(
        self, dt_s: float, wanted: Source, reason: str, current_a: float
    ) -> SourceChange | None:
        """Withdraw the offer, wait for the vehicle to stop, then open without load."""
        self.offer_a = 0.0
        self._ramping_for_s += dt_s
        if current_a >= NO_CURRENT_A and self._ramping_for_s < RAMP_DOWN_S:
            return None
        self.pilot = Pilot.B
        return self._open(
            wanted, "mode" if self.mode is not self._mode_then else reason
        )

    def _connect(
        self, dt_s: float, wanted: Source, reason: str, solar_available_w: float
    ) -> SourceChange | None:
        """From an open contactor: offer, wait for state C, close."""
        if wanted is Source.NONE:
            self.pilot = Pilot.B
            self.offer_a = self._offered_for_s = 0.0
            return self._give_up_changing(reason)
        if self._open_for_s < DEAD_TIME_S:
            return None
        if self.pilot is Pilot.C:
            self.source, self._mode_then = wanted, self.mode
            self._offer(solar_available_w)
            old, self._changing_from = self._changing_from, Source.NONE
            return SourceChange(
                old, wanted, reason if old is Source.NONE else self._reason
            )
        self._offer(solar_available_w)
        self._offered_for_s += dt_s
        if self._offered_for_s >= VEHICLE_ANSWER_S:
            self.pilot = Pilot.C
        return None

    def _offer(self, solar_available_w: float) -> None:
        """Current the pilot offers: the limit, and from the sun no more than it gives."""
        offer = self.current_limit_a
        if self.source is Source.SOLAR:
            offer = min(offer, solar_available_w / NOMINAL_VOLTAGE_V)
        self.offer_a = max(MIN_CURRENT_A, offer)
