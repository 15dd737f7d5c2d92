"""Messages a little away from the golden ones, to compare how the contract's readers judge them."""

import json
from copy import deepcopy
from functools import cache
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from tests.contract.golden import valid
from tests.contract.schemas import SCHEMAS, validator

BUDGET = settings(max_examples=200, deadline=None, derandomize=True)

# Where one of the contract's rules begins or ends. Times that are no times at all stand beside
# sound ones; an unset clock, which no schema can see, has golden messages of its own.
_TELLING: list[Any] = [
    None, True, False, 0, -1, 0.5, 1, 1.0, 3, 16, 50, 50.001, 100, 100.5, 500, 501, 50_000,
    10**10, 10**10 + 1, 2**32 - 1, 2**32, 2**64, 10**400, 1e300,
    "", "x", "x" * 36, "x" * 37, "x" * 64, "x" * 65, "a-b", "A B", "é", "a\n", "garage", "12-3",
    "solar", "grid", "none", "auto", "C", "G", "synced", "ok", "failed", "idle",
    "http://x", "ftp://x", "plugged", "session_started", "session_ended", "source_changed",
    "fault_raised", "rebooted", "future_type",
    "2026-11-23T09:00:00Z", "2026-11-23t09:00:00.123456789z", "2026-11-23T09:00:00-00:00",
    "2026-11-23T09:00:00", "2026-02-30T09:00:00Z", "2026-11-23T09:00:60Z", "2026-11-22T24:00:00Z",
    "2026-11-23T09:60:00Z", "2026-11-23T09:00:00+24:00", "2026-11-23T09:00:00+05:60",
    "2026-11-23T09:00:00.1234567890Z", "2026-W48-1T09:00:00Z", "2026-11-23", "２026-11-23T09:00:00Z",
    [], ["a"], ["a", "a"], [1], ["A B"], {}, {"version": "1", "progress": 5},
    {"version": "1", "progress": 101}, {"id": "1", "started_at": "2026-11-23T09:00:00Z"},
    {"V": 230, "I": 0, "P": 0},
]  # fmt: skip

_values = st.one_of(
    st.sampled_from(_TELLING),
    st.integers(-10, 2**33),
    st.floats(-1, 1e11, allow_nan=False),
    st.text(max_size=40),
    st.lists(st.text(max_size=3), max_size=3),
)


@cache
def _golden(kind: str) -> list[bytes]:
    return [
        payload for case in valid(kind) if isinstance(payload := case.values[0], bytes)
    ]


@cache
def _known_fields(kind: str) -> set[str]:
    schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text())
    return set(schema["properties"])


@st.composite
def mutated(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Return a golden message of a kind with one to three fields changed, added or gone."""
    message: dict[str, Any] = json.loads(draw(st.sampled_from(_golden(kind))))
    known = _known_fields(kind)
    for _ in range(draw(st.integers(1, 3))):
        nested = [each for each in message.values() if isinstance(each, dict)]
        part = draw(st.sampled_from([message, *nested]))
        names = {*part, "not_known"}
        if part is message:
            names |= known
        name = draw(st.sampled_from(sorted(names)))
        if draw(st.booleans()):
            part.pop(name, None)
        else:
            part[name] = deepcopy(draw(_values))
    return message


def allowed(kind: str, message: dict[str, Any]) -> bool:
    """Return whether the schema allows a message, and so does what no schema can say."""
    if not validator(kind).is_valid(message):
        return False
    return kind != "info" or message["min_current_a"] <= message["max_current_a"]
