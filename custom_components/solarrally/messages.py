"""The messages a station sends, as the MQTT contract has them.

Pure: bytes in, frozen dataclasses out, `RejectedMessageError` when the contract is
broken. Voltages are V, currents A, powers W, registers Wh, times aware UTC.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from .wire import (
    Choice,
    Fields,
    Flag,
    Integer,
    IntegerChoice,
    Nullable,
    Number,
    Problems,
    Reason,
    Text,
    Timestamp,
    UniqueList,
    read_object,
)

# Before this day no station existed: the clock was not set.
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
MAX_AHEAD = timedelta(minutes=5)

# Leakage and noise of the meter may show a little power while every source is
# off; more than this comes from nowhere.
MAX_POWER_WITHOUT_SOURCE_W = 50.0

STATION_ID = re.compile(r"[a-z0-9_-]{1,32}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,36}", re.ASCII)
_WORD = re.compile(r"[a-z0-9_]{1,40}", re.ASCII)
_EVENT_TYPE = re.compile(r"[a-z_]{1,40}", re.ASCII)
_LABEL = re.compile(r".{1,64}", re.DOTALL)
_TOKEN = re.compile(r".{1,36}", re.DOTALL)
_URL = re.compile(r"https?://.*", re.DOTALL)


class Source(StrEnum):
    """Where the power comes from now."""

    SOLAR = "solar"
    GRID = "grid"
    NONE = "none"


class Mode(StrEnum):
    """What the owner wants."""

    OFF = "off"
    SOLAR = "solar"
    GRID = "grid"
    AUTO = "auto"


class Pilot(StrEnum):
    """State of the control pilot, IEC 61851-1."""

    NO_VEHICLE = "A"
    CONNECTED = "B"
    CHARGING = "C"
    VENTILATION = "D"
    ERROR = "E"
    FAULT = "F"


class Clock(StrEnum):
    """Whether the station's timestamps come from a set clock."""

    SYNCED = "synced"
    ESTIMATED = "estimated"


class SdCard(StrEnum):
    """The card that frames are logged to while offline."""

    OK = "ok"
    MISSING = "missing"
    FAILED = "failed"
    FULL = "full"


class CommandError(StrEnum):
    """Why a station refused a command."""

    MALFORMED = "malformed"
    UNKNOWN_COMMAND = "unknown_command"
    OUT_OF_RANGE = "out_of_range"
    DUPLICATE = "duplicate"
    STALE = "stale"
    NOT_SUPPORTED = "not_supported"
    NO_VEHICLE = "no_vehicle"
    FAULT_ACTIVE = "fault_active"
    BUSY = "busy"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One source's supply to the vehicle."""

    voltage_v: float
    current_a: float
    power_w: float
    energy_wh: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One reading of the meters."""

    timestamp: datetime
    voltage_v: float
    current_a: float
    power_w: float
    energy_wh: float | None
    source: Source
    station: str | None
    boot: int | None
    seq: int | None
    solar: Meter | None
    grid: Meter | None
    pilot: Pilot | None
    # A frame that says nothing of sessions differs from one that says there is
    # none: only the second ends a session.
    says_session: bool
    session: str | None
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStart:
    """The session under way, and the registers at its start."""

    id: str
    started_at: datetime
    meter_start_wh: float | None
    solar_start_wh: float | None
    grid_start_wh: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the station is doing now."""

    timestamp: datetime
    mode: Mode
    source: Source
    pilot: Pilot | None
    enabled: bool
    charging: bool
    current_limit_a: float
    faults: tuple[str, ...]
    clock: Clock
    sd: SdCard | None
    backlog: int | None
    boot: int | None
    session: SessionStart | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What the station is."""

    station: str
    name: str | None
    manufacturer: str | None
    model: str
    serial: str | None
    firmware: str
    phases: int
    voltage_v: float
    min_current_a: float
    max_current_a: float
    capabilities: frozenset[str]
    boot: int | None
    reset_reason: str | None
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEvent:
    """Something that happened; `fields` holds what the type carries."""

    type: str
    timestamp: datetime
    session: str | None
    fields: dict[str, Any]

    @property
    def key(self) -> tuple[str, datetime, str | None]:
        """Return what tells this event from every other of its station."""
        return (self.type, self.timestamp, self.session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The answer to one command."""

    id: str
    ok: bool
    error: CommandError | None
    message: str | None


_COUNTER = Integer(2**32 - 1)
_REGISTER = Number(0, 1e10)
_STATION = Text(STATION_ID)
_SESSION = Text(_NAME)

_METER = Fields(
    needed={"V": Number(0, 500), "I": Number(0, 100), "P": Number(0, 50_000)},
    optional={"E": _REGISTER},
)
_FRAME = Fields(
    needed={
        **_METER.needed,
        "source": Choice(Source),
        "timestamp": Timestamp(),
    },
    optional={
        "E": _REGISTER,
        "station": _STATION,
        "boot": _COUNTER,
        "seq": _COUNTER,
        "solar": _METER,
        "grid": _METER,
        "pilot": Choice(Pilot),
        "session": Nullable(_SESSION),
        "clock": Choice(Clock),
    },
)
_SESSION_START = Fields(
    needed={"id": _SESSION, "started_at": Timestamp()},
    optional={
        "meter_start_wh": _REGISTER,
        "solar_start_wh": _REGISTER,
        "grid_start_wh": _REGISTER,
    },
)
_STATE = Fields(
    needed={
        "timestamp": Timestamp(),
        "mode": Choice(Mode),
        "source": Choice(Source),
        "enabled": Flag(),
        "charging": Flag(),
        "current_limit_a": Number(0, 100),
        "faults": UniqueList(Text(_WORD)),
        "clock": Choice(Clock),
        "session": Nullable(_SESSION_START),
    },
    optional={
        "pilot": Choice(Pilot),
        "sd": Choice(SdCard),
        "backlog": _COUNTER,
        "update": Fields(
            needed={"version": Text(_LABEL), "progress": Integer(100)},
        ),
        "boot": _COUNTER,
    },
)
_INFO = Fields(
    needed={
        "protocol": IntegerChoice(frozenset({1})),
        "station": _STATION,
        "model": Text(_LABEL),
        "firmware": Text(_LABEL),
        "phases": IntegerChoice(frozenset({1, 3})),
        "voltage_v": Number(50, 500),
        "min_current_a": Number(0, 100),
        "max_current_a": Number(0, 100, above_low=True),
        "capabilities": UniqueList(Text()),
    },
    optional={
        "name": Text(_LABEL),
        "manufacturer": Text(_LABEL),
        "serial": Text(_LABEL),
        "boot": _COUNTER,
        "reset_reason": Text(_WORD),
        "url": Text(_URL),
    },
)
_EVENT = Fields(
    needed={"type": Text(_EVENT_TYPE), "timestamp": Timestamp()},
    optional={
        "session": _SESSION,
        "started_at": Timestamp(),
        "meter_start_wh": _REGISTER,
        "meter_stop_wh": _REGISTER,
        "solar_start_wh": _REGISTER,
        "grid_start_wh": _REGISTER,
        "solar_wh": _REGISTER,
        "grid_wh": _REGISTER,
        "token": Text(_TOKEN),
        "from": Choice(Source),
        "to": Choice(Source),
        "reason": Text(_WORD),
        "fault": Text(_WORD),
        "boot": _COUNTER,
        "reset_reason": Text(_WORD),
    },
)
_EVENT_NEEDS = {
    "plugged": ("session",),
    "unplugged": ("session",),
    "session_started": ("session",),
    "session_ended": ("session", "started_at", "reason"),
    "source_changed": ("from", "to"),
    "fault_raised": ("fault",),
    "fault_cleared": ("fault",),
    "rebooted": ("boot", "reset_reason"),
}
_RESULT = Fields(
    needed={"id": Text(_NAME), "ok": Flag()},
    optional={"error": Choice(CommandError), "message": Text(), "done": Flag()},
)


def _meter(fields: dict[str, Any] | None) -> Meter | None:
    if fields is None:
        return None
    return Meter(
        voltage_v=fields["V"],
        current_a=fields["I"],
        power_w=fields["P"],
        energy_wh=fields.get("E"),
    )


def _check_station(said: str | None, topic: str | None, problems: Problems) -> None:
    if said is not None and topic is not None and said != topic:
        problems.add(Reason.WRONG_STATION, f"it speaks of {said}, its topic of {topic}")


def _check_time(
    fields: dict[str, Any], name: str, now: datetime, problems: Problems
) -> None:
    at = fields.get(name, now)
    if at < EARLIEST:
        problems.add(Reason.BAD_TIMESTAMP, f"{name} is from an unset clock")
    elif at - now > MAX_AHEAD:
        problems.add(Reason.BAD_TIMESTAMP, f"{name} is more than 5 minutes ahead")


def parse_frame(
    payload: bytes, *, now: datetime, topic_station: str | None = None
) -> Frame:
    """Read one frame.

    `now` is the receiver's clock, aware. `topic_station` is the station that
    the topic names, None on the plain topic. Raises RejectedMessageError.
    """
    fields, problems = read_object(payload, _FRAME, what="frame")
    if ("boot" in fields) != ("seq" in fields):
        problems.add(Reason.MISSING_FIELD, "boot and seq belong together")
    _check_time(fields, "timestamp", now, problems)
    if (
        fields.get("source") is Source.NONE
        and fields.get("P", 0.0) > MAX_POWER_WITHOUT_SOURCE_W
    ):
        problems.add(Reason.CONTRADICTION, "power flows while no source is connected")
    _check_station(fields.get("station"), topic_station, problems)
    problems.raise_first()
    return Frame(
        timestamp=fields["timestamp"],
        voltage_v=fields["V"],
        current_a=fields["I"],
        power_w=fields["P"],
        energy_wh=fields.get("E"),
        source=fields["source"],
        station=fields.get("station"),
        boot=fields.get("boot"),
        seq=fields.get("seq"),
        solar=_meter(fields.get("solar")),
        grid=_meter(fields.get("grid")),
        pilot=fields.get("pilot"),
        says_session="session" in fields,
        session=fields.get("session"),
        clock=fields.get("clock", Clock.SYNCED),
    )


def _session_start(fields: dict[str, Any] | None) -> SessionStart | None:
    if fields is None:
        return None
    return SessionStart(
        id=fields["id"],
        started_at=fields["started_at"],
        meter_start_wh=fields.get("meter_start_wh"),
        solar_start_wh=fields.get("solar_start_wh"),
        grid_start_wh=fields.get("grid_start_wh"),
    )


def parse_state(payload: bytes) -> State:
    """Read what the station is doing now. Raises RejectedMessageError."""
    fields, problems = read_object(payload, _STATE, what="state")
    problems.raise_first()
    return State(
        timestamp=fields["timestamp"],
        mode=fields["mode"],
        source=fields["source"],
        pilot=fields.get("pilot"),
        enabled=fields["enabled"],
        charging=fields["charging"],
        current_limit_a=fields["current_limit_a"],
        faults=fields["faults"],
        clock=fields["clock"],
        sd=fields.get("sd"),
        backlog=fields.get("backlog"),
        boot=fields.get("boot"),
        session=_session_start(fields["session"]),
    )


def parse_info(payload: bytes, *, topic_station: str | None = None) -> Info:
    """Read what the station is. Raises RejectedMessageError."""
    fields, problems = read_object(payload, _INFO, what="info")
    if fields.get("min_current_a", 0) > fields.get("max_current_a", 100):
        problems.add(Reason.CONTRADICTION, "min_current_a is above max_current_a")
    _check_station(fields.get("station"), topic_station, problems)
    problems.raise_first()
    return Info(
        station=fields["station"],
        name=fields.get("name"),
        manufacturer=fields.get("manufacturer"),
        model=fields["model"],
        serial=fields.get("serial"),
        firmware=fields["firmware"],
        phases=fields["phases"],
        voltage_v=fields["voltage_v"],
        min_current_a=fields["min_current_a"],
        max_current_a=fields["max_current_a"],
        capabilities=frozenset(fields["capabilities"]),
        boot=fields.get("boot"),
        reset_reason=fields.get("reset_reason"),
        url=fields.get("url"),
    )


def parse_event(payload: bytes, *, now: datetime) -> StationEvent:
    """Read something that happened. Raises RejectedMessageError.

    `now` is the receiver's clock, aware. A type that the contract does not know is no error; nobody will report it.
    """
    fields, problems = read_object(payload, _EVENT, what="event")
    for needed in _EVENT_NEEDS.get(fields.get("type", ""), ()):
        if needed not in fields:
            problems.add(Reason.MISSING_FIELD, f"{needed} is missing")
    _check_time(fields, "timestamp", now, problems)
    _check_time(fields, "started_at", now, problems)
    problems.raise_first()
    return StationEvent(
        type=fields.pop("type"),
        timestamp=fields.pop("timestamp"),
        session=fields.pop("session", None),
        fields=fields,
    )


def parse_result(payload: bytes) -> Result:
    """Read the answer to a command. Raises RejectedMessageError."""
    fields, problems = read_object(payload, _RESULT, what="result")
    if fields.get("ok") is False and "error" not in fields:
        problems.add(Reason.MISSING_FIELD, "error is missing")
    problems.raise_first()
    return Result(
        id=fields["id"],
        ok=fields["ok"],
        error=fields.get("error"),
        message=fields.get("message"),
    )
