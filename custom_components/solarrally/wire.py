"""Check JSON from MQTT against tables of fields; nothing here knows Home Assistant.

The rules and the reasons are those of the MQTT contract, version 1. A message
is taken as a whole or refused as a whole, with one reason.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol, override

MAX_MESSAGE_BYTES = 64 * 1024

# json.loads refuses integers beyond Python's digit limit, but to the contract
# they are numbers, only far out of range.
_LONGEST_INTEGER = 300

_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
    r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII | re.IGNORECASE,
)

_SURROGATE = re.compile("[\ud800-\udfff]")


class Reason(StrEnum):
    """Why a message was refused, in the order in which the reasons are given."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    OUT_OF_RANGE = "out_of_range"
    BAD_VALUE = "bad_value"
    BAD_TIMESTAMP = "bad_timestamp"
    CONTRADICTION = "contradiction"
    WRONG_STATION = "wrong_station"


_ORDER = {reason: place for place, reason in enumerate(Reason)}


class RejectedMessageError(Exception):
    """A message breaks the contract."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """Keep the contract's reason and what is wrong, for the log."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Problems:
    """What is wrong with one message; the first of the contract's order counts."""

    def __init__(self) -> None:
        """Start with a message that has nothing wrong."""
        self._found: list[tuple[Reason, str]] = []

    def add(self, reason: Reason, detail: str) -> None:
        """Note one thing that is wrong."""
        self._found.append((reason, detail))

    def raise_first(self) -> None:
        """Raise RejectedMessageError if anything is wrong."""
        if self._found:
            raise RejectedMessageError(*min(self._found, key=lambda it: _ORDER[it[0]]))


class Kind(Protocol):
    """What a field may hold."""

    def read(self, name: str, value: Any, problems: Problems) -> Any:
        """Return the value as Python wants it; what is wrong goes to the problems."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number within a range; three decimals are kept."""

    low: float
    high: float
    above_low: bool = False

    def read(self, name: str, value: Any, problems: Problems) -> float:
        """Return a finite float."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            problems.add(Reason.WRONG_TYPE, f"{name} is not a number")
            return math.nan
        if not self.low <= value <= self.high or (self.above_low and value == self.low):
            problems.add(
                Reason.OUT_OF_RANGE, f"{name} is outside {self.low:g} to {self.high:g}"
            )
            return math.nan
        return round(float(value), 3)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from 0 up."""

    high: int

    def read(self, name: str, value: Any, problems: Problems) -> int:
        """Return an int."""
        if isinstance(value, float) and math.isinf(value):
            problems.add(Reason.OUT_OF_RANGE, f"{name} is out of range")
            return 0
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            problems.add(Reason.WRONG_TYPE, f"{name} is not a whole number")
            return 0
        if not 0 <= value <= self.high:
            problems.add(Reason.OUT_OF_RANGE, f"{name} is out of range")
        return value


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, name: str, value: Any, problems: Problems) -> bool:
        """Return a bool."""
        if not isinstance(value, bool):
            problems.add(Reason.WRONG_TYPE, f"{name} is neither true nor false")
        return bool(value)


@dataclass(frozen=True, slots=True)
class Text:
    """A text that matches a pattern from end to end."""

    pattern: re.Pattern[str] | None = None

    def read(self, name: str, value: Any, problems: Problems) -> str:
        """Return a str."""
        if not isinstance(value, str):
            problems.add(Reason.WRONG_TYPE, f"{name} is not a text")
            return ""
        if _SURROGATE.search(value):
            # JSON can spell half a character, which no one can write down.
            problems.add(Reason.BAD_VALUE, f"{name} holds half a character")
            return ""
        if self.pattern is not None and not self.pattern.fullmatch(value):
            problems.add(Reason.BAD_VALUE, f"{name} is not allowed")
        return value


@dataclass(frozen=True, slots=True)
class Choice[ChoiceT: StrEnum]:
    """One of a few words."""

    words: type[ChoiceT]

    def read(self, name: str, value: Any, problems: Problems) -> ChoiceT | None:
        """Return the member of the enumeration."""
        if not isinstance(value, str):
            problems.add(Reason.WRONG_TYPE, f"{name} is not a text")
            return None
        try:
            return self.words(value)
        except ValueError:
            problems.add(Reason.BAD_VALUE, f"{name} is none of the allowed")
            return None


@dataclass(frozen=True, slots=True)
class IntegerChoice:
    """One of a few whole numbers."""

    numbers: frozenset[int]

    def read(self, name: str, value: Any, problems: Problems) -> int:
        """Return an int."""
        broken = (
            isinstance(value, float) and math.isfinite(value) and not value.is_integer()
        )
        if isinstance(value, bool) or not isinstance(value, (int, float)) or broken:
            problems.add(Reason.WRONG_TYPE, f"{name} is not a whole number")
            return 0
        if value not in self.numbers:
            problems.add(Reason.BAD_VALUE, f"{name} is none of the allowed")
            return 0
        return int(value)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A date and time with its offset, RFC 3339."""

    def read(self, name: str, value: Any, problems: Problems) -> datetime:
        """Return an aware time in UTC."""
        if not isinstance(value, str):
            problems.add(Reason.WRONG_TYPE, f"{name} is not a text")
        elif not _RFC_3339.fullmatch(value):
            problems.add(Reason.BAD_TIMESTAMP, f"{name} is not RFC 3339")
        else:
            try:
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
            except ValueError, OverflowError:
                problems.add(Reason.BAD_TIMESTAMP, f"{name} is no real time")
        return datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class UniqueList:
    """A list of texts, none of them twice."""

    item: Text

    def read(self, name: str, value: Any, problems: Problems) -> tuple[str, ...]:
        """Return a tuple of str."""
        if not isinstance(value, list):
            problems.add(Reason.WRONG_TYPE, f"{name} is not a list")
            return ()
        items = tuple(self.item.read(f"{name}[]", it, problems) for it in value)
        if len(set(items)) < len(items):
            problems.add(Reason.BAD_VALUE, f"{name} says something twice")
        return items


@dataclass(frozen=True, slots=True)
class Nullable:
    """A field that may say null."""

    kind: Kind

    def read(self, name: str, value: Any, problems: Problems) -> Any:
        """Return None for null."""
        return None if value is None else self.kind.read(name, value, problems)


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with fields of its own; those it does not know are ignored."""

    needed: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)

    def read(self, name: str, value: Any, problems: Problems) -> dict[str, Any]:
        """Return the known fields that are there."""
        if not isinstance(value, dict):
            problems.add(Reason.WRONG_TYPE, f"{name} is not an object")
            return {}
        prefix = f"{name}." if name else ""
        read: dict[str, Any] = {}
        for key, kind in self.needed.items():
            if key in value:
                read[key] = kind.read(prefix + key, value[key], problems)
            else:
                problems.add(Reason.MISSING_FIELD, f"{prefix}{key} is missing")
        for key, kind in self.optional.items():
            if key in value:
                read[key] = kind.read(prefix + key, value[key], problems)
        return read


class _StrictDecoder(json.JSONDecoder):
    """JSON as the standard has it: without NaN and Infinity."""

    def __init__(self) -> None:
        super().__init__(parse_constant=self._refuse, parse_int=self._integer)

    @staticmethod
    def _refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    @staticmethod
    def _integer(digits: str) -> int | float:
        return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)

    @override
    def decode(self, s: str, *args: Any) -> Any:
        # decode() itself does not look for a byte-order mark, loads() does.
        if s.startswith("\ufeff"):
            raise ValueError("a byte-order mark is not JSON")
        return super().decode(s, *args)


_DECODER = _StrictDecoder()


def as_bytes(payload: str | bytes | bytearray) -> bytes:
    """Return a payload as it stood on the wire.

    Home Assistant gives one copy of a message to all who subscribed to the same
    topic. Ours comes as text when somebody else asked for text before us.
    """
    return payload.encode() if isinstance(payload, str) else bytes(payload)


def read_object(
    payload: bytes, fields: Fields, *, what: str
) -> tuple[dict[str, Any], Problems]:
    """Return the known fields of a payload, and what is wrong with them.

    The caller adds what only it can see and then calls `raise_first`.

    Raises RejectedMessageError for a payload that is too large, no JSON or no object.
    """
    if len(payload) > MAX_MESSAGE_BYTES:
        raise RejectedMessageError(Reason.TOO_LARGE, f"{what} of {len(payload)} bytes")
    try:
        value = _DECODER.decode(payload.decode("utf-8"))
    except (ValueError, RecursionError) as err:
        raise RejectedMessageError(
            Reason.NOT_JSON, f"{what} is not JSON: {err}"
        ) from err
    if not isinstance(value, dict):
        raise RejectedMessageError(Reason.WRONG_TYPE, f"{what} is not an object")
    problems = Problems()
    return fields.read("", value, problems), problems
