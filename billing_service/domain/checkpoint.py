"""A fold of frames as plain values, to be gone on with later.

What ``SessionMeter`` and its parts hold is taken down field by field, by their own annotations:
a field that is added is taken down too. What they were given to work with is given again.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from billing_service.domain.metering import MeteringRules, SessionMeter

type Plain = list[Plain] | str | int | bool | None
"""What JSON can say without objects and fractions."""

_GIVEN = ("rules", "next_boundary")
"""Fields that are not taken down: they belong to whoever goes on."""


def take_down(meter: SessionMeter) -> Plain:
    """Return all that has been folded so far; later frames do not change it."""
    return _plain(meter)


def go_on(rules: MeteringRules, state: Plain) -> SessionMeter:
    """Return the fold that was taken down.

    The rules have to be those it was made by, and the code too: see ``Checkpoints``.
    """
    given = {"rules": rules, "next_boundary": rules.next_boundary}
    meter: SessionMeter = _made(SessionMeter, state, given)
    return meter


def _plain(value: Any) -> Plain:
    if is_dataclass(value) and not isinstance(value, type):
        return [_plain(getattr(value, name)) for name, _ in _taken(type(value))]
    if isinstance(value, Enum):
        plain: Plain = value.value
        return plain
    if isinstance(value, dict):
        return [[_plain(key), _plain(each)] for key, each in value.items()]
    if isinstance(value, set | frozenset):
        return sorted((_plain(each) for each in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{type(value).__name__} cannot be taken down")


def _made(kind: Any, plain: Any, given: dict[str, Any]) -> Any:
    return _maker(kind)(plain, given)


@cache
def _taken(kind: type) -> tuple[tuple[str, Any], ...]:
    """Return the fields that are taken down, and their kinds."""
    hints = get_type_hints(kind)
    return tuple(
        (field.name, hints[field.name])
        for field in fields(kind)
        if field.name not in _GIVEN
    )


@cache
def _maker(kind: Any) -> Callable[[Any, dict[str, Any]], Any]:
    """Return what makes values of an annotated kind."""
    if parts := get_args(kind):
        return _maker_of_parts(get_origin(kind), parts)
    if is_dataclass(kind):
        return lambda plain, given: _dataclass(kind, plain, given)
    if hasattr(kind, "_fields"):
        hints = tuple(get_type_hints(kind).values())
        return lambda plain, given: kind(*_each(hints, plain, given))
    if issubclass(kind, Enum):
        return lambda plain, _given: kind(plain)
    return lambda plain, _given: plain


def _maker_of_parts(
    origin: Any, parts: tuple[Any, ...]
) -> Callable[[Any, dict[str, Any]], Any]:
    if origin in (UnionType, Union):
        (some,) = (each for each in parts if each is not NoneType)
        return lambda plain, given: None if plain is None else _made(some, plain, given)
    if origin is dict:
        key, part = parts
        return lambda plain, given: {
            _made(key, name, given): _made(part, each, given) for name, each in plain
        }
    if origin is tuple:
        return lambda plain, given: tuple(_each(parts, plain, given))
    (part,) = parts
    return lambda plain, given: origin(_made(part, each, given) for each in plain)


def _each(
    kinds: tuple[Any, ...], plain: list[Any], given: dict[str, Any]
) -> Iterator[Any]:
    for kind, value in zip(kinds, plain, strict=True):
        yield _made(kind, value, given)


@cache
def _makers(kind: type) -> tuple[tuple[str, Callable[[Any, dict[str, Any]], Any]], ...]:
    return tuple((name, _maker(of)) for name, of in _taken(kind))


@cache
def _given(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name in _GIVEN)


def _dataclass(kind: Any, plain: list[Any], given: dict[str, Any]) -> Any:
    made = kind.__new__(kind)
    # Past __init__: a frozen one is filled too, and none of them works out anything there.
    for name in _given(kind):
        object.__setattr__(made, name, given[name])
    for (name, make), value in zip(_makers(kind), plain, strict=True):
        object.__setattr__(made, name, make(value, given))
    return made
