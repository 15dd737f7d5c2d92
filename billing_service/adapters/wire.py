"""The station's messages as they stand on the wire, checked against the contract.

The contract is ``docs/protocol/mqtt.md``. Each parser either returns what the domain works with or
raises ``FrameRejected`` with the contract's reason; when several hold, the first of the contract's
order. Numbers become whole thousandths (mV, mA, mW, mWh), so that sums are exact.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from billing_service.domain.errors import FrameRejected
from billing_service.domain.frame import (
    NO_BOOT,
    EventType,
    Frame,
    Pilot,
    SessionEvent,
    to_ms,
)
from billing_service.domain.period import Source

MAX_MESSAGE_BYTES = 64 * 1024
MAX_BACKLOG_BYTES = 256 * 1024
MAX_BACKLOG_FRAMES = 500
MAX_AHEAD_MS = 5 * 60 * 1000
"""A timestamp further ahead of our clock than this comes from a wrong clock."""

_EARLIEST_MS = (
    1_577_836_800_000  # 2020-01-01T00:00:00Z: nobody has set the clock before that
)
_MAX_COUNTER = 2**32 - 1
_MAX_REGISTER_WH = 10**10
_MAX_POWER_WITHOUT_SOURCE_W = 50

_STATION = re.compile(r"[a-z0-9_-]{1,32}")
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,36}")
_EVENT_TYPE = re.compile(r"[a-z_]{1,40}")
_WORD = re.compile(r"[a-z0-9_]{1,40}")
_TOKEN = re.compile(r".{1,36}", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_SOURCES = {source.value: source for source in Source}
_PILOTS = {pilot.value: pilot for pilot in Pilot}
_ORDER = (
    "too_large",
    "not_json",
    "wrong_type",
    "missing_field",
    "out_of_range",
    "bad_value",
    "bad_timestamp",
    "contradiction",
    "wrong_station",
)
_RANK = {reason: rank for rank, reason in enumerate(_ORDER)}


class _Problems:
    """What is wrong with one message; the contract's order decides which is told."""

    __slots__ = ("_first", "_rank")

    def __init__(self) -> None:
        self._rank = len(_ORDER)
        self._first = ""

    def add(self, reason: str, message: str) -> None:
        if _RANK[reason] < self._rank:
            self._rank, self._first = _RANK[reason], message

    def check(self) -> None:
        if self._first:
            raise FrameRejected(_ORDER[self._rank], self._first)


def first_reason(problems: Iterable[tuple[str, str]]) -> FrameRejected:
    """Return the first of the contract's order among (reason, sentence); at least one is given."""
    return FrameRejected(*min(problems, key=lambda problem: _RANK[problem[0]]))


def parse_frame(
    payload: bytes, *, topic_station: str | None, default_station: str, now_ms: int
) -> Frame:
    """Return the frame of a telemetry message.

    ``topic_station`` is None on the plain topic; then the frame's ``station`` or
    ``default_station`` says whose it is. Raises FrameRejected.
    """
    value = _decode(payload, MAX_MESSAGE_BYTES)
    return _frame(value, topic_station, default_station, now_ms, counters=False)


def parse_backlog(
    payload: bytes, *, topic_station: str, now_ms: int
) -> Iterator[Frame | FrameRejected]:
    """Yield each frame of a backlog message, or why it was rejected: neighbours stand.

    Raises FrameRejected when the message as a whole cannot be read.
    """
    value = _decode(payload, MAX_BACKLOG_BYTES)
    if not isinstance(value, list):
        raise FrameRejected("wrong_type", "a backlog is an array of frames")
    if len(value) > MAX_BACKLOG_FRAMES:
        raise FrameRejected(
            "too_large",
            f"{len(value)} frames; a backlog has at most {MAX_BACKLOG_FRAMES}",
        )
    if not value:
        raise FrameRejected("missing_field", "a backlog has at least one frame")
    return _each(value, topic_station, now_ms)


def _each(
    values: list[Any], topic_station: str, now_ms: int
) -> Iterator[Frame | FrameRejected]:
    for value in values:
        try:
            yield _frame(value, topic_station, topic_station, now_ms, counters=True)
        except FrameRejected as rejected:
            yield rejected


def parse_event(
    payload: bytes, *, topic_station: str, now_ms: int
) -> SessionEvent | None:
    """Return an event that opens or closes a session; None for a sound one of another kind.

    Raises FrameRejected.
    """
    value = _object(_decode(payload, MAX_MESSAGE_BYTES))
    problems = _Problems()
    kind = _text(value, "type", problems, needed=True, form=_EVENT_TYPE)
    at_ms = _time(value, "timestamp", problems, now_ms, needed=True)
    started_ms = _time(value, "started_at", problems, now_ms)
    session = _text(value, "session", problems, form=_SESSION)
    numbers = {
        name: _number(value, name, _MAX_REGISTER_WH, problems)
        for name in (
            "meter_start_wh",
            "meter_stop_wh",
            "solar_start_wh",
            "grid_start_wh",
            "solar_wh",
            "grid_wh",
        )
    }
    token = _text(value, "token", problems, form=_TOKEN)
    reason = _text(value, "reason", problems, form=_WORD)
    _choice(value, "from", _SOURCES, problems)
    _choice(value, "to", _SOURCES, problems)
    _text(value, "fault", problems, form=_WORD)
    _counter(value, "boot", problems)
    _text(value, "reset_reason", problems, form=_WORD)
    for name in _EVENT_NEEDS.get(kind or "", ()):
        if name not in value:
            problems.add("missing_field", f"{name} is missing")
    problems.check()
    if kind not in _SESSION_EVENTS or session is None:
        return None
    return SessionEvent(
        station_id=topic_station,
        type=EventType(kind),
        at_ms=at_ms,
        session=session,
        started_at_ms=started_ms or None,
        meter_start_mwh=numbers["meter_start_wh"],
        meter_stop_mwh=numbers["meter_stop_wh"],
        solar_start_mwh=numbers["solar_start_wh"],
        grid_start_mwh=numbers["grid_start_wh"],
        token=token,
        reason=reason,
    )


_SESSION_EVENTS = frozenset(EventType)
_EVENT_NEEDS = {
    EventType.PLUGGED: ("session",),
    EventType.UNPLUGGED: ("session",),
    EventType.SESSION_STARTED: ("session",),
    EventType.SESSION_ENDED: ("session", "started_at", "reason"),
    "source_changed": ("from", "to"),
    "fault_raised": ("fault",),
    "fault_cleared": ("fault",),
    "rebooted": ("boot", "reset_reason"),
}


def parse_object(payload: bytes) -> dict[str, Any]:
    """Return a message that is a JSON object. Raises FrameRejected."""
    return _object(_decode(payload, MAX_MESSAGE_BYTES))


def is_station_id(text: str) -> bool:
    """Return whether a topic level can be a station's id."""
    return _STATION.fullmatch(text) is not None


# -- the frame -------------------------------------------------------------------------------


def _frame(
    value: Any,
    topic_station: str | None,
    default_station: str,
    now_ms: int,
    *,
    counters: bool,
) -> Frame:
    value = _object(value)
    problems = _Problems()
    voltage = _number(value, "V", 500, problems, needed=True)
    current = _number(value, "I", 100, problems, needed=True)
    power = _number(value, "P", 50_000, problems, needed=True)
    register = _number(value, "E", _MAX_REGISTER_WH, problems)
    solar = _meter(value, "solar", problems)
    grid = _meter(value, "grid", problems)
    source = _choice(value, "source", _SOURCES, problems, needed=True)
    pilot = _choice(value, "pilot", _PILOTS, problems)
    clock = _choice(value, "clock", _CLOCKS, problems)
    station = _text(value, "station", problems, form=_STATION)
    if value.get("session") is not None:
        session = _text(value, "session", problems, form=_SESSION)
    else:
        session = "" if "session" in value else None
    boot = _counter(value, "boot", problems)
    seq = _counter(value, "seq", problems)
    if ("boot" in value) is not ("seq" in value) or (counters and "boot" not in value):
        problems.add("missing_field", "boot and seq are needed together")
    at_ms = _time(value, "timestamp", problems, now_ms, needed=True)
    if (
        source is Source.NONE
        and power is not None
        and power > _MAX_POWER_WITHOUT_SOURCE_W * 1000
    ):
        problems.add(
            "contradiction", f"{power / 1000:g} W flow while the source is none"
        )
    if topic_station is not None and station is not None and station != topic_station:
        problems.add(
            "wrong_station", f"frame of {station!r} on the topic of {topic_station!r}"
        )
    problems.check()
    if boot is None or seq is None:
        boot, seq = NO_BOOT, at_ms
    return Frame(
        topic_station or station or default_station,
        boot,
        seq,
        at_ms,
        voltage or 0,
        current or 0,
        power or 0,
        source or Source.NONE,
        register,
        solar,
        grid,
        pilot,
        session,
        clock is not False,
    )


_CLOCKS = {"synced": True, "estimated": False}


def _meter(value: dict[str, Any], name: str, problems: _Problems) -> int | None:
    """Check one of the two meters and return its register."""
    meter = value.get(name)
    if meter is None and name not in value:
        return None
    if not isinstance(meter, dict):
        problems.add("wrong_type", f"{name} is an object of V, I, P, E")
        return None
    _number(meter, "V", 500, problems, needed=True, of=name)
    _number(meter, "I", 100, problems, needed=True, of=name)
    _number(meter, "P", 50_000, problems, needed=True, of=name)
    return _number(meter, "E", _MAX_REGISTER_WH, problems, of=name)


# -- fields ----------------------------------------------------------------------------------


def _number(
    value: dict[str, Any],
    name: str,
    highest: int,
    problems: _Problems,
    *,
    needed: bool = False,
    of: str = "",
) -> int | None:
    """Return a field in whole thousandths."""
    number = value.get(name)
    kind = type(number)
    if kind is float or kind is int:
        if 0 <= number <= highest:  # type: ignore[operator]  # the line above made it a number
            return round(number * 1000)  # type: ignore[operator]  # as above
        problems.add(
            "out_of_range",
            # As text first: a whole number can be too large for a float.
            f"{_path(of, name)} is {str(number)[:40]}; 0 to {highest} is possible",
        )
    elif name in value:
        problems.add("wrong_type", f"{_path(of, name)} is a number")
    elif needed:
        problems.add("missing_field", f"{_path(of, name)} is missing")
    return None


def _path(of: str, name: str) -> str:
    return f"{of}.{name}" if of else name


def _counter(value: dict[str, Any], name: str, problems: _Problems) -> int | None:
    number = value.get(name)
    if type(number) is float and number.is_integer():
        # JSON knows one kind of number: 12.0 is 12.
        number = int(number)
    if type(number) is int:
        if 0 <= number <= _MAX_COUNTER:
            return number
        problems.add(
            "out_of_range", f"{name} is {number}; 0 to {_MAX_COUNTER} is possible"
        )
    elif name in value:
        problems.add("wrong_type", f"{name} is a whole number")
    return None


def _text(
    value: dict[str, Any],
    name: str,
    problems: _Problems,
    *,
    needed: bool = False,
    form: re.Pattern[str] | None = None,
) -> str | None:
    text = value.get(name)
    if isinstance(text, str):
        # JSON can spell half a character, which no database takes.
        if (form is None or form.fullmatch(text)) and not _SURROGATE.search(text):
            return text
        problems.add(
            "bad_value", f"{name} {text[:40]!r} has a form that is not allowed"
        )
    elif name in value:
        problems.add("wrong_type", f"{name} is a text")
    elif needed:
        problems.add("missing_field", f"{name} is missing")
    return None


def _choice[T](
    value: dict[str, Any],
    name: str,
    choices: dict[str, T],
    problems: _Problems,
    *,
    needed: bool = False,
) -> T | None:
    text = value.get(name)
    if isinstance(text, str):
        if (chosen := choices.get(text)) is not None:
            return chosen
        problems.add(
            "bad_value", f"{name} {text[:40]!r} is none of {', '.join(choices)}"
        )
    elif name in value:
        problems.add("wrong_type", f"{name} is a text")
    elif needed:
        problems.add("missing_field", f"{name} is missing")
    return None


def _time(
    value: dict[str, Any],
    name: str,
    problems: _Problems,
    now_ms: int,
    *,
    needed: bool = False,
) -> int:
    """Return a field's time in ms; 0 when it has none or a wrong one."""
    text = value.get(name)
    if not isinstance(text, str):
        if name in value:
            problems.add("wrong_type", f"{name} is a text")
        elif needed:
            problems.add("missing_field", f"{name} is missing")
        return 0
    at_ms = parse_time(text)
    if at_ms is None:
        problems.add(
            "bad_timestamp", f"{name} {text[:40]!r} is not RFC 3339 with an offset"
        )
        return 0
    if at_ms < _EARLIEST_MS:
        problems.add(
            "bad_timestamp", f"{name} {text[:40]} is before 2020: the clock was not set"
        )
    elif at_ms > now_ms + MAX_AHEAD_MS:
        problems.add(
            "bad_timestamp", f"{name} {text[:40]} is ahead of this service's clock"
        )
    return at_ms


def parse_time(text: str) -> int | None:
    """Return a time in ms; None when it is not RFC 3339 or does not exist."""
    if _RFC3339.fullmatch(text) is None:
        return None
    try:
        return to_ms(datetime.fromisoformat(text.upper()))
    except ValueError, OverflowError:
        return None


# -- JSON ------------------------------------------------------------------------------------


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FrameRejected("wrong_type", "the message is not a JSON object")
    return value


def _decode(payload: bytes, most: int) -> Any:
    if len(payload) > most:
        raise FrameRejected(
            "too_large", f"{len(payload)} bytes; at most {most} are allowed"
        )
    try:
        return _JSON.decode(payload.decode())
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError too
        raise FrameRejected("not_json", f"not JSON: {error}") from error
    except RecursionError as error:
        raise FrameRejected("not_json", "not JSON: nested too deeply") from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_no_constant)
