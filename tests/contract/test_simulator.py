"""The simulator against the golden messages and the schemas."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from simulator.controller import Mode, Pilot, Source
from simulator.outputs import Happening, MeterReading, Reading, Session, Snapshot
from simulator.physics.clouds import Scenario
from simulator.protocol import messages
from simulator.protocol.commands import REMEMBERED_IDS, CommandDesk
from simulator.protocol.topics import Topics, check_prefix, check_station
from simulator.station import Station
from simulator.timestamps import parse_rfc3339, rfc3339
from tests.contract.golden import invalid, valid
from tests.contract.schemas import validator
from tests.simulator.world import run_s, run_to_end, station

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)


def golden(kind: str, name: str) -> bytes:
    """Return one golden message."""
    payload = next(case.values[0] for case in valid(kind) if case.id == name)
    assert isinstance(payload, bytes)
    return payload


def charging() -> Station:
    """A station that charges from the grid, and will for an hour."""
    subject = station(mode=Mode.GRID, start=AT)
    run_s(subject, 30)
    return subject


def answer(
    subject: Station, payload: bytes, *, retained: bool = False
) -> dict[str, Any] | None:
    """Hand one command to a fresh desk; the result, checked against its schema."""
    text = CommandDesk(subject).handle(payload, retained=retained)
    return None if text is None else checked("result", text)


def checked(kind: str, text: str) -> dict[str, Any]:
    """Parse what the simulator says after its schema has judged it."""
    message: dict[str, Any] = json.loads(text)
    validator(kind).validate(message)
    return message


READING = Reading(
    at_ms=AT_MS,
    boot=12,
    seq=1841,
    source=Source.SOLAR,
    solar=MeterReading(231.4, 13.9, 3215.0, 120_411),
    grid=MeterReading(229.8, 0.0, 0.0, 63_812),
    pilot=Pilot.C,
    session="12-3",
)


def test_a_full_frame_is_the_golden_one() -> None:
    """The golden frame's reading is encoded byte for byte as the golden frame."""
    assert messages.frame("garage", READING).encode() == golden("frame", "full").strip()


def test_a_smallest_frame_is_the_golden_one() -> None:
    """The plain form of the same reading is the golden smallest frame."""
    assert (
        messages.smallest_frame(READING).encode() == golden("frame", "smallest").strip()
    )


def test_the_state_is_the_golden_one() -> None:
    """The golden state, but for the card slot that the simulator does not have."""
    session = Session(
        "12-3", parse_rfc3339("2026-11-23T07:02:11.000Z"), 117_400, 62_712
    )
    snapshot = Snapshot(
        AT_MS, 12, Mode.AUTO, Source.SOLAR, Pilot.C, True, True, 16.0, (), session
    )  # fmt: skip
    expected = json.loads(golden("state", "charging"))
    del expected["sd"]
    assert checked("state", messages.state(snapshot, 0)) == expected


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("plugged", {"session": "12-3"}),
        ("unplugged", {"session": "12-3"}),
        ("rebooted", {"boot": 13, "reset_reason": "brownout"}),
        ("source_changed", {"from": "solar", "to": "grid", "reason": "pv_drop"}),
        ("fault_raised", {"fault": "solar_contactor_welded"}),
    ],
)
def test_events_are_the_golden_ones(name: str, fields: dict[str, str | int]) -> None:
    """Each event the simulator knows is encoded as its golden message."""
    text = messages.event(Happening(AT_MS, name, fields))
    assert json.loads(text) == json.loads(golden("event", name))


@pytest.mark.parametrize("scenario", list(Scenario))
def test_everything_it_says_keeps_to_the_schemas(scenario: Scenario) -> None:
    """Each frame, state, info, event and backlog of a whole session is valid."""
    subject = station(
        scenario=scenario, session_length_s=1200, duration_s=1300, fault_after_s=1100
    )
    checks = {
        kind: validator(kind) for kind in ("frame", "state", "event", "info", "backlog")
    }
    checks["info"].validate(json.loads(messages.info(subject)))
    frames = []
    said = set()
    for output in run_to_end(subject):
        match output:
            case Reading():
                frames.append(messages.frame("garage", output))
                checks["frame"].validate(json.loads(frames[-1]))
                checks["frame"].validate(json.loads(messages.smallest_frame(output)))
            case Happening():
                said.add(output.type)
                checks["event"].validate(json.loads(messages.event(output)))
            case Snapshot():
                checks["state"].validate(
                    json.loads(messages.state(output, len(frames)))
                )
    checks["backlog"].validate(json.loads(messages.backlog(frames[:100])))
    assert len(messages.backlog(frames[:100])) < 256 * 1024
    assert said >= {
        "plugged",
        "session_started",
        "session_ended",
        "unplugged",
        "fault_raised",
    }


@pytest.mark.parametrize("scenario", list(Scenario))
def test_the_sums_hold_as_published(scenario: Scenario) -> None:
    """In each frame P and E are the exact sums of the two meters."""
    subject = station(
        scenario=scenario,
        session_length_s=1800,
        duration_s=1900,
        solar_register_wh=99.9,
        grid_register_wh=0.9,
    )
    frames = [
        json.loads(messages.frame("garage", output))
        for output in run_to_end(subject)
        if isinstance(output, Reading)
    ]
    assert len(frames) > 1500
    for frame in frames:
        assert frame["P"] == frame["solar"]["P"] + frame["grid"]["P"]
        assert frame["E"] == frame["solar"]["E"] + frame["grid"]["E"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("set_mode", None),
        ("set_current_limit", None),
        ("start", None),
        ("start--largest", None),
        ("stop", None),
        ("reset_faults", None),
        ("reboot", "busy"),
        ("update_firmware", "not_supported"),
    ],
)
def test_golden_commands_are_understood(name: str, error: str | None) -> None:
    """Each valid command is obeyed by a charging station, or refused for what it is."""
    result = answer(charging(), golden("command", name))
    assert result is not None
    assert (result["ok"], result.get("error")) == (error is None, error)


def test_every_golden_command_is_tried() -> None:
    """No golden command is left out above."""
    names = {case.id for case in valid("command")}
    assert names == {
        "reboot", "reset_faults", "set_current_limit", "set_mode", "start",
        "start--largest", "stop", "update_firmware",
    }  # fmt: skip


@pytest.mark.parametrize(("payload", "reason"), invalid("command"))
def test_invalid_commands_are_refused_for_the_reason_named(
    payload: bytes, reason: str
) -> None:
    """With a readable id the result says why; what is too large is not read, so nobody is answered; nothing changes."""
    subject = charging()
    before = subject.snapshot()
    result = answer(subject, payload)
    if reason != "too_large" and _readable_id(payload):
        assert result is not None
        assert (result["ok"], result["error"]) == (False, reason)
    else:
        assert result is None
    assert subject.snapshot() == before


def _readable_id(payload: bytes) -> bool:
    try:
        message = json.loads(payload)
    except ValueError:
        return False
    return isinstance(message, dict) and isinstance(message.get("id"), str)


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b'{"id":"1","command":"set_mode","value":5}', "malformed"),
        (b'{"id":"1","command":"set_current_limit","value":true}', "malformed"),
        (b'{"id":"1","command":"set_current_limit","value":5.9}', "out_of_range"),
        (b'{"id":"1","command":"set_current_limit","value":1e999}', "out_of_range"),
        (
            b'{"id":"1","command":"set_current_limit","value":1' + b"0" * 400 + b"}",
            "out_of_range",
        ),
        (b'{"id":"1","command":"start","value":1}', "malformed"),
        (b'{"id":"1","command":["start"]}', "malformed"),
        (b'{"id":"1"}', "malformed"),
        (b'{"id":"1","command":"start","timestamp":"yesterday"}', "malformed"),
        (
            b'{"id":"1","command":"start","timestamp":"2026-11-23T09:30:00"}',
            "malformed",
        ),
        (
            b'{"id":"1","command":"start","timestamp":"0001-01-01T00:00:00+23:59"}',
            "stale",
        ),
        (b'{"id":"1","command":"start","timestamp":"2026-11-23T09:29:00Z"}', "stale"),
        (
            b'{"id":"1","command":"stop","timestamp":"2026-11-23T10:29:29+01:00"}',
            "stale",
        ),
        (b'{"id":"1","command":""}', "unknown_command"),
        (b'{"id":"1","command":"START"}', "unknown_command"),
    ],
)
def test_bad_commands_are_refused(payload: bytes, error: str) -> None:
    """Refusals beyond the golden ones."""
    result = answer(charging(), payload)
    assert result is not None
    assert result["error"] == error
    assert result["message"]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b'{"id":"","command":"start"}',
        b'{"id":"a b","command":"start"}',
        b'{"id":"' + b"x" * 37 + b'","command":"start"}',
        b'{"id":"1","command":"start","value":NaN}',
        b"[" * 60_000,
        b'{"id":"1","command":"start","pad":"' + b"x" * 4096 + b'"}',
        b'{"id":"1","command":"start","pad":' + b"[" * 64 + b"]" * 64 + b"}",
    ],
    ids=[
        "empty",
        "binary",
        "null",
        "no id",
        "space",
        "long id",
        "nan",
        "deep",
        "large",
        "many values",
    ],
)
def test_what_has_no_readable_id_is_ignored_and_counted(
    payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """There is nobody to answer; it is logged, counted and does no harm."""
    subject = charging()
    desk = CommandDesk(subject)
    before = subject.snapshot()
    with caplog.at_level(logging.WARNING):
        assert desk.handle(payload, retained=False) is None
    assert desk.ignored == 1
    assert "ignored" in caplog.text
    assert subject.snapshot() == before


def test_an_id_is_obeyed_once() -> None:
    """The second command with the same id is a duplicate, also when the first was refused."""
    desk = CommandDesk(charging())
    for first, second in [
        (b'{"id":"1","command":"stop"}', b'{"id":"1","command":"start"}'),
        (b'{"id":"2","command":"fly"}', b'{"id":"2","command":"start"}'),
    ]:
        desk.handle(first, retained=False)
        again = desk.handle(second, retained=False)
        assert again is not None
        assert checked("result", again)["error"] == "duplicate"


def test_ids_are_not_remembered_for_ever() -> None:
    """The memory for ids is bounded."""
    desk = CommandDesk(charging())
    for number in range(REMEMBERED_IDS + 1):
        desk.handle(b'{"id":"%d","command":"reset_faults"}' % number, retained=False)
    again = desk.handle(b'{"id":"0","command":"reset_faults"}', retained=False)
    assert again is not None
    assert checked("result", again)["ok"]


def test_a_retained_command_is_refused_once() -> None:
    """It is stale, and the next connection, which brings it again, does not answer again."""
    subject = charging()
    desk = CommandDesk(subject)
    payload = b'{"id":"1","command":"stop"}'
    first = desk.handle(payload, retained=True)
    assert first is not None
    assert checked("result", first)["error"] == "stale"
    assert desk.handle(payload, retained=True) is None
    assert subject.snapshot().enabled


@pytest.mark.parametrize("name", ["start", "stop"])
def test_start_and_stop_need_a_vehicle(name: str) -> None:
    """Without a vehicle both are refused as such."""
    subject = station(plug_in_after_s=1000)
    run_s(subject, 10)
    result = answer(subject, b'{"id":"1","command":"%s"}' % name.encode())
    assert result is not None
    assert result["error"] == "no_vehicle"


def test_start_under_a_fault_is_refused() -> None:
    """A latched fault forbids charging until it is reset."""
    subject = station(mode=Mode.GRID, fault_after_s=20)
    run_s(subject, 60)
    result = answer(subject, b'{"id":"1","command":"start"}')
    assert result is not None
    assert result["error"] == "fault_active"


def test_a_command_from_a_clock_ahead_is_obeyed() -> None:
    """A simulated clock may lag behind the sender's: only age makes stale."""
    result = answer(
        charging(), b'{"id":"1","command":"stop","timestamp":"2026-11-24T09:30:00Z"}'
    )
    assert result is not None
    assert result["ok"]


@pytest.mark.parametrize("prefix", ["ev", "home/garage/ev", "A-1_b"])
def test_prefixes_of_the_contract(prefix: str) -> None:
    """One or several levels."""
    assert check_prefix(prefix) == prefix
    assert Topics(prefix, "garage").of("state") == f"{prefix}/garage/state"


@pytest.mark.parametrize(
    "prefix", ["", "/ev", "ev/", "a//b", "ev/#", "ev/+", "é", "a b", "ev\n"]
)
def test_other_prefixes_are_refused(prefix: str) -> None:
    """Nothing that is no topic level of the contract."""
    with pytest.raises(ValueError, match="prefix"):
        check_prefix(prefix)


@pytest.mark.parametrize(
    "name", ["", "Garage", "a" * 33, "a/b", "gar age", "#", "garage\n"]
)
def test_other_station_ids_are_refused(name: str) -> None:
    """Only what the contract allows can name a station."""
    with pytest.raises(ValueError, match="station"):
        check_station(name)


def test_timestamps_are_read_as_they_are_written() -> None:
    """To the millisecond, there and back."""
    for at_ms in (AT_MS, AT_MS + 1, AT_MS + 999, AT_MS - 1):
        assert parse_rfc3339(rfc3339(at_ms)) == at_ms
