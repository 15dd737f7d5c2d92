"""The JSON Schemas say the same as the golden messages."""

import json

import pytest
from jsonschema import Draft202012Validator

from tests.contract.golden import invalid, valid
from tests.contract.schemas import SCHEMAS, validator

KINDS = ("frame", "backlog", "state", "info", "event", "command", "result")
BEYOND_A_SCHEMA = (
    "bad_timestamp--epoch",
    "contradiction--limits",
    "too_large--padded",
    "too_large--65-values",
)


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
