"""Folds of frames: kept in memory between rounds, and taken down for after a restart.

A fold is gone on with when it rests on what the session rests on now and every frame that is new
comes after it. One in memory tells that by itself. A checkpoint is proven: frames are only ever
added, so the session has as many up to its key as it counts, or others.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from billing_service.domain import checkpoint
from billing_service.domain.frame import Frame, SessionEvent, from_ms
from billing_service.domain.metering import Metered, SessionMeter
from billing_service.domain.period import ChargingPeriod
from billing_service.domain.session import Session, SessionStatus
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
from billing_service.services.ports import Checkpoint, Clock, Station, UnitOfWork

CHECKPOINT_EVERY = 4000
"""Frames: more than an hour at one a second. On average half as many are folded at a restart."""

LIVE_FRAMES_AT_MOST = 50
_PERIODS_SAVED_EVERY = timedelta(seconds=10)


@dataclass(slots=True)
class Running:
    """A running session's fold, kept between two rounds, and what it rests on.

    ``periods`` are those that it has stored.
    """

    meter: SessionMeter
    basis: str
    periods: tuple[ChargingPeriod, ...] = ()
    saved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    """What a named session's frames and events say; nothing of it is stored yet.

    ``resumed_from`` is the key of the frame that was folded last before; None: from the first.
    """

    session: Session
    metered: Metered
    meter: SessionMeter
    basis: str
    frames: list[Frame]
    running: bool
    resumed_from: tuple[int, int] | None
    checkpoints: list[Checkpoint] = field(default_factory=list)


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
        start, end = start_of(events), end_of(events)
        basis = basis_of(self._settings, station, session, start)
        running = self._running.get(session.id)
        # Who watches has seen the frames up to this one.
        told = running.meter.last_key if running else None
        goes_on = running is not None and _can_go_on(running, basis, session, new)
        if running is not None and goes_on:
            meter: SessionMeter | None = running.meter
        else:
            meter = await self._resumed(uow, station, session, basis, new)
        resumed_from = None if meter is None else meter.last_key
        if meter is None:
            meter = self.fresh(station, session)
            if start is not None:
                meter.open_with(start)
        # A session of a week is folded without being held in memory.
        frames: deque[Frame] = deque(maxlen=LIVE_FRAMES_AT_MOST)
        checkpoints: list[Checkpoint] = []
        async for frame in uow.frames.of_session(
            station.id, session.station_session, after=resumed_from
        ):
            meter.add(frame)
            key = (frame.boot, frame.seq)
            if told is None or key > told:
                frames.append(frame)
            if meter.frames % CHECKPOINT_EVERY == 0:
                state = checkpoint.take_down(meter)
                checkpoints.append(
                    Checkpoint(key=key, frames=meter.frames, basis=basis, state=state)
                )
        if end is not None:
            meter.close_with(end)
        metered = meter.result()
        session = with_metered(session, metered, start, events)
        session = await _with_end(uow, session, meter, end)
        return Folded(
            session,
            metered,
            meter,
            basis,
            [*frames],
            goes_on,
            resumed_from,
            checkpoints,
        )

    async def _resumed(
        self,
        uow: UnitOfWork,
        station: Station,
        session: Session,
        basis: str,
        new: New | None,
    ) -> SessionMeter | None:
        """Return the newest fold that was taken down and holds, None when there is none."""
        before = new.frames if new is not None else None
        known = await uow.checkpoints.last(session.id, basis, before=before)
        if known is None or known.frames != await uow.frames.count(
            station.id, session.station_session, known.key
        ):
            return None
        rules = rules_of(self._settings, station, session)
        return checkpoint.go_on(rules, known.state)

    async def save_folded(self, uow: UnitOfWork, folded: Folded) -> None:
        """Store a named session and the checkpoints passed on the way."""
        session_id = folded.session.id
        await self.save(uow, folded.session, folded.metered, folded.meter, folded.basis)
        if not folded.running:
            # Those behind the start of this fold lack a frame, or rest on something else.
            await uow.checkpoints.drop(session_id, after=folded.resumed_from)
        for each in folded.checkpoints:
            await uow.checkpoints.add(session_id, each)

    async def save(
        self,
        uow: UnitOfWork,
        session: Session,
        metered: Metered,
        meter: SessionMeter,
        basis: str,
    ) -> None:
        """Store a session, now and then its periods, and remember its fold."""
        await uow.sessions.save(session)
        now = self._clock()
        running = self._running.get(session.id)
        if running is None or running.meter is not meter:
            running = self._running[session.id] = Running(meter, basis)
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
