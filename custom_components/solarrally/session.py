"""The charging session that is shown: its energy, its sources, its length. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .messages import SessionStart, StationEvent


@dataclass(slots=True)
class SessionMeter:
    """Energy of one session by one register: the register less its start."""

    energy_wh: float | None = None
    _start_wh: float | None = None
    _stated_start_wh: float | None = None

    def state_start(self, start_wh: float | None) -> None:
        """Count from where the station says the session started."""
        # The station repeats the start with every state; once a register was
        # replaced, ours has moved and the repeated one must not undo that.
        if start_wh is not None and start_wh != self._stated_start_wh:
            self._stated_start_wh = self._start_wh = start_wh

    def read(self, register_wh: float, shift_wh: float) -> None:
        """Count up to the register; `shift_wh` is what it moved without energy."""
        if self._start_wh is None:
            self._start_wh = register_wh
        else:
            self._start_wh += shift_wh
        # A start above the register: the register was reset since, or the
        # frame is a little older than the start. Neither is negative energy.
        energy_wh = round(max(register_wh - self._start_wh, 0.0), 3)
        self.energy_wh = max(self.energy_wh or 0.0, energy_wh)

    def settle(self, energy_wh: float | None) -> None:
        """Take the station's own final count."""
        if energy_wh is not None:
            self.energy_wh = energy_wh


@dataclass(slots=True)
class Session:
    """One session, from plug-in to unplug; it keeps its numbers after the end."""

    id: str
    started_at: datetime
    last_seen_at: datetime
    ended: bool = False
    total: SessionMeter = field(default_factory=SessionMeter)
    solar: SessionMeter = field(default_factory=SessionMeter)
    grid: SessionMeter = field(default_factory=SessionMeter)

    @property
    def duration(self) -> timedelta:
        """Return how long it has lasted, or lasted."""
        return max(self.last_seen_at - self.started_at, timedelta())

    @property
    def solar_share_percent(self) -> float | None:
        """Return which part of the energy came from solar."""
        solar_wh, grid_wh = self.solar.energy_wh, self.grid.energy_wh
        if solar_wh is None or grid_wh is None or solar_wh + grid_wh <= 0:
            return None
        return round(100 * solar_wh / (solar_wh + grid_wh), 1)

    def state_start(self, start: SessionStart) -> None:
        """Take over what the station says about the start."""
        self.started_at = start.started_at
        self.total.state_start(start.meter_start_wh)
        self.solar.state_start(start.solar_start_wh)
        self.grid.state_start(start.grid_start_wh)

    def see(self, at: datetime) -> None:
        """Note that it is under way at that time."""
        self.ended = False
        self.last_seen_at = max(self.last_seen_at, at)

    def end(self, at: datetime) -> None:
        """Hold the numbers; an end that is heard again changes nothing."""
        if not self.ended:
            self.see(at)
            self.ended = True

    def settle(self, event: StationEvent) -> None:
        """Take over the final numbers of a `session_ended` event."""
        start_wh = event.fields.get("meter_start_wh")
        stop_wh = event.fields.get("meter_stop_wh")
        if start_wh is not None and stop_wh is not None and stop_wh >= start_wh:
            self.total.settle(round(stop_wh - start_wh, 3))
            self.solar.settle(event.fields.get("solar_wh"))
            self.grid.settle(event.fields.get("grid_wh"))
        self.started_at = event.fields["started_at"]
        self.last_seen_at = max(event.timestamp, self.started_at)
        self.ended = True
