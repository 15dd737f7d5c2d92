"""The Home Assistant integration reads and writes what the contract says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from custom_components.solarrally.coordinator import encode_command
from custom_components.solarrally.messages import (
    parse_event,
    parse_frame,
    parse_info,
    parse_result,
    parse_state,
)
from custom_components.solarrally.wire import Reason, RejectedMessageError
from tests.contract import golden
from tests.contract.mutations import BUDGET, allowed, mutated

SCHEMAS = Path(__file__).parents[2] / "docs" / "protocol" / "schemas"

# A moment just after the golden messages were taken.
NOW = datetime(2026, 11, 23, 9, 30, 1, tzinfo=UTC)

# The integration hears neither commands, which it only sends, nor the backlog,
# which is for who keeps the history.
PARSERS: dict[str, Callable[[bytes], object]] = {
    "frame": lambda payload: parse_frame(payload, now=NOW),
    "state": parse_state,
    "info": parse_info,
    "event": lambda payload: parse_event(payload, now=NOW),
    "result": parse_result,
}


def _each_kind(messages: Callable[[str], list[Any]]) -> list[Any]:
    return [
        pytest.param(kind, *it.values, id=f"{kind}-{it.id}")
        for kind in PARSERS
        for it in messages(kind)
    ]


@pytest.mark.parametrize(("kind", "payload"), _each_kind(golden.valid))
def test_valid_message_is_accepted(kind: str, payload: bytes) -> None:
    """Every valid golden message is read."""
    PARSERS[kind](payload)


@pytest.mark.parametrize(("kind", "payload", "reason"), _each_kind(golden.invalid))
def test_invalid_message_is_refused_with_the_reason(
    kind: str, payload: bytes, reason: str
) -> None:
    """Every invalid golden message is refused for the reason its name says."""
    with pytest.raises(RejectedMessageError) as refused:
        PARSERS[kind](payload)
    assert refused.value.reason == reason


@pytest.mark.parametrize("kind", PARSERS)
def test_integration_and_schema_judge_alike(kind: str) -> None:
    """Whatever is changed in a sound message, it is read exactly if the schema allows it."""

    @BUDGET
    @given(mutated(kind))
    def judge(message: dict[str, Any]) -> None:
        try:
            PARSERS[kind](json.dumps(message).encode())
        except RejectedMessageError:
            assert not allowed(kind, message)
        else:
            assert allowed(kind, message)

    judge()


def test_frame_keeps_every_field() -> None:
    """The full frame arrives with all its values."""
    frame = parse_frame((golden.GOLDEN / "frame/valid/full.json").read_bytes(), now=NOW)
    assert frame.timestamp == datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    assert (frame.voltage_v, frame.current_a, frame.power_w) == (231.4, 13.9, 3215.0)
    assert (frame.energy_wh, frame.source, frame.pilot) == (184223, "solar", "C")
    assert (frame.station, frame.boot, frame.seq) == ("garage", 12, 1841)
    assert (frame.says_session, frame.session, frame.clock) == (True, "12-3", "synced")
    assert frame.solar is not None
    assert frame.grid is not None
    assert (frame.solar.power_w, frame.solar.energy_wh) == (3215.0, 120411)
    assert (frame.grid.voltage_v, frame.grid.energy_wh) == (229.8, 63812)


def test_offset_is_turned_into_utc() -> None:
    """A timestamp with an offset is the same moment in UTC."""
    payload = (golden.GOLDEN / "frame/valid/offset-timestamp.json").read_bytes()
    assert parse_frame(payload, now=NOW).timestamp == NOW.replace(second=0)


@pytest.mark.parametrize(
    ("station", "reason"), [("garage", None), ("carport", Reason.WRONG_STATION)]
)
def test_frame_must_agree_with_its_topic(station: str, reason: Reason | None) -> None:
    """A frame that names another station than its topic is refused."""
    payload = (golden.GOLDEN / "frame/valid/full.json").read_bytes()
    if reason is None:
        parse_frame(payload, now=NOW, topic_station=station)
    else:
        with pytest.raises(RejectedMessageError) as refused:
            parse_frame(payload, now=NOW, topic_station=station)
        assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("timestamp", "accepted"),
    [("2026-11-23T09:35:01Z", True), ("2026-11-23T09:35:01.001Z", False)],
)
def test_frame_from_the_future_is_refused(timestamp: str, accepted: bool) -> None:
    """Five minutes ahead of the receiver's clock is allowed, more is not."""
    payload = json.dumps(
        {"V": 231.4, "I": 13.9, "P": 3215.0, "source": "solar", "timestamp": timestamp}
    ).encode()
    if accepted:
        parse_frame(payload, now=NOW)
    else:
        with pytest.raises(RejectedMessageError) as refused:
            parse_frame(payload, now=NOW)
        assert refused.value.reason is Reason.BAD_TIMESTAMP


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"V":"x","I":1e3,"P":0,"timestamp":"now"}', Reason.WRONG_TYPE),
        (b'{"V":1,"I":1e3,"P":0,"timestamp":"now"}', Reason.MISSING_FIELD),
        (b'{"V":1,"I":1e3,"P":0,"source":"x","timestamp":"now"}', Reason.OUT_OF_RANGE),
        (b'{"V":1,"I":1,"P":0,"source":"x","timestamp":"now"}', Reason.BAD_VALUE),
        (
            b'{"V":1,"I":1,"P":99,"source":"none","timestamp":"now"}',
            Reason.BAD_TIMESTAMP,
        ),
    ],
)
def test_first_reason_of_the_contract_is_given(payload: bytes, reason: Reason) -> None:
    """Of several things that are wrong, the first of the contract's order is told."""
    with pytest.raises(RejectedMessageError) as refused:
        parse_frame(payload, now=NOW)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xef\xbb\xbf{}", Reason.NOT_JSON),
        (b"[" * 60_000, Reason.NOT_JSON),
        (b'{"V":' + b"9" * 6000 + b"}", Reason.MISSING_FIELD),
        (b'{"V":1}' + b" " * 65536, Reason.TOO_LARGE),
    ],
    ids=["byte-order mark", "deeply nested", "endless number", "too large"],
)
def test_hostile_payload_is_refused(payload: bytes, reason: Reason) -> None:
    """What would break a careless parser is refused like anything else."""
    with pytest.raises(RejectedMessageError) as refused:
        parse_frame(payload, now=NOW)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("kind", "name", "changed", "reason"),
    [
        ("frame", "full", {"seq": 1.0}, None),
        ("frame", "full", {"seq": float("inf")}, Reason.OUT_OF_RANGE),
        ("frame", "full", {"seq": True}, Reason.WRONG_TYPE),
        ("frame", "full", {"source": 1}, Reason.WRONG_TYPE),
        ("state", "charging", {"backlog": -1}, Reason.OUT_OF_RANGE),
        ("state", "charging", {"faults": ["hot", "hot"]}, Reason.BAD_VALUE),
        ("state", "charging", {"faults": [7]}, Reason.WRONG_TYPE),
        ("info", "full", {"phases": 2}, Reason.BAD_VALUE),
        ("info", "full", {"phases": True}, Reason.WRONG_TYPE),
        ("info", "full", {"max_current_a": 0}, Reason.OUT_OF_RANGE),
        ("info", "full", {"min_current_a": 33}, Reason.CONTRADICTION),
        ("info", "full", {"name": "half \ud800"}, Reason.BAD_VALUE),
        ("result", "refused", {"message": "half \udfff"}, Reason.BAD_VALUE),
    ],
)
def test_single_field(
    kind: str, name: str, changed: dict[str, Any], reason: Reason | None
) -> None:
    """One field of a good message is changed, and judged."""
    good = json.loads((golden.GOLDEN / f"{kind}/valid/{name}.json").read_text())
    payload = json.dumps(good | changed).replace("Infinity", "1e999").encode()
    if reason is None:
        PARSERS[kind](payload)
    else:
        with pytest.raises(RejectedMessageError) as refused:
            PARSERS[kind](payload)
        assert refused.value.reason is reason


def test_info_must_agree_with_its_topic() -> None:
    """An info that names another station than its topic is refused."""
    payload = (golden.GOLDEN / "info/valid/full.json").read_bytes()
    with pytest.raises(RejectedMessageError) as refused:
        parse_info(payload, topic_station="carport")
    assert refused.value.reason is Reason.WRONG_STATION


@pytest.mark.parametrize(
    ("command", "value"),
    [
        ("set_mode", "solar"),
        ("set_current_limit", 10),
        ("set_current_limit", 10.5),
        ("start", None),
        ("stop", None),
        ("reboot", None),
        ("reset_faults", None),
    ],
)
def test_command_fits_the_schema(command: str, value: str | float | None) -> None:
    """Every command that the integration sends is one of the contract."""
    schema = json.loads((SCHEMAS / "command.schema.json").read_text())
    text = encode_command("8f14e45f", command, value, NOW)
    assert len(text.encode()) <= 4096
    sent = json.loads(text)
    jsonschema.validate(sent, schema, format_checker=jsonschema.FormatChecker())
    assert (sent["id"], sent["command"], sent.get("value")) == (
        "8f14e45f",
        command,
        value,
    )
    assert sent["timestamp"] == "2026-11-23T09:30:01.000Z"
