"""What a station is now, made from its messages. Pure: no Home Assistant, no clock.

Receiving a message twice, late or out of order never changes the outcome.
Times of the station are aware UTC; `heard_at` is the receiver's own monotonic
clock in seconds.
"""

from collections import deque
from datetime import datetime
from enum import StrEnum

from .messages import (
    Frame,
    Info,
    Meter,
    Pilot,
    SessionStart,
    Source,
    State,
    StationEvent,
)
from .register import Register
from .session import Session

# A station that never sent a status is gone after this long without a frame.
SILENCE_LIMIT_S = 60.0

# How many events are remembered to know one that is heard twice. A station
# sends a handful per session; repeats follow within seconds.
_REMEMBERED_EVENTS = 64


class Feature(StrEnum):
    """Something a station has shown to have; it gets entities for it."""

    KNOWN = "known"
    STATE = "state"
    INFO = "info"
    FRAME = "frame"
    PILOT = "pilot"
    SESSION = "session"
    REGISTER = "register"
    SOLAR_METER = "solar_meter"
    GRID_METER = "grid_meter"
    SOLAR_REGISTER = "solar_register"
    GRID_REGISTER = "grid_register"
    SD_CARD = "sd_card"
    BACKLOG = "backlog"
    REBOOT = "reboot"
    RESET_REASON = "reset_reason"


class Station:
    """One charging station as its messages describe it."""

    def __init__(self, station_id: str) -> None:
        """Start with nothing known but the name it goes by."""
        self.id = station_id
        self.info: Info | None = None
        self.state: State | None = None
        self.frame: Frame | None = None
        self.status: bool | None = None
        self.sends_status = False
        self.heard_at: float | None = None
        self.source: Source | None = None
        self.pilot: Pilot | None = None
        self.session: Session | None = None
        self.total = Register()
        self.solar = Register()
        self.grid = Register()
        self.features: set[Feature] = set()
        self.frames_ignored = 0
        self._events: deque[tuple[str, datetime, str | None]] = deque(
            maxlen=_REMEMBERED_EVENTS
        )

    def online(self, now: float) -> bool:
        """Return whether the station is there at that moment."""
        if self.sends_status:
            return self.status is True
        return self.heard_at is not None and now - self.heard_at <= SILENCE_LIMIT_S

    @property
    def solar_meter(self) -> Meter | None:
        """Return the solar supply's meter as last read."""
        return None if self.frame is None else self.frame.solar

    @property
    def grid_meter(self) -> Meter | None:
        """Return the grid supply's meter as last read."""
        return None if self.frame is None else self.frame.grid

    @property
    def plugged(self) -> bool | None:
        """Return whether a vehicle is connected, None when it cannot be told."""
        match self.pilot:
            case None:
                return None
            case Pilot.NO_VEHICLE:
                return False
            case Pilot.ERROR | Pilot.FAULT:
                # The pilot signal is gone or shorted and says nothing of the
                # plug; the station keeps the session open until it is drawn.
                return self.session is not None and not self.session.ended
            case _:
                return True

    def apply_info(self, info: Info) -> None:
        """Take over what the station is."""
        self.info = info
        self.features |= {Feature.KNOWN, Feature.INFO}
        if "reboot" in info.capabilities:
            self.features.add(Feature.REBOOT)
        if info.reset_reason is not None:
            self.features.add(Feature.RESET_REASON)

    def apply_status(self, online: bool) -> None:
        """Take over what the station, or its last will, says about itself."""
        self.status = online
        self.sends_status = True

    def forget_status(self) -> None:
        """Stop relying on the last status, which nobody keeps up to date now."""
        self.status = None

    def apply_state(self, state: State) -> None:
        """Take over what the station is doing."""
        self.state = state
        self.source = state.source
        # A state always says whether there is a session.
        self.features |= {Feature.KNOWN, Feature.STATE, Feature.SESSION}
        if state.sd is not None:
            self.features.add(Feature.SD_CARD)
        if state.backlog is not None:
            self.features.add(Feature.BACKLOG)
        self._see_pilot(state.pilot)
        if state.session is not None:
            self._start_session(state.session, seen_at=state.timestamp)
        elif self.session is not None:
            self.session.end(state.timestamp)

    def apply_frame(self, frame: Frame, heard_at: float) -> bool:
        """Take over a reading; return False for one that is not the newest."""
        self.heard_at = heard_at
        if not self._is_newer(frame):
            self.frames_ignored += 1
            return False
        self.frame = frame
        self.source = frame.source
        self.features |= {Feature.KNOWN, Feature.FRAME}
        if frame.solar is not None:
            self.features.add(Feature.SOLAR_METER)
        if frame.grid is not None:
            self.features.add(Feature.GRID_METER)
        self._see_pilot(frame.pilot)
        self._follow_session(frame)
        self._read_registers(frame)
        return True

    def apply_event(self, event: StationEvent) -> bool:
        """Take over something that happened; return False for a repetition."""
        if event.key in self._events:
            return False
        self._events.append(event.key)
        if event.type == "session_started" and event.session is not None:
            self._start_session(
                SessionStart(
                    id=event.session,
                    started_at=event.timestamp,
                    meter_start_wh=event.fields.get("meter_start_wh"),
                    solar_start_wh=event.fields.get("solar_start_wh"),
                    grid_start_wh=event.fields.get("grid_start_wh"),
                ),
                seen_at=event.timestamp,
            )
        elif (
            event.type == "session_ended"
            and self.session is not None
            and self.session.id == event.session
        ):
            self.session.settle(event)
        return True

    def _is_newer(self, frame: Frame) -> bool:
        last = self.frame
        if last is None:
            return True
        if (
            frame.boot is None
            or frame.seq is None
            or last.boot is None
            or last.seq is None
        ):
            return frame.timestamp > last.timestamp
        if (frame.boot, frame.seq) > (last.boot, last.seq):
            return True
        # A reboot counter that falls while time goes on: the station's memory
        # was erased and it counts from zero again.
        return frame.boot < last.boot and frame.timestamp > last.timestamp

    def _see_pilot(self, pilot: Pilot | None) -> None:
        if pilot is not None:
            self.pilot = pilot
            self.features.add(Feature.PILOT)

    def _start_session(self, start: SessionStart, *, seen_at: datetime) -> None:
        if self.session is None or self.session.id != start.id:
            self.session = Session(start.id, start.started_at, seen_at)
        self.features.add(Feature.SESSION)
        self.session.see(seen_at)
        self.session.state_start(start)
        # A new session shows 0 at once, not only with the next frame.
        for register in (self.total, self.solar, self.grid):
            self._count_session(register, 0.0)

    def _follow_session(self, frame: Frame) -> None:
        if frame.says_session:
            self.features.add(Feature.SESSION)
        if not frame.says_session:
            if self.session is not None and not self.session.ended:
                self.session.see(frame.timestamp)
        elif frame.session is None:
            if self.session is not None:
                self.session.end(frame.timestamp)
        else:
            if self.session is None or self.session.id != frame.session:
                # Every event and state of its start was missed.
                self.session = Session(frame.session, frame.timestamp, frame.timestamp)
            self.session.see(frame.timestamp)

    def _read_registers(self, frame: Frame) -> None:
        solar_wh = frame.solar.energy_wh if frame.solar else None
        grid_wh = frame.grid.energy_wh if frame.grid else None
        total_wh = frame.energy_wh
        if total_wh is None and solar_wh is not None and grid_wh is not None:
            total_wh = solar_wh + grid_wh
        for register, energy_wh, feature in (
            (self.total, total_wh, Feature.REGISTER),
            (self.solar, solar_wh, Feature.SOLAR_REGISTER),
            (self.grid, grid_wh, Feature.GRID_REGISTER),
        ):
            if energy_wh is not None:
                self.features.add(feature)
                shift_wh = register.read(energy_wh, frame.timestamp)
                self._count_session(register, shift_wh)

    def _count_session(self, register: Register, shift_wh: float) -> None:
        session = self.session
        if session is None or session.ended or register.energy_wh is None:
            return
        if register is self.total:
            meter = session.total
        else:
            meter = session.solar if register is self.solar else session.grid
        meter.read(register.energy_wh, shift_wh)
