"""What named and inferred sessions have in common: their start, end, driver and tariff."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from billing_service.domain.frame import EventType, Frame, SessionEvent, from_ms
from billing_service.domain.metering import Metered
from billing_service.domain.session import Session, SessionStatus
from billing_service.services.audit import masked
from billing_service.services.ports import Clock, Station, UnitOfWork

ENDED_BY_ADMIN = "ended_by_admin"
"""``end_reason`` of a session that a person ended: frames that come later do not open it again."""

_CLAIM_HOLDS = timedelta(minutes=15)
"""Who asked for a charge drives the session that appears within this time."""


@dataclass(slots=True)
class Outcome:
    """What a round made of one session."""

    session: Session
    metered: Metered | None
    new: list[Frame]


class Openings:
    """Opens sessions, and finds whose they are and what they cost."""

    def __init__(self, clock: Clock) -> None:
        """Take what it works with."""
        self._clock = clock

    async def new(
        self, uow: UnitOfWork, station: Station, name: str, started_ms: int
    ) -> Session:
        """Return a session that is not stored yet."""
        claimed = await uow.stations.take_claim(
            station.id, self._clock() - _CLAIM_HOLDS
        )
        return Session(
            id=str(uuid4()),
            station_id=station.id,
            station_session=name,
            user_id=claimed or station.user_id,
            status=SessionStatus.PENDING,
            started_at=from_ms(started_ms),
        )

    async def with_token(
        self,
        uow: UnitOfWork,
        station: Station,
        session: Session,
        events: Iterable[SessionEvent],
        *,
        fresh: bool,
    ) -> Session:
        """Make a session its token's user's, as soon as the token is known.

        A driver whom an admin has chosen meanwhile, or who has asked for the charge, stays. One
        who becomes known only now brings the tariff that they had at the start.
        """
        uid = next((event.token for event in events if event.token), None)
        if uid is None or uid == session.token:
            return session
        user_id = await uow.charging_tokens.user_of(uid)
        replaceable = fresh or session.user_id in (None, station.user_id)
        if user_id is None or user_id == session.user_id or not replaceable:
            return session
        if not fresh:
            await uow.sessions.assign(session.id, user_id)
        await uow.audit.add(
            at=self._clock(),
            actor=f"station:{station.id}",
            action="session.assign",
            subject=f"session:{session.id}",
            before={"user_id": session.user_id},
            after={"user_id": user_id, "token": masked(uid)},
        )
        tariff = await uow.tariffs.in_force(
            session.started_at, station_id=station.id, user_id=user_id
        )
        return replace(session, user_id=user_id, tariff=tariff or session.tariff)

    async def with_tariff(self, uow: UnitOfWork, session: Session) -> Session:
        """Freeze the tariff in force at the start, once there is one."""
        if session.tariff is not None:
            return session
        tariff = await uow.tariffs.in_force(
            session.started_at, station_id=session.station_id, user_id=session.user_id
        )
        return replace(session, tariff=tariff)


def start_of(events: Iterable[SessionEvent]) -> SessionEvent | None:
    """Return the event that tells most of the start: registers first, then its time."""
    by_worth = {
        EventType.SESSION_STARTED: 0,
        EventType.SESSION_ENDED: 1,
        EventType.PLUGGED: 2,
    }
    starts = [
        event
        for event in events
        if event.type in by_worth
        and (
            event.type is not EventType.SESSION_ENDED or event.started_at_ms is not None
        )
    ]
    return min(starts, key=lambda e: (by_worth[e.type], e.at_ms), default=None)


def end_of(events: Iterable[SessionEvent]) -> SessionEvent | None:
    """Return the event that tells most of the end."""
    by_worth = {EventType.SESSION_ENDED: 0, EventType.UNPLUGGED: 1}
    ends = [event for event in events if event.type in by_worth]
    return min(ends, key=lambda e: (by_worth[e.type], -e.at_ms), default=None)


def started_ms(event: SessionEvent) -> int:
    """Return when the session of a start event began, ms."""
    return event.at_ms if event.started_at_ms is None else event.started_at_ms


def ended(session: Session, at: datetime | None, reason: str | None) -> Session:
    """Complete a session; it never ends before it started."""
    return replace(
        session,
        status=SessionStatus.COMPLETED,
        ended_at=max(at or session.started_at, session.started_at),
        end_reason=reason,
    )


def with_metered(
    session: Session,
    metered: Metered,
    started: SessionEvent | None,
    events: Iterable[SessionEvent],
) -> Session:
    """Put into a session what its frames say."""
    starts = [
        ms for ms in (metered.first_ms, started_ms(started) if started else None) if ms
    ]
    return replace(
        session,
        started_at=from_ms(min(starts)) if starts else session.started_at,
        last_frame_at=None if metered.last_ms is None else from_ms(metered.last_ms),
        frames=metered.frames,
        solar_wh=metered.solar_wh,
        grid_wh=metered.grid_wh,
        integrated_wh=metered.integrated_wh,
        estimated_wh=metered.estimated_wh,
        meter_start_wh=metered.meter_start_wh,
        meter_stop_wh=metered.meter_stop_wh,
        flags=metered.flags,
        token=next((e.token for e in events if e.token), session.token),
    )
