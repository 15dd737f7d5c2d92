"""Sessions of stations that name none: they are found by their power."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from billing_service.domain.errors import SessionBilled
from billing_service.domain.frame import CHARGING_FROM_MW, Frame, from_ms, to_ms
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.services.metering.folds import LIVE_FRAMES_AT_MOST, Folds, Running
from billing_service.services.metering.marks import New
from billing_service.services.metering.parts import (
    ENDED_BY_ADMIN,
    Openings,
    Outcome,
    ended,
    with_metered,
)
from billing_service.services.metering.rules import MeteringSettings, basis_of
from billing_service.services.metering.settled import SettledSessions
from billing_service.services.ports import Mark, Station, UnitOfWork


class InferredSessions:
    """Finds sessions: open when power flows, ended when none has for the idle time."""

    def __init__(
        self,
        settings: MeteringSettings,
        openings: Openings,
        folds: Folds,
        settled: SettledSessions,
    ) -> None:
        """Take what it works with."""
        self._settings = settings
        self._openings = openings
        self._folds = folds
        self._settled = settled

    async def meter(
        self, uow: UnitOfWork, station: Station, marks: Sequence[Mark]
    ) -> list[Outcome]:
        """Bring up to date what the marks touch."""
        idle_ms = self._settings.idle_ms
        new = New.of(marks[0])
        for mark in marks[1:]:
            new = new.joined(New.of(mark))
        low, high = new.from_ms - idle_ms, new.to_ms + idle_ms
        # In order of time: the counters tell another one where a clock was set back.
        powered = sorted([
            frame.at_ms
            async for frame in uow.frames.unnamed(station.id, low, high)
            if frame.power_mw >= CHARGING_FROM_MW
        ])  # fmt: skip
        spans: list[list[int]] = []
        for at_ms in powered:
            if spans and at_ms - spans[-1][1] <= idle_ms:
                spans[-1][1] = at_ms
            else:
                spans.append([at_ms, at_ms])
        newest = await uow.frames.last(station.id)
        heard_ms = max(high - idle_ms, newest.at_ms if newest else 0)
        outcomes = []
        touched: set[str] = set()
        for start, end in spans:
            near = []
            for session in await uow.sessions.inferred_near(
                station.id, start - idle_ms, end + idle_ms
            ):
                if session.status is SessionStatus.INVALID:
                    continue
                last_ms = await self._last_power_ms(uow, session)
                if (
                    start - last_ms <= idle_ms
                    and to_ms(session.started_at) - end <= idle_ms
                ):
                    near.append(session)
                    touched.add(session.id)
            outcomes.append(
                await self._span(uow, station, near, (start, end), heard_ms, new)
            )
        for session in await uow.sessions.open_at(station.id):
            # Frames that are no part of what runs may end it.
            if SessionFlag.INFERRED in session.flags and session.id not in touched:
                span = (
                    to_ms(session.started_at),
                    await self._last_power_ms(uow, session),
                )
                if heard_ms > span[1] + idle_ms:
                    outcomes.append(
                        await self._span(uow, station, [session], span, heard_ms, new)
                    )
        return outcomes

    async def _last_power_ms(self, uow: UnitOfWork, session: Session) -> int:
        """Return when power last flowed in an inferred session, ms."""
        running = self._folds.get(session.id)
        last = running.meter.last_power_ms if running else None
        if last is None:
            last = start = to_ms(session.started_at)
            end = to_ms(session.last_frame_at or session.started_at)
            async for frame in uow.frames.unnamed(session.station_id, start, end):
                if frame.power_mw >= CHARGING_FROM_MW:
                    last = max(last, frame.at_ms)
        return last

    async def _span(
        self,
        uow: UnitOfWork,
        station: Station,
        near: Sequence[Session],
        span: tuple[int, int],
        heard_ms: int,
        new: New,
    ) -> Outcome:
        """Make one session of a stretch of power and the sessions it touches."""
        settled = [session for session in near if session.settled]
        if settled:
            return await self._settled.meter(uow, station, settled[0], new)
        start, end = span
        for session in near:
            start = min(start, to_ms(session.started_at))
            end = max(end, await self._last_power_ms(uow, session))
        for merged in near[1:]:
            self._folds.forget(merged.id)
            await _merge(uow, merged)
        session = (
            near[0]
            if near
            else await self._openings.new(uow, station, f"power-{start}", start)
        )
        session = await self._openings.with_tariff(
            uow, replace(session, started_at=from_ms(start))
        )
        basis = basis_of(self._settings, station, session, None)
        running = self._folds.get(session.id)
        # Who watches has seen the frames up to this time.
        told = running.meter.last_ms if running else None
        if running is None or not _can_go_on(running, basis, session, new):
            running = Running(self._folds.fresh(station, session), basis)
        meter = running.meter
        frames: deque[Frame] = deque(maxlen=LIVE_FRAMES_AT_MOST)
        last_ms = meter.last_ms
        async for part in uow.frames.parts_unnamed(
            station.id,
            start if last_ms is None else last_ms + 1,
            end + self._settings.max_gap_ms,
        ):
            meter.extend(part)
            frames.extend(f for f in part if told is None or f.at_ms > told)
        metered = meter.result()
        session = with_metered(session, metered, None, [])
        session = replace(
            session,
            started_at=from_ms(start),
            flags=session.flags | {SessionFlag.INFERRED},
        )
        if session.end_reason == ENDED_BY_ADMIN:
            session = ended(session, session.last_frame_at, ENDED_BY_ADMIN)
        elif heard_ms > end + self._settings.idle_ms:
            session = ended(session, session.last_frame_at, "idle")
        else:
            session = replace(
                session, status=SessionStatus.ACTIVE, ended_at=None, end_reason=None
            )
        await self._folds.save(uow, session, metered, running)
        return Outcome(session, metered, [*frames])


def _can_go_on(running: Running, basis: str, session: Session, new: New) -> bool:
    """Return whether the fold kept in memory is the stored one and all that is new comes after.

    After it both by the counters, which tell the order, and by the time, which is read on from.
    """
    last, last_ms = running.meter.last_key, running.meter.last_ms
    return (
        running.basis == basis
        and running.meter.frames == session.frames
        and last is not None
        and last_ms is not None
        and new.lowest > last
        and new.from_ms > last_ms
    )


async def _merge(uow: UnitOfWork, session: Session) -> None:
    """Let a session go that turned out to be part of another one."""
    try:
        await uow.sessions.delete(session.id)
    except SessionBilled:
        # A bill that was taken back rests on it: it stays, empty.
        await uow.sessions.save_periods(session.id, [])
        await uow.sessions.save(
            replace(
                session,
                status=SessionStatus.INVALID,
                solar_wh=Decimal(0),
                grid_wh=Decimal(0),
                integrated_wh=Decimal(0),
                estimated_wh=Decimal(0),
            )
        )
