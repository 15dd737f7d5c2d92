"""The outbox loses nothing, keeps the order and stays bounded."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.outbox import BACKLOG_CHUNK, Kind, Message, Outbox


def frame(number: int) -> Message:
    """A frame that is nothing but its number."""
    return Message(Kind.FRAME, "telemetry", str(number))


def taken(outbox: Outbox) -> list[str]:
    """Take and acknowledge all that is live."""
    payloads = []
    while message := outbox.take():
        payloads.append(message.payload)
        outbox.acknowledge(message)
    return payloads


def test_live_messages_leave_in_order() -> None:
    """First in, first out; what is urgent goes ahead."""
    outbox = Outbox()
    outbox.connected()
    outbox.put(frame(1))
    outbox.put(frame(2))
    outbox.put(Message(Kind.NOTE, "result", "now"), first=True)
    assert taken(outbox) == ["now", "1", "2"]
    assert outbox.empty


def test_states_are_not_kept() -> None:
    """A state of the time without a broker is old news; events are kept and go live."""
    outbox = Outbox()
    outbox.put(Message(Kind.STATE, "state", "old", retain=True))
    outbox.put(Message(Kind.NOTE, "event", "plugged"))
    outbox.connected()
    assert taken(outbox) == ["plugged"]


def test_unacknowledged_frames_become_backlog_in_order() -> None:
    """In flight, waiting, and taken while away: oldest first, none twice."""
    outbox = Outbox()
    outbox.connected()
    for number in range(5):
        outbox.put(frame(number))
    first, second = outbox.take(), outbox.take()
    assert first is not None
    assert second is not None
    outbox.acknowledge(first)
    outbox.disconnected()
    outbox.put(frame(5))
    assert outbox.take_chunk() == ["1", "2", "3", "4", "5"]


def test_a_chunk_that_was_not_acknowledged_goes_again() -> None:
    """A chunk leaves the outbox only with its acknowledgement."""
    outbox = Outbox()
    for number in range(BACKLOG_CHUNK + 7):
        outbox.put(frame(number))
    outbox.connected()
    first = outbox.take_chunk()
    assert len(first) == BACKLOG_CHUNK
    outbox.disconnected()
    assert outbox.take_chunk() == first
    outbox.acknowledge_chunk()
    assert outbox.waiting_frames == 7


def test_a_full_outbox_gives_up_the_oldest_and_counts_it() -> None:
    """Memory is bounded, and the loss is known."""
    outbox = Outbox(max_frames=3)
    for number in range(5):
        outbox.put(frame(number))
    assert outbox.take_chunk() == ["2", "3", "4"]
    assert outbox.lost == 2


DEEDS = st.lists(
    st.sampled_from(
        ["put", "put", "take", "acknowledge", "chunk", "chunk acknowledged", "cut"]
    )
)


@given(DEEDS)
def test_whatever_the_connection_does_every_frame_arrives(deeds: list[str]) -> None:
    """Any mix of sending, acknowledging and losing the broker delivers each frame."""
    outbox, put, arrived = Outbox(), 0, set[str]()
    flying: list[Message] = []
    chunk: list[str] = []
    for deed in deeds:
        match deed:
            case "put":
                outbox.put(frame(put))
                put += 1
            case "take" if outbox.online and (message := outbox.take()):
                flying.append(message)
            case "acknowledge" if flying:
                arrived.add(flying[0].payload)
                outbox.acknowledge(flying.pop(0))
            case "chunk" if outbox.online and not chunk:
                chunk = outbox.take_chunk()
                assert chunk == sorted(chunk, key=int)
            case "chunk acknowledged" if chunk:
                arrived.update(chunk)
                outbox.acknowledge_chunk()
                chunk = []
            case "cut" if outbox.online:
                outbox.disconnected()
                flying, chunk = [], []
            case "cut":
                outbox.connected()
            case _:
                pass
    outbox.disconnected()
    while last := outbox.take_chunk():
        arrived.update(last)
        outbox.acknowledge_chunk()
    assert arrived == {str(number) for number in range(put)}
