"""Folds of frames, kept in memory between rounds.

A fold is gone on with when it rests on what the session rests on now and every frame that is new
comes after it. Else the session is folded anew: by the summaries of its frames, as far as they
hold, and by the frames for which there are none.
"""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from billing_service.domain.frame import Frame, Key, SessionEvent, from_ms
from billing_service.domain.metering import Metered, SessionMeter
from billing_service.domain.period import ChargingPeriod
from billing_service.domain.session import Session, SessionStatus
from billing_service.domain.stretch import QUARTER_MS
from billing_service.domain.summary import Summary, Summing
from billing_service.services.metering.marks import New
from billing_service.services.metering.parts import (
    ENDED_BY_ADMIN,
    end_of,
    ended,
    start_of,
    with_metered,
)
from billing_service.services.metering.rules import (
    MeteringSettings,
    basis_of,
    rules_of,
)
from billing_service.services.ports import Clock, Span, Station, UnitOfWork

LIVE_FRAMES_AT_MOST = 50
_PERIODS_SAVED_EVERY = timedelta(seconds=10)


@dataclass(slots=True)
class Running:
    """A running session's fold, kept between two rounds, and what it rests on.

    ``summing`` makes summaries of what was folded last; ``periods`` are those that are stored.
    """

    meter: SessionMeter
    basis: str
    summing: Summing = field(default_factory=Summing)
    periods: tuple[ChargingPeriod, ...] = ()
    saved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    """What a named session's frames and events say; nothing of it is stored yet.

    ``frames`` are the newest that nobody was told of yet.
    """

    session: Session
    metered: Metered
    running: Running
    frames: list[Frame]


class Folds:
    """Folds sessions' frames, and remembers the folds of those that run."""

    def __init__(self, clock: Clock, settings: MeteringSettings) -> None:
        """Remember none."""
        self._clock = clock
        self._settings = settings
        self._running: dict[str, Running] = {}

    def get(self, session_id: str) -> Running | None:
        """Return a fold that is kept in memory."""
        return self._running.get(session_id)

    def forget(self, session_id: str) -> None:
        """Keep it no longer."""
        self._running.pop(session_id, None)

    def forget_all(self) -> None:
        """Keep none: what was folded was not stored."""
        self._running.clear()

    def fresh(self, station: Station, session: Session) -> SessionMeter:
        """Return the fold of no frames."""
        return SessionMeter(rules_of(self._settings, station, session))

    async def fold(
        self,
        uow: UnitOfWork,
        station: Station,
        session: Session,
        events: Sequence[SessionEvent],
        new: New | None,
    ) -> Folded:
        """Fold a named session's frames, on from where a fold of them stands; store nothing."""
        running = self._running.get(session.id)
        # Who watches has seen the frames up to this one.
        told = running.meter.last_key if running else None
        folded = await self._folded(uow, station, session, events, new, told)
        if folded.session.started_at != session.started_at:
            # The start, which is told only now, says which tariff holds, and from when it counts.
            session = await _started(uow, session, folded.session.started_at)
            basis = basis_of(self._settings, station, session, start_of(events))
            if basis != folded.running.basis:
                folded = await self._folded(uow, station, session, events, None, told)
        return folded

    async def _folded(
        self,
        uow: UnitOfWork,
        station: Station,
        session: Session,
        events: Sequence[SessionEvent],
        new: New | None,
        told: Key | None,
    ) -> Folded:
        start, end = start_of(events), end_of(events)
        basis = basis_of(self._settings, station, session, start)
        running = self._running.get(session.id)
        way: list[Summary | Span]
        if running is not None and _can_go_on(running, basis, session, new):
            way = [Span(told)]
            if new is not None and new.to_ms - new.from_ms >= QUARTER_MS:
                way = await uow.summaries.of_session(
                    station.id, session.station_session, after=told
                )
        else:
            running = Running(self.fresh(station, session), basis)
            if start is not None:
                running.meter.open_with(start)
            way = await uow.summaries.of_session(station.id, session.station_session)
        frames: deque[Frame] = deque(maxlen=LIVE_FRAMES_AT_MOST)
        async for part in _folded_in(uow, session, running, way):
            frames.extend(f for f in part if told is None or f.key > told)
        if end is not None:
            running.meter.close_with(end)
        metered = running.meter.result()
        session = with_metered(session, metered, start, events)
        session = await _with_end(uow, session, running.meter, end)
        if session.status is not SessionStatus.ACTIVE:
            running.summing.close()
        return Folded(session, metered, running, [*frames])

    async def save_folded(self, uow: UnitOfWork, folded: Folded) -> None:
        """Store a named session and the summaries of its frames."""
        session = folded.session
        await self.save(uow, session, folded.metered, folded.running)
        await uow.summaries.add(
            session.station_id,
            session.station_session,
            folded.running.summing.take_done(),
        )

    async def save(
        self,
        uow: UnitOfWork,
        session: Session,
        metered: Metered,
        running: Running,
    ) -> None:
        """Store a session, now and then its periods, and remember its fold."""
        await uow.sessions.save(session)
        now = self._clock()
        self._running[session.id] = running
        if (
            session.status is not SessionStatus.ACTIVE
            or len(running.periods) != len(metered.periods)
            or running.saved_at is None
            or now - running.saved_at >= _PERIODS_SAVED_EVERY
        ):
            # Most of a long session's are past and done, and to read them costs less than to write.
            stored: Sequence[ChargingPeriod] = running.periods
            if running.saved_at is None:
                stored = await uow.sessions.periods(session.id)
            kept = _alike(stored, metered.periods)
            await uow.sessions.save_periods(session.id, metered.periods, kept=kept)
            running.periods, running.saved_at = metered.periods, now


async def _started(uow: UnitOfWork, session: Session, at: datetime) -> Session:
    """Return a session that began then, with the tariff of that time if that was another one."""
    held, holds = [
        await uow.tariffs.in_force(
            each, station_id=session.station_id, user_id=session.user_id
        )
        for each in (session.started_at, at)
    ]
    # What has changed since for other reasons, such as the driver's group, changes nothing here.
    tariff = session.tariff if holds is None or holds == held else holds
    return replace(session, started_at=at, tariff=tariff)


async def _folded_in(
    uow: UnitOfWork, session: Session, running: Running, way: Sequence[Summary | Span]
) -> AsyncIterator[Sequence[Frame]]:
    """Fold frames in, on the way told; yield those that were looked at singly, in parts."""
    station_id, name = session.station_id, session.station_session
    meter, summing = running.meter, running.summing
    for part in way:
        if isinstance(part, Span):
            async for frames in uow.frames.parts_of_session(
                station_id, name, after=part.after, until=part.until
            ):
                for stretch in meter.extend(frames):
                    summing.add(stretch)
                yield frames
            continue
        summing.close()
        for stretch in part.stretches:
            if not meter.take(stretch):
                # What one is declined for, the next ones mostly are too: one query for them all.
                async for frames in uow.frames.parts_of_session(
                    station_id, name, after=stretch.first.key, until=part.last
                ):
                    meter.extend(frames)
                break
        yield [part.stretches[-1].last]


def _alike(before: Sequence[ChargingPeriod], now: Sequence[ChargingPeriod]) -> int:
    """Return how many periods at the beginning are the same."""
    pairs = enumerate(zip(before, now, strict=False))
    return next(
        (number for number, (one, other) in pairs if one != other),
        min(len(before), len(now)),
    )


def _can_go_on(running: Running, basis: str, session: Session, new: New | None) -> bool:
    """Return whether the fold kept in memory is the stored one and all that is new comes after.

    An end comes after all frames; a start that is told late, or better, asks for all anew.
    """
    if running.basis != basis or running.meter.frames != session.frames:
        return False
    last = running.meter.last_key
    if new is None or new.frames is None:
        return True
    return last is not None and new.frames > last


async def _with_end(
    uow: UnitOfWork, session: Session, meter: SessionMeter, end: SessionEvent | None
) -> Session:
    """Say whether and when the session ended: by its event, or by a later frame without it."""
    if session.end_reason == ENDED_BY_ADMIN:
        # What came after that was charged in it all the same, and a bill says until when.
        return ended(session, session.last_frame_at or session.ended_at, ENDED_BY_ADMIN)
    if end is not None:
        return ended(session, from_ms(end.at_ms), end.reason or end.type.value)
    if meter.last_key is not None:
        other = await uow.frames.next_other(
            session.station_id, session.station_session, meter.last_key
        )
        if other is not None:
            return ended(session, other.at, None)
    status = SessionStatus.ACTIVE if session.frames else SessionStatus.PENDING
    return replace(session, status=status, ended_at=None, end_reason=None)
