"""The JSON Schemas as validators that read them strictly."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parents[2] / "docs" / "protocol" / "schemas"

_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_real_time(value: object) -> bool:
    if isinstance(value, str):
        datetime.fromisoformat(value.upper()).astimezone(UTC)
    return True


def _pattern(
    _: Draft202012Validator, pattern: str, value: Any, __: Any
) -> Iterator[ValidationError]:
    """Match as ECMA-262 does: ``$`` is the very end, not also before a last line feed."""
    if isinstance(value, str) and not re.search(pattern.replace("$", r"\Z"), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_Strict: type[Draft202012Validator] = extend(  # type: ignore[no-untyped-call]  # as jsonschema has it
    Draft202012Validator, {"pattern": _pattern}
)


@cache
def validator(kind: str) -> Draft202012Validator:
    """Return the validator of one kind of message, its references resolved locally."""
    registry: Registry[Any] = Registry().with_resources(
        [
            (path.name, Resource.from_contents(json.loads(path.read_text())))
            for path in SCHEMAS.glob("*.schema.json")
        ]
    )
    schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text())
    return _Strict(schema, registry=registry, format_checker=_FORMATS)
