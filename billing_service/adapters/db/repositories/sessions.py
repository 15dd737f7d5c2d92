"""Sessions and their charging periods. What a viewer may not see is not found."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from billing_service.adapters.db import documents
from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import charging_periods, sessions
from billing_service.domain.errors import NotFound, SessionBilled
from billing_service.domain.frame import from_ms
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.domain.tariff import Tariff
from billing_service.services.ports import Page, SessionQuery, Viewer

_OPEN = (SessionStatus.PENDING.value, SessionStatus.ACTIVE.value)

_NOT_SAVED = ("id", "user_id", "bill_id")
"""Columns that ``save`` leaves alone once a session is stored."""


class SessionRepository(Repository):
    """The ``Sessions`` port."""

    async def get(self, session_id: str, viewer: Viewer) -> Session:
        """Return one. Raises NotFound, also for another's session."""
        result = await self._connection.execute(
            _visible(select(sessions), viewer).where(sessions.c.id == session_id)
        )
        row = result.first()
        if row is None:
            raise NotFound(f"there is no session {session_id}")
        return session_of(row)

    async def named(self, station_id: str, station_session: str) -> Session | None:
        """Return the session a station calls so."""
        found = await self._several(
            select(sessions).where(
                sessions.c.station_id == station_id,
                sessions.c.station_session == station_session,
            )
        )
        return found[0] if found else None

    async def open_at(self, station_id: str) -> list[Session]:
        """Return the station's sessions that are PENDING or ACTIVE, oldest first."""
        return await self._several(
            select(sessions).where(
                sessions.c.station_id == station_id, sessions.c.status.in_(_OPEN)
            )
        )

    async def all_open(self) -> list[Session]:
        """Return all sessions that are PENDING or ACTIVE, oldest first."""
        return await self._several(select(sessions).where(sessions.c.status.in_(_OPEN)))

    async def inferred_near(
        self, station_id: str, from_ms_: int, to_ms_: int
    ) -> list[Session]:
        """Return INFERRED sessions that overlap the stretch, oldest first."""
        return await self._several(
            select(sessions).where(
                sessions.c.station_id == station_id,
                sessions.c.inferred,
                sessions.c.started_at <= from_ms(to_ms_),
                or_(
                    sessions.c.ended_at.is_(None),
                    sessions.c.ended_at >= from_ms(from_ms_),
                ),
            )
        )

    async def ended_by_frames(self, station_id: str, from_ms_: int) -> list[Session]:
        """Return named sessions that frames may end, or have ended since, oldest first."""
        return await self._several(
            select(sessions).where(
                sessions.c.station_id == station_id,
                ~sessions.c.inferred,
                or_(
                    sessions.c.status.in_(_OPEN),
                    and_(
                        sessions.c.end_reason.is_(None),
                        sessions.c.ended_at >= from_ms(from_ms_),
                    ),
                ),
            )
        )

    async def stretch(
        self,
        viewer: Viewer,
        *,
        started_from: datetime | None,
        started_to: datetime | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Session]:
        """Return the next of the viewer's sessions after (started_at, id), oldest first."""
        query = SessionQuery(started_from=started_from, started_to=started_to)
        found = _visible(select(sessions), viewer).where(*_filters(query))
        if after is not None:
            found = found.where(
                tuple_(sessions.c.started_at, sessions.c.id)
                > tuple_(
                    literal(after[0], sessions.c.started_at.type), literal(after[1])
                )
            )
        return await self._several(found.limit(limit))

    async def unbilled(
        self, started_from: datetime, started_to: datetime, *, user_id: str | None
    ) -> list[Session]:
        """Return sessions without a bill that began then, oldest first."""
        query = select(sessions).where(
            sessions.c.bill_id.is_(None),
            sessions.c.started_at >= started_from,
            sessions.c.started_at < started_to,
        )
        if user_id is not None:
            query = query.where(sessions.c.user_id == user_id)
        return await self._several(query)

    async def page(self, query: SessionQuery, viewer: Viewer) -> Page[Session]:
        """Return one page, newest first."""
        where = _filters(query)
        total = await self._connection.scalar(
            _visible(select(func.count()).select_from(sessions), viewer).where(*where)
        )
        result = await self._connection.execute(
            _visible(select(sessions), viewer)
            .where(*where)
            .order_by(sessions.c.started_at.desc(), sessions.c.id.desc())
            .limit(query.limit)
            .offset(query.offset)
        )
        return Page(tuple(session_of(row) for row in result), total or 0)

    async def save(self, session: Session) -> None:
        """Insert or replace, the frozen tariff included.

        The driver and the bill of a stored session stay as they are: ``assign`` and
        ``Bills.issue`` change those.
        """
        row = _row(session)
        changed = {name: row[name] for name in row if name not in _NOT_SAVED}
        # Most are stored already, and SQLAlchemy compiles ON CONFLICT anew each time.
        result = await self._connection.execute(
            update(sessions).where(sessions.c.id == session.id).values(changed)
        )
        if result.rowcount:
            return
        statement = self._insert(sessions).values(row)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["id"], set_=changed)
        )

    async def assign(self, session_id: str, user_id: str | None) -> None:
        """Set whose session it is. The caller has checked that it may."""
        await self._connection.execute(
            update(sessions).where(sessions.c.id == session_id).values(user_id=user_id)
        )

    async def driverless(self, token: str) -> list[str]:
        """Return the ids of unbilled sessions that a token started and that are nobody's."""
        result = await self._connection.scalars(
            select(sessions.c.id).where(
                func.upper(sessions.c.token) == token.upper(),
                sessions.c.user_id.is_(None),
                sessions.c.bill_id.is_(None),
            )
        )
        return list(result)

    async def save_periods(
        self, session_id: str, periods: Sequence[ChargingPeriod], *, kept: int = 0
    ) -> None:
        """Replace the session's periods; the first ``kept`` are stored already."""
        await self._connection.execute(
            delete(charging_periods).where(
                charging_periods.c.session_id == session_id,
                charging_periods.c.ordinal >= kept,
            )
        )
        if len(periods) > kept:
            await self._connection.execute(
                insert(charging_periods),
                [
                    _period_row(session_id, ordinal, period)
                    for ordinal, period in enumerate(periods[kept:], start=kept)
                ],
            )

    async def periods(self, session_id: str) -> list[ChargingPeriod]:
        """Return the session's periods in order."""
        result = await self._connection.execute(
            select(charging_periods)
            .where(charging_periods.c.session_id == session_id)
            .order_by(charging_periods.c.ordinal)
        )
        return [_period(row) for row in result]

    async def delete(self, session_id: str) -> None:
        """Remove a session and its periods; its frames stay. The caller has checked.

        Raises SessionBilled when it was billed in the meantime.
        """
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(
                    delete(sessions).where(sessions.c.id == session_id)
                )
        except IntegrityError as error:
            raise SessionBilled(f"session {session_id} has a bill") from error

    async def _several(self, query: Select[Any]) -> list[Session]:
        result = await self._connection.execute(
            query.order_by(sessions.c.started_at, sessions.c.id)
        )
        return [session_of(row) for row in result]


def _visible(query: Select[Any], viewer: Viewer) -> Select[Any]:
    if viewer.is_admin:
        return query
    return query.where(sessions.c.user_id == viewer.user_id)


def _filters(query: SessionQuery) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if query.station_id is not None:
        where.append(sessions.c.station_id == query.station_id)
    if query.status is not None:
        where.append(sessions.c.status == query.status.value)
    if query.user_id is not None:
        where.append(sessions.c.user_id == query.user_id)
    if query.started_from is not None:
        where.append(sessions.c.started_at >= query.started_from)
    if query.started_to is not None:
        where.append(sessions.c.started_at < query.started_to)
    if query.billed is not None:
        billed = sessions.c.bill_id.is_not(None)
        where.append(billed if query.billed else ~billed)
    return where


def _row(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "station_id": session.station_id,
        "station_session": session.station_session,
        "user_id": session.user_id,
        "status": session.status.value,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "last_frame_at": session.last_frame_at,
        "frames": session.frames,
        "solar_wh": session.solar_wh,
        "grid_wh": session.grid_wh,
        "integrated_wh": session.integrated_wh,
        "estimated_wh": session.estimated_wh,
        "meter_start_wh": session.meter_start_wh,
        "meter_stop_wh": session.meter_stop_wh,
        "flags": sorted(flag.value for flag in session.flags),
        "inferred": SessionFlag.INFERRED in session.flags,
        "end_reason": session.end_reason,
        "token": session.token,
        "tariff": None if session.tariff is None else documents.dump(session.tariff),
    }


def session_of(row: Row[Any]) -> Session:
    """Return the session of a row."""
    return Session(
        id=row.id,
        station_id=row.station_id,
        station_session=row.station_session,
        user_id=row.user_id,
        status=SessionStatus(row.status),
        started_at=row.started_at,
        ended_at=row.ended_at,
        last_frame_at=row.last_frame_at,
        frames=row.frames,
        solar_wh=row.solar_wh,
        grid_wh=row.grid_wh,
        integrated_wh=row.integrated_wh,
        estimated_wh=row.estimated_wh,
        meter_start_wh=row.meter_start_wh,
        meter_stop_wh=row.meter_stop_wh,
        flags=frozenset(SessionFlag(flag) for flag in row.flags),
        end_reason=row.end_reason,
        token=row.token,
        tariff=None if row.tariff is None else documents.load(Tariff, row.tariff),
        bill_id=row.bill_id,
    )


def _period_row(
    session_id: str, ordinal: int, period: ChargingPeriod
) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "ordinal": ordinal,
        "started_at": period.started_at,
        "ended_at": period.ended_at,
        "source": period.source.value,
        "charging": period.charging,
        "energy_wh": period.energy_wh,
        "estimated": period.estimated,
        "min_current_a": period.min_current_a,
        "max_current_a": period.max_current_a,
        "min_power_w": period.min_power_w,
        "max_power_w": period.max_power_w,
    }


def _period(row: Row[Any]) -> ChargingPeriod:
    return ChargingPeriod(
        started_at=row.started_at,
        ended_at=row.ended_at,
        source=Source(row.source),
        charging=row.charging,
        energy_wh=row.energy_wh,
        estimated=row.estimated,
        min_current_a=row.min_current_a,
        max_current_a=row.max_current_a,
        min_power_w=row.min_power_w,
        max_power_w=row.max_power_w,
    )
