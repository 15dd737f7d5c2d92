"""Events are stored once; what was refused is kept within bounds."""

from dataclasses import replace

from billing_service.adapters.db.database import SqlUnitOfWork
from billing_service.adapters.db.repositories.messages import (
    REJECTED_KEPT,
    REJECTED_PAYLOAD_BYTES,
)
from billing_service.domain.frame import EventType, SessionEvent
from billing_service.services.ports import (
    Rejected,
)
from tests.adapters.database import (
    NOW,
    T0_MS,
)


async def test_an_event_is_stored_once(uow: SqlUnitOfWork) -> None:
    """By station, type, time and session; they come back in order of time."""
    events = [
        SessionEvent(
            station_id="garage",
            type=kind,
            at_ms=T0_MS + at,
            session="1-1",
            started_at_ms=T0_MS,
            meter_start_mwh=10**13,
            token="04A2",
        )
        for kind, at in (
            (EventType.UNPLUGGED, 9),
            (EventType.PLUGGED, 0),
            (EventType.SESSION_STARTED, 0),
        )
    ]
    assert await uow.events.add([*events, events[0]], NOW) == events
    assert await uow.events.add(events, NOW) == []
    found = await uow.events.of_session("garage", "1-1")
    assert found == [events[1], events[2], events[0]]


async def test_rejected_messages_are_kept_within_bounds(uow: SqlUnitOfWork) -> None:
    """The newest, the start of each, counted by reason; text a database refuses is mended."""
    bad = Rejected(
        received_at=NOW,
        topic="ev/\x00x/telemetry",
        reason="not_json",
        message="\ud800",
        payload=b"\xff" * (REJECTED_PAYLOAD_BYTES + 1),
    )
    await uow.rejected.add([bad] * REJECTED_KEPT)
    await uow.rejected.add([replace(bad, reason="too_large")] * 2)
    assert await uow.rejected.counts() == {
        "not_json": REJECTED_KEPT - 2,
        "too_large": 2,
    }
    page = await uow.rejected.page(limit=3, offset=0)
    assert page.total == REJECTED_KEPT
    assert [each.reason for each in page.items] == [
        "too_large",
        "too_large",
        "not_json",
    ]
    assert len(page.items[0].payload) == REJECTED_PAYLOAD_BYTES
    assert "\x00" not in page.items[0].topic
