"""The billing service's parser against the golden messages."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from billing_service.adapters.wire import (
    is_station_id,
    parse_backlog,
    parse_event,
    parse_frame,
)
from billing_service.adapters.wire_notes import (
    parse_info,
    parse_result,
    parse_state,
)
from billing_service.domain.errors import FrameRejected
from billing_service.domain.frame import NO_BOOT, EventType, Frame, to_ms
from billing_service.domain.period import Source
from tests.contract.golden import golden_bytes, invalid, valid
from tests.contract.mutations import BUDGET, allowed, mutated

NOW_MS = to_ms(datetime(2026, 11, 23, 9, 31, tzinfo=UTC))


def frame(payload: bytes, station: str | None = None) -> Frame:
    """Parse as if it came in on the plain topic."""
    return parse_frame(
        payload, topic_station=station, default_station="station", now_ms=NOW_MS
    )


@pytest.mark.parametrize("payload", valid("frame"))
def test_valid_frames_are_taken(payload: bytes) -> None:
    """Every valid frame is accepted, with its time to the ms."""
    assert (
        frame(payload).at_ms // 1000
        == to_ms(datetime(2026, 11, 23, 9, 30, tzinfo=UTC)) // 1000
    )


@pytest.mark.parametrize(("payload", "reason"), invalid("frame"))
def test_invalid_frames_are_rejected_for_the_reason_named(
    payload: bytes, reason: str
) -> None:
    """Every invalid frame is rejected, and for the contract's reason."""
    with pytest.raises(FrameRejected) as rejected:
        frame(payload)
    assert rejected.value.reason == reason


def test_the_smallest_frame_means_what_it_says() -> None:
    """The smallest frame becomes exact thousandths and names itself by its time."""
    payload = b'{"V":231.4,"I":13.9,"P":3215.0,"source":"solar","timestamp":"2026-11-23T09:30:00.000Z"}'
    at_ms = to_ms(datetime(2026, 11, 23, 9, 30, tzinfo=UTC))
    assert frame(payload) == Frame(
        "station", NO_BOOT, at_ms, at_ms, 231_400, 13_900, 3_215_000, Source.SOLAR
    )


def test_a_frame_may_not_speak_for_another_station() -> None:
    """A frame whose station differs from its topic's is rejected."""
    payload = golden_bytes("frame", "full")
    assert frame(payload, "garage").station_id == "garage"
    with pytest.raises(FrameRejected) as rejected:
        frame(payload, "carport")
    assert rejected.value.reason == "wrong_station"


def test_a_clock_that_runs_ahead_is_not_believed() -> None:
    """A timestamp more than five minutes ahead of the receiver is rejected."""
    payload = golden_bytes("frame", "full")
    early = NOW_MS - 6 * 60_000 - 1000
    with pytest.raises(FrameRejected) as rejected:
        parse_frame(payload, topic_station="garage", default_station="x", now_ms=early)
    assert rejected.value.reason == "bad_timestamp"


@pytest.mark.parametrize("payload", valid("backlog"))
def test_valid_backlogs_are_taken_whole(payload: bytes) -> None:
    """Every frame of a sound backlog is accepted."""
    frames = list(parse_backlog(payload, topic_station="garage", now_ms=NOW_MS))
    assert frames
    assert all(isinstance(each, Frame) for each in frames)


@pytest.mark.parametrize(("payload", "reason"), invalid("backlog"))
def test_invalid_backlogs_are_rejected(payload: bytes, reason: str) -> None:
    """A backlog that cannot be read as a whole is rejected with the reason."""
    with pytest.raises(FrameRejected) as rejected:
        list(parse_backlog(payload, topic_station="garage", now_ms=NOW_MS))
    assert rejected.value.reason == reason


def test_a_bad_frame_does_not_take_its_neighbours_with_it() -> None:
    """In a backlog each frame is judged by itself."""
    good = golden_bytes("frame", "full").decode()
    payload = f'[{good},{{"V":1}},{good.replace("1841", "1842")}]'.encode()
    first, second, third = parse_backlog(payload, topic_station="garage", now_ms=NOW_MS)
    assert isinstance(first, Frame)
    assert isinstance(second, FrameRejected)
    assert isinstance(third, Frame)


@pytest.mark.parametrize("payload", valid("event"))
def test_valid_events_are_taken(payload: bytes) -> None:
    """Session events are understood, all others are ignored without complaint."""
    event = parse_event(payload, topic_station="garage", now_ms=NOW_MS)
    names_a_session = any(f'"{kind}"'.encode() in payload for kind in EventType)
    assert (event is not None) == names_a_session


@pytest.mark.parametrize(("payload", "reason"), invalid("event"))
def test_invalid_events_are_rejected(payload: bytes, reason: str) -> None:
    """Every invalid event is rejected for the contract's reason."""
    with pytest.raises(FrameRejected) as rejected:
        parse_event(payload, topic_station="garage", now_ms=NOW_MS)
    assert rejected.value.reason == reason


def parse_note(kind: str, payload: bytes) -> dict[str, Any]:
    """Parse what a station says of itself or answers."""
    match kind:
        case "info":
            return parse_info(payload, topic_station="garage")
        case "state":
            return parse_state(payload)
        case _:
            return parse_result(payload)


NOTES = ("info", "state", "result")


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        pytest.param(kind, *case.values, id=f"{kind}-{case.id}")
        for kind in NOTES
        for case in valid(kind)
    ],
)
def test_valid_notes_are_kept_as_they_come(kind: str, payload: bytes) -> None:
    """Info, state and result lose nothing, not even fields that the contract does not know."""
    assert parse_note(kind, payload) == json.loads(payload)


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        pytest.param(kind, *case.values, id=f"{kind}-{case.id}")
        for kind in NOTES
        for case in invalid(kind)
    ],
)
def test_invalid_notes_are_rejected_for_the_reason_named(
    kind: str, payload: bytes, reason: str
) -> None:
    """An info, state or result that breaks the contract replaces nothing that was sound."""
    with pytest.raises(FrameRejected) as rejected:
        parse_note(kind, payload)
    assert rejected.value.reason == reason


def taken(kind: str, message: dict[str, Any]) -> bool:
    """Return whether the service takes a message that speaks of its own topic's station."""
    payload = json.dumps(message).encode()
    station = message.get("station")
    try:
        match kind:
            case "frame":
                frame(payload)
            case "event":
                parse_event(payload, topic_station="garage", now_ms=NOW_MS)
            case "info" if isinstance(station, str):
                parse_info(payload, topic_station=station)
            case _:
                parse_note(kind, payload)
    except FrameRejected:
        return False
    return True


@pytest.mark.parametrize("kind", ["frame", "event", *NOTES])
def test_service_and_schema_judge_alike(kind: str) -> None:
    """Whatever is changed in a sound message, the service takes it exactly if the schema does."""

    @BUDGET
    @given(mutated(kind))
    def judge(message: dict[str, Any]) -> None:
        assert taken(kind, message) == allowed(kind, message)

    judge()


@pytest.mark.parametrize("name", ["token", "session", "fault"])
def test_half_a_character_is_no_text(name: str) -> None:
    """JSON can spell it; no database takes it, and it would hold up all behind it."""
    event = json.loads(golden_bytes("event", "session_started")) | {name: "\ud800"}
    with pytest.raises(FrameRejected) as rejected:
        parse_event(json.dumps(event).encode(), topic_station="garage", now_ms=NOW_MS)
    assert rejected.value.reason == "bad_value"


def test_an_info_may_not_speak_for_another_station() -> None:
    """An info whose station differs from its topic's is rejected."""
    with pytest.raises(FrameRejected) as rejected:
        parse_info(golden_bytes("info", "full"), topic_station="carport")
    assert rejected.value.reason == "wrong_station"


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("garage", True), ("a" * 32, True), ("a" * 33, False), ("Garage", False), ("", False),
     ("a/b", False), ("garäge", False), ("#", False)],
)  # fmt: skip
def test_station_ids(text: str, *, allowed: bool) -> None:
    """Only what the contract allows can name a station."""
    assert is_station_id(text) is allowed
