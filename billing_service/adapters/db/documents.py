"""Tariffs, CDRs and bills as JSON documents that read back equal, decimals as text.

Issued documents are kept whole: what was printed years ago must come back as it was, whatever
the code looks like then. New fields therefore need defaults.
"""

from typing import Any

from pydantic import TypeAdapter

_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def dump(value: object) -> str:
    """Return a frozen dataclass of the domain as JSON text."""
    return _adapter(type(value)).dump_json(value).decode()


def load[T](kind: type[T], text: str) -> T:
    """Return what ``dump`` was given."""
    loaded: T = _adapter(kind).validate_json(text)
    return loaded
