"""Session events, each once, and messages that broke the contract."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import rejected_messages, session_events
from billing_service.domain.frame import EventType, SessionEvent
from billing_service.services.ports import Page, Rejected

REJECTED_KEPT = 10_000
"""A station that sends garbage for weeks must not fill the disk."""

REJECTED_PAYLOAD_BYTES = 4_096
REJECTED_TOPIC_CHARS = 512


class RejectedRepository(Repository):
    """The ``RejectedMessages`` port: the newest 10,000, the first 4 KiB of each."""

    async def add(self, rejected: Iterable[Rejected]) -> None:
        """Keep them."""
        rows = [
            {
                "received_at": each.received_at,
                "topic": _storable(each.topic[:REJECTED_TOPIC_CHARS]),
                "reason": each.reason,
                "message": _storable(each.message),
                "payload": each.payload[:REJECTED_PAYLOAD_BYTES],
            }
            for each in rejected
        ]
        if not rows:
            return
        await self._connection.execute(insert(rejected_messages), rows)
        newest = select(func.max(rejected_messages.c.id)).scalar_subquery()
        await self._connection.execute(
            delete(rejected_messages).where(
                rejected_messages.c.id <= newest - REJECTED_KEPT
            )
        )

    async def counts(self) -> dict[str, int]:
        """Return how many are kept, by reason."""
        reason = rejected_messages.c.reason
        result = await self._connection.execute(
            select(reason, func.count()).group_by(reason).order_by(reason)
        )
        return {row[0]: row[1] for row in result}

    async def page(self, *, limit: int, offset: int) -> Page[Rejected]:
        """Return the newest first."""
        total = await self._connection.scalar(
            select(func.count()).select_from(rejected_messages)
        )
        result = await self._connection.execute(
            select(rejected_messages)
            .order_by(rejected_messages.c.id.desc())
            .limit(limit)
            .offset(offset)
        )
        items = tuple(
            Rejected(
                received_at=row.received_at,
                topic=row.topic,
                reason=row.reason,
                message=row.message,
                payload=row.payload,
            )
            for row in result
        )
        return Page(items, total or 0)


class SessionEventRepository(Repository):
    """The ``SessionEvents`` port."""

    async def add(
        self, events: Sequence[SessionEvent], received_at: datetime
    ) -> list[SessionEvent]:
        """Store those not stored before and return them."""
        statement = (
            self._insert(session_events)
            .on_conflict_do_nothing(
                index_elements=["station_id", "session", "type", "at"]
            )
            .returning(session_events.c.id)
        )
        new: list[SessionEvent] = []
        for event in events:
            row = {
                "station_id": event.station_id,
                "type": event.type.value,
                "at": event.at_ms,
                "session": event.session,
                "started_at": event.started_at_ms,
                "meter_start_mwh": event.meter_start_mwh,
                "meter_stop_mwh": event.meter_stop_mwh,
                "solar_start_mwh": event.solar_start_mwh,
                "grid_start_mwh": event.grid_start_mwh,
                "token": event.token,
                "reason": event.reason,
                "received_at": received_at,
            }
            stored = await self._connection.execute(statement.values(row))
            if stored.first() is not None:
                new.append(event)
        return new

    async def of_session(
        self, station_id: str, station_session: str
    ) -> list[SessionEvent]:
        """Return a session's events in order of time."""
        result = await self._connection.execute(
            select(session_events)
            .where(
                session_events.c.station_id == station_id,
                session_events.c.session == station_session,
            )
            .order_by(session_events.c.at, session_events.c.id)
        )
        return [_event(row) for row in result]


def _event(row: Row[Any]) -> SessionEvent:
    return SessionEvent(
        station_id=row.station_id,
        type=EventType(row.type),
        at_ms=row.at,
        session=row.session,
        started_at_ms=row.started_at,
        meter_start_mwh=row.meter_start_mwh,
        meter_stop_mwh=row.meter_stop_mwh,
        solar_start_mwh=row.solar_start_mwh,
        grid_start_mwh=row.grid_start_mwh,
        token=row.token,
        reason=row.reason,
    )


def _storable(text: str) -> str:
    """Replace what databases refuse in text: NUL and lone surrogates."""
    return (
        text.encode("utf-8", "replace")
        .decode("utf-8")
        .replace("\x00", "\N{REPLACEMENT CHARACTER}")
    )
