"""The JSON Schemas say the same as the golden messages."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.contract.golden import invalid, valid

SCHEMAS = Path(__file__).parents[2] / "docs" / "protocol" / "schemas"
KINDS = ("frame", "backlog", "state", "info", "event", "command", "result")
BEYOND_A_SCHEMA = (
    "bad_timestamp--epoch",
    "bad_timestamp--no-such-day",
    "too_large--padded",
)


def validator(kind: str) -> Draft202012Validator:
    """Return the validator of one kind of message, its references resolved locally."""
    registry: Registry[Any] = Registry().with_resources(
        [
            (path.name, Resource.from_contents(json.loads(path.read_text())))
            for path in SCHEMAS.glob("*.schema.json")
        ]
    )
    schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text())
    return Draft202012Validator(schema, registry=registry)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_a_schema(kind: str) -> None:
    """Each schema is itself valid."""
    Draft202012Validator.check_schema(
        json.loads((SCHEMAS / f"{kind}.schema.json").read_text())
    )


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        pytest.param(kind, *case.values, id=f"{kind}-{case.id}")
        for kind in KINDS
        for case in valid(kind)
    ],
)
def test_valid_messages_pass(kind: str, payload: bytes) -> None:
    """What every receiver must accept is valid by the schema."""
    validator(kind).validate(json.loads(payload))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        pytest.param(kind, case.values[0], id=f"{kind}-{case.id}")
        for kind in KINDS
        for case in invalid(kind)
        if not str(case.id).startswith(
            ("not_json", "malformed--torn", *BEYOND_A_SCHEMA)
        )
    ],
)
def test_invalid_messages_fail(kind: str, payload: bytes) -> None:
    """What every receiver must refuse breaks the schema, as far as a schema can say it."""
    message = json.loads(payload, parse_constant=str)
    assert list(validator(kind).iter_errors(message))
