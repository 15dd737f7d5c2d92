"""Reads JSON that people write by hand: every problem is collected, none stops the reading."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from billing_service.adapters.currencies import RULE, is_currency

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII | re.IGNORECASE,
)
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_MAX_DIGITS = 30
# Nobody charged before, and calendars are not known so far ahead.
_YEARS = range(1970, 2200)


@dataclass(slots=True)
class Reader:
    """Takes typed values out of JSON objects. What cannot be read is None and a problem."""

    problems: list[tuple[str, str]] = field(default_factory=list)

    def problem(self, path: str, text: str) -> None:
        """Note that something is wrong."""
        self.problems.append((path, text))

    def mapping(self, value: object, path: str) -> dict[str, Any] | None:
        """Return a JSON object."""
        if isinstance(value, dict):
            return value
        self.problem(path, f"must be an object, not {_kind(value)}")
        return None

    def items(
        self, data: dict[str, Any], key: str, path: str, *, required: bool = True
    ) -> Iterator[tuple[str, object]]:
        """Yield (path, value) of each member of an array."""
        value = data.get(key)
        where = f"{path}.{key}"
        if value is None:
            if required:
                self.problem(where, "is missing")
            return
        if not isinstance(value, list):
            self.problem(where, f"must be an array, not {_kind(value)}")
            return
        if required and not value:
            self.problem(where, "must not be empty")
        for index, item in enumerate(value):
            yield f"{where}[{index}]", item

    def text(
        self,
        data: dict[str, Any],
        key: str,
        path: str,
        *,
        required: bool = False,
        limit: int = 255,
    ) -> str | None:
        """Return a string of 1 to ``limit`` characters.

        Control characters and halves of surrogate pairs are refused: not every database and
        terminal takes them.
        """

        def read(value: object) -> str | None:
            if not isinstance(value, str) or not 0 < len(value) <= limit:
                return None
            return None if _UNWRITABLE.search(value) else value

        return self._read(
            data,
            key,
            path,
            read,
            f"must be a text of 1 to {limit} characters, none a control character",
            required,
        )

    def currency(
        self, data: dict[str, Any], key: str, path: str, *, required: bool = False
    ) -> str | None:
        """Return the code of a currency."""

        def read(value: object) -> str | None:
            return value if isinstance(value, str) and is_currency(value) else None

        return self._read(data, key, path, read, RULE, required)

    def number(
        self, data: dict[str, Any], key: str, path: str, *, required: bool = False
    ) -> Decimal | None:
        """Return a JSON number or a decimal string, exactly as written."""
        return self._read(data, key, path, to_decimal, "must be a number", required)

    def integer(
        self, data: dict[str, Any], key: str, path: str, *, required: bool = False
    ) -> int | None:
        """Return a whole number."""

        def read(value: object) -> int | None:
            number = to_decimal(value)
            return int(number) if number is not None and number % 1 == 0 else None

        return self._read(data, key, path, read, "must be a whole number", required)

    def seconds(self, data: dict[str, Any], key: str, path: str) -> timedelta | None:
        """Return a duration given in whole seconds."""
        seconds = self.integer(data, key, path)
        if seconds is None:
            return None
        if abs(seconds) > 10**9:
            self.problem(f"{path}.{key}", "must be a number of seconds, at most 10^9")
            return None
        return timedelta(seconds=seconds)

    def choice[E: StrEnum](
        self,
        data: dict[str, Any],
        key: str,
        path: str,
        kind: type[E],
        *,
        required: bool = False,
    ) -> E | None:
        """Return a member of an enumeration."""
        return self._read(
            data,
            key,
            path,
            lambda value: _member(kind, value),
            f"must be one of {', '.join(kind)}",
            required,
        )

    def choices[E: StrEnum](
        self, data: dict[str, Any], key: str, path: str, kind: type[E]
    ) -> frozenset[E]:
        """Return the members of an enumeration that an array lists."""
        found = set()
        for where, value in self.items(data, key, path, required=False):
            member = _member(kind, value)
            if member is None:
                self.problem(where, f"must be one of {', '.join(kind)}, not {value!r}")
            else:
                found.add(member)
        return frozenset(found)

    def clock(self, data: dict[str, Any], key: str, path: str) -> time | None:
        """Return a time of day, HH:MM."""

        def read(value: object) -> time | None:
            if not isinstance(value, str) or not _TIME.fullmatch(value):
                return None
            return time.fromisoformat(value)

        return self._read(
            data, key, path, read, "must be a time of day from 00:00 to 23:59", False
        )

    def day(self, data: dict[str, Any], key: str, path: str) -> date | None:
        """Return a date, YYYY-MM-DD."""

        def read(value: object) -> date | None:
            if not isinstance(value, str) or not _DATE.fullmatch(value):
                return None
            try:
                return date.fromisoformat(value)
            except ValueError:
                return None

        return self._read(
            data, key, path, read, "must be a date such as 2026-12-24", False
        )

    def instant(
        self, data: dict[str, Any], key: str, path: str, *, required: bool = False
    ) -> datetime | None:
        """Return an aware UTC time; OCPI's times are UTC when no offset is given."""

        def read(value: object) -> datetime | None:
            if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
                return None
            try:
                at = datetime.fromisoformat(value)
                return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
            except ValueError, OverflowError:
                return None

        return self._read(
            data,
            key,
            path,
            read,
            "must be a date and time such as 2026-06-29T20:39:09Z",
            required,
        )

    def known(self, data: dict[str, Any], path: str, names: frozenset[str]) -> None:
        """Refuse fields that would be ignored although they may change a price."""
        for key in data:
            if key not in names:
                self.problem(f"{path}.{key}", "is not known")

    def _read[T](
        self,
        data: dict[str, Any],
        key: str,
        path: str,
        read: Callable[[object], T | None],
        rule: str,
        required: bool,
    ) -> T | None:
        value = data.get(key)
        if value is None:
            if required:
                self.problem(f"{path}.{key}", "is missing")
            return None
        result = read(value)
        if result is None:
            self.problem(f"{path}.{key}", f"{rule}, not {_shown(value)}")
        return result


def to_decimal(value: object) -> Decimal | None:
    """Return a finite number of sane size exactly as written, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    _, digits, exponent = number.as_tuple()
    if (
        not isinstance(exponent, int)
        or len(digits) > _MAX_DIGITS
        or abs(exponent) > _MAX_DIGITS
    ):
        return None
    return number


def _member[E: StrEnum](kind: type[E], value: object) -> E | None:
    return kind(value) if isinstance(value, str) and value in set(kind) else None


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a text"
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return "a number"


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
