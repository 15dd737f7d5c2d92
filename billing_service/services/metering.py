"""Turn stored frames into sessions: plug-in to unplug, energy by source, charging periods.

Works off the marks that ingest leaves behind. A running session is folded frame by frame; one
that got frames late, an event, or a visit by another process is folded anew from the store. The
result is the same whatever came first.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog

from billing_service.domain.cdr import Cdr
from billing_service.domain.clock import next_boundary
from billing_service.domain.correction import Correction, CorrectionStatus
from billing_service.domain.errors import SessionBilled
from billing_service.domain.frame import (
    NO_BOOT,
    EventType,
    Frame,
    SessionEvent,
    from_ms,
    to_ms,
)
from billing_service.domain.metering import (
    CHARGING_FROM_MW,
    Metered,
    MeteringRules,
    SessionMeter,
)
from billing_service.domain.period import ChargingPeriod
from billing_service.domain.rating import rate
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.domain.tariff import Tariff
from billing_service.services.audit import masked
from billing_service.services.ports import (
    Clock,
    Leases,
    LiveBus,
    LiveUpdate,
    Mark,
    OpenUnitOfWork,
    Station,
    UnitOfWork,
)

log = structlog.get_logger(__name__)

ENDED_BY_ADMIN = "ended_by_admin"
"""``end_reason`` of a session that a person ended: frames that come later do not open it again."""

_RATING_MARGIN = Decimal("1.1")
_PERIODS_SAVED_EVERY = timedelta(seconds=10)
_LIVE_FRAMES_AT_MOST = 50
_MARKS_AT_MOST = 1000
_CLAIM_HOLDS = timedelta(minutes=15)
"""Who asked for a charge drives the session that appears within this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringSettings:
    """What an installation may set.

    ``max_gap``: no power is integrated across more. ``idle``: a session without a name ends when
    no power has flowed for so long. ``tolerance``: see MeteringRules.
    """

    max_gap: timedelta = timedelta(seconds=60)
    idle: timedelta = timedelta(minutes=10)
    tolerance: Decimal = Decimal("0.05")


@dataclass(slots=True)
class _Running:
    """A running session's fold, kept between two rounds, and the event that it began with."""

    meter: SessionMeter
    started: SessionEvent | None = None
    periods: int = 0
    saved_at: datetime | None = None


@dataclass(slots=True)
class _Outcome:
    """What a round made of one session."""

    session: Session
    metered: Metered | None
    new: list[Frame]


@dataclass(frozen=True, slots=True)
class _Folded:
    """What a named session's frames and events say; nothing of it is stored yet."""

    session: Session
    metered: Metered
    meter: SessionMeter
    frames: list[Frame]


@dataclass(frozen=True, slots=True)
class _New:
    """What has come of a session: its lowest (boot, seq) and the time it covers, ms.

    ``frames`` is the lowest of a frame, None when only events have come.
    """

    lowest: tuple[int, int]
    from_ms: int
    to_ms: int
    frames: tuple[int, int] | None

    @classmethod
    def of(cls, mark: Mark) -> _New:
        """Take it from a mark."""
        key = (mark.boot, mark.seq)
        return cls(key, mark.from_ms, mark.to_ms, None if mark.of_event else key)

    def joined(self, other: _New) -> _New:
        """Return both in one."""
        return _New(
            min(self.lowest, other.lowest),
            min(self.from_ms, other.from_ms),
            max(self.to_ms, other.to_ms),
            min(
                (each.frames for each in (self, other) if each.frames is not None),
                default=None,
            ),
        )


class Metering:
    """Brings sessions up to date with the frames that are stored."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        clock: Clock,
        bus: LiveBus,
        settings: MeteringSettings,
        leases: Leases | None = None,
    ) -> None:
        """Take what it works with; ``leases`` where several processes meter."""
        self._leases = leases
        self._open_uow = open_uow
        self._clock = clock
        self._bus = bus
        self._settings = settings
        self._running: dict[str, _Running] = {}

    async def run_once(self) -> int:
        """Meter every station that has something new; return how many there were."""
        async with self._open_uow() as uow:
            stations = await uow.marks.waiting()
        ours = [
            station_id for station_id in stations if await self._is_ours(station_id)
        ]
        for station_id in ours:
            await self.meter_station(station_id)
        await self._merge_marks()
        return len(ours)

    async def _is_ours(self, station_id: str) -> bool:
        return self._leases is None or await self._leases.hold(station_id)

    async def _merge_marks(self) -> None:
        """Keep the marks of stations that wait to be accepted few: one for each session."""
        async with self._open_uow() as uow:
            crowded = await uow.marks.crowded(_MARKS_AT_MOST)
            for station_id in crowded:
                await uow.marks.add(_merged(await uow.marks.take(station_id)))
            if crowded:
                await uow.commit()

    async def meter_station(self, station_id: str) -> None:
        """Bring one station's sessions up to date, in one transaction."""
        try:
            async with self._open_uow() as uow:
                marks = await uow.marks.take(station_id)
                if not marks:
                    return
                station = await uow.stations.get(station_id)
                # Ingest stores the station with its first marks.
                assert station is not None
                outcomes = await self._sessions(uow, station, marks)
                await uow.commit()
        except BaseException:
            # What was folded was not stored: fold it anew next time.
            self._running.clear()
            raise
        for outcome in outcomes:
            if outcome.session.status is not SessionStatus.ACTIVE:
                self._running.pop(outcome.session.id, None)
            self._tell(outcome, station.time_zone)

    async def end_idle(self) -> int:
        """End inferred sessions of stations that have fallen silent; return how many."""
        now = self._clock()
        ended = 0
        async with self._open_uow() as uow:
            for session in await uow.sessions.all_open():
                station = await uow.stations.get(session.station_id)
                silent_since = station.last_seen_at if station else None
                if (
                    SessionFlag.INFERRED in session.flags
                    and silent_since is not None
                    and now - silent_since > self._settings.idle
                    and await self._is_ours(session.station_id)
                ):
                    self._running.pop(session.id, None)
                    await uow.sessions.save(
                        _ended(session, session.last_frame_at, "idle")
                    )
                    ended += 1
            await uow.commit()
        return ended

    # -- the sessions of one station -------------------------------------------------------------

    async def _sessions(
        self, uow: UnitOfWork, station: Station, marks: Sequence[Mark]
    ) -> list[_Outcome]:
        named: dict[str, _New] = {}
        for mark in marks:
            if mark.session:
                new = _New.of(mark)
                before = named.get(mark.session)
                named[mark.session] = new if before is None else before.joined(new)
        outcomes = [
            await self._named(uow, station, name, new) for name, new in named.items()
        ]
        if unnamed := [mark for mark in marks if mark.session is None]:
            outcomes += await self._inferred(uow, station, unnamed)
        # A frame that names another session, or none, tells that earlier ones have ended.
        since = min(mark.from_ms for mark in marks)
        candidates = await uow.sessions.open_at(station.id)
        candidates += await uow.sessions.ended_by_frames(station.id, since)
        for session in candidates:
            if (
                session.station_session not in named
                and SessionFlag.INFERRED not in session.flags
            ):
                outcomes.append(
                    await self._named(uow, station, session.station_session, None)
                )
        return outcomes

    async def _named(
        self,
        uow: UnitOfWork,
        station: Station,
        name: str,
        new: _New | None,
    ) -> _Outcome:
        """Bring a session that the station named up to date; ``new`` says what has come of it."""
        events = await uow.events.of_session(station.id, name)
        started = _start_of(events)
        ended = _end_of(events)
        session = await uow.sessions.named(station.id, name)
        if session is not None and session.settled:
            return await self._settled(uow, station, session, new)
        fresh = session is None
        if session is None:
            session = await self._new(uow, station, name, started)
        tariff = session.tariff
        session = await self._with_token(uow, station, session, events, fresh=fresh)
        session = await self._with_tariff(uow, session)
        running = self._running.get(session.id)
        told = running.meter.last_key if running else None
        if session.tariff != tariff or not _can_go_on(running, session, new, started):
            running = None
        folded = await self._fold(uow, station, session, events, running, told)
        await self._save(uow, folded.session, folded.metered, folded.meter)
        if ended is not None:
            # Its end is in the sums: what comes now asks for all of it anew.
            self._running.pop(session.id, None)
        else:
            self._running[session.id].started = started
        return _Outcome(folded.session, folded.metered, folded.frames)

    async def _fold(
        self,
        uow: UnitOfWork,
        station: Station,
        session: Session,
        events: Sequence[SessionEvent],
        running: _Running | None,
        told: tuple[int, int] | None = None,
    ) -> _Folded:
        """Fold a named session's frames, from the first or on from where it runs; store nothing.

        ``told``: who watches has seen the frames up to this one.
        """
        started, ended = _start_of(events), _end_of(events)
        meter = (
            running.meter if running else SessionMeter(self._rules(station, session))
        )
        if running is None and started is not None:
            meter.open_with(started)
        # A session of a week is folded without being held in memory.
        frames: deque[Frame] = deque(maxlen=_LIVE_FRAMES_AT_MOST)
        async for frame in uow.frames.of_session(
            station.id,
            session.station_session,
            after=meter.last_key if running else None,
        ):
            meter.add(frame)
            if told is None or (frame.boot, frame.seq) > told:
                frames.append(frame)
        if ended is not None:
            meter.close_with(ended)
        metered = meter.result()
        session = _with_metered(session, metered, started, events)
        session = await self._with_end(uow, session, meter, ended)
        return _Folded(session, metered, meter, [*frames])

    async def _with_end(
        self,
        uow: UnitOfWork,
        session: Session,
        meter: SessionMeter,
        ended: SessionEvent | None,
    ) -> Session:
        """Say whether and when the session ended: by its event, or by a later frame without it."""
        if session.end_reason == ENDED_BY_ADMIN:
            return session
        if ended is not None:
            return _ended(
                session, from_ms(ended.at_ms), ended.reason or ended.type.value
            )
        if meter.last_key is not None:
            other = await uow.frames.next_other(
                session.station_id, session.station_session, meter.last_key
            )
            if other is not None:
                return _ended(session, other.at, None)
        status = SessionStatus.ACTIVE if session.frames else SessionStatus.PENDING
        return replace(session, status=status, ended_at=None, end_reason=None)

    # -- sessions that are settled -----------------------------------------------------------------

    async def meter_again(
        self, uow: UnitOfWork, session: Session, late: tuple[int, int]
    ) -> None:
        """Meter a session that is no longer settled, in the transaction at hand.

        ``late`` is the time (ms) that what came late covers. The caller holds the station.
        """
        station = await uow.stations.get(session.station_id)
        assert station is not None
        try:
            if SessionFlag.INFERRED in session.flags:
                await self._inferred(uow, station, [_mark(station.id, late)])
            else:
                await self._named(uow, station, session.station_session, None)
        finally:
            # The transaction may yet be undone.
            self._running.clear()

    async def _settled(
        self, uow: UnitOfWork, station: Station, session: Session, new: _New | None
    ) -> _Outcome:
        """Leave a settled session as it is; say that something came late.

        Where that would change a bill, a correction is opened, or an open one widened.
        """
        if new is not None and SessionFlag.LATE_FRAMES not in session.flags:
            log.warning("late_frames", session_id=session.id, bill_id=session.bill_id)
            session = replace(session, flags=session.flags | {SessionFlag.LATE_FRAMES})
            await uow.sessions.save(session)
        # What is past its retention cannot be metered anew: there is nothing to propose.
        if session.bill_id is None or SessionFlag.FRAMES_DROPPED in session.flags:
            return _Outcome(session, None, [])
        late = (
            (to_ms(session.started_at), to_ms(session.ended_at or session.started_at))
            if new is None
            else (new.from_ms, new.to_ms)
        )
        known = await uow.corrections.of_bill(session.bill_id)
        own = [each for each in known if each.session_id == session.id]
        if any(each.status is CorrectionStatus.OPEN for each in own):
            await uow.corrections.widen(session.id, late)
        elif (new is not None or not own) and await self._differs(
            uow, station, session
        ):
            await self._open_correction(uow, session, late)
        return _Outcome(session, None, [])

    async def _differs(
        self, uow: UnitOfWork, station: Station, session: Session
    ) -> bool:
        """Return whether a billed session would come out otherwise if it were metered anew."""
        if SessionFlag.INFERRED in session.flags:
            return True
        events = await uow.events.of_session(station.id, session.station_session)
        folded = await self._fold(uow, station, session, events, None)
        periods = await uow.sessions.periods(session.id)
        return _billable(folded.session, folded.metered.periods) != _billable(
            session, periods
        )

    async def _open_correction(
        self, uow: UnitOfWork, session: Session, late: tuple[int, int]
    ) -> None:
        assert session.bill_id is not None
        correction = Correction(
            id=str(uuid4()),
            session_id=session.id,
            bill_number=session.bill_id,
            opened_at=self._clock(),
            late_from=from_ms(late[0]),
            late_to=from_ms(late[1]),
        )
        await uow.corrections.open(correction)
        await uow.audit.add(
            at=self._clock(),
            actor="metering",
            action="correction.open",
            subject=f"correction:{correction.id}",
            after={"session_id": session.id, "bill": session.bill_id},
        )

    # -- stations that name no sessions ------------------------------------------------------------

    async def _inferred(
        self, uow: UnitOfWork, station: Station, marks: Sequence[Mark]
    ) -> list[_Outcome]:
        """Find sessions by their power: open when it flows, ended when none has for the idle time."""
        idle_ms = round(self._settings.idle.total_seconds() * 1000)
        new = _New.of(marks[0])
        for mark in marks[1:]:
            new = new.joined(_New.of(mark))
        low, high = new.from_ms - idle_ms, new.to_ms + idle_ms
        spans: list[list[int]] = []
        async for frame in uow.frames.unnamed(station.id, low, high):
            if frame.power_mw < CHARGING_FROM_MW:
                continue
            if spans and frame.at_ms - spans[-1][1] <= idle_ms:
                spans[-1][1] = max(spans[-1][1], frame.at_ms)
            else:
                spans.append([frame.at_ms, frame.at_ms])
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
        running = self._running.get(session.id)
        last = running.meter.last_power_ms if running else None
        if last is None:
            last = start = to_ms(session.started_at)
            end = to_ms(session.last_frame_at or session.started_at)
            async for frame in uow.frames.unnamed(session.station_id, start, end):
                if frame.power_mw >= CHARGING_FROM_MW:
                    last = frame.at_ms
        return last

    async def _span(
        self,
        uow: UnitOfWork,
        station: Station,
        near: Sequence[Session],
        span: tuple[int, int],
        heard_ms: int,
        new: _New,
    ) -> _Outcome:
        """Make one session of a stretch of power and the sessions it touches."""
        settled = [session for session in near if session.settled]
        if settled:
            return await self._settled(uow, station, settled[0], new)
        start, end = span
        for session in near:
            start = min(start, to_ms(session.started_at))
            end = max(end, await self._last_power_ms(uow, session))
        for merged in near[1:]:
            self._running.pop(merged.id, None)
            await _merge(uow, merged)
        session = (
            near[0] if near else await self._new(uow, station, f"power-{start}", None)
        )
        started_at = from_ms(start)
        running = (
            self._running.get(session.id) if started_at == session.started_at else None
        )
        session = await self._with_tariff(uow, replace(session, started_at=started_at))
        if running is not None and running.meter.frames != session.frames:
            running = None
        meter = (
            running.meter if running else SessionMeter(self._rules(station, session))
        )
        frames: deque[Frame] = deque(maxlen=_LIVE_FRAMES_AT_MOST)
        idle_ms = round(self._settings.idle.total_seconds() * 1000)
        until = end + round(self._settings.max_gap.total_seconds() * 1000)
        last_ms = meter.last_ms
        async for frame in uow.frames.unnamed(
            station.id, start if last_ms is None else last_ms + 1, until
        ):
            meter.add(frame)
            frames.append(frame)
        metered = meter.result()
        session = _with_metered(session, metered, None, [])
        session = replace(
            session, started_at=started_at, flags=session.flags | {SessionFlag.INFERRED}
        )
        if session.end_reason != ENDED_BY_ADMIN:
            if heard_ms > end + idle_ms:
                session = _ended(session, session.last_frame_at, "idle")
            else:
                session = replace(
                    session, status=SessionStatus.ACTIVE, ended_at=None, end_reason=None
                )
        await self._save(uow, session, metered, meter)
        return _Outcome(session, metered, [*frames])

    # -- parts ------------------------------------------------------------------------------------

    async def _new(
        self, uow: UnitOfWork, station: Station, name: str, started: SessionEvent | None
    ) -> Session:
        claimed = await uow.stations.take_claim(
            station.id, self._clock() - _CLAIM_HOLDS
        )
        return Session(
            id=str(uuid4()),
            station_id=station.id,
            station_session=name,
            user_id=claimed or station.user_id,
            status=SessionStatus.PENDING,
            started_at=from_ms(_started_ms(started)) if started else self._clock(),
        )

    async def _with_token(
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

    async def _with_tariff(self, uow: UnitOfWork, session: Session) -> Session:
        """Freeze the tariff in force at the start, once there is one."""
        if session.tariff is not None:
            return session
        tariff = await uow.tariffs.in_force(
            session.started_at, station_id=session.station_id, user_id=session.user_id
        )
        return replace(session, tariff=tariff)

    def _rules(self, station: Station, session: Session) -> MeteringRules:
        power, current = _thresholds(session.tariff)
        return MeteringRules(
            max_gap_ms=round(self._settings.max_gap.total_seconds() * 1000),
            max_power_mw=int(station.max_power_w * _RATING_MARGIN * 1000),
            tolerance=self._settings.tolerance,
            next_boundary=_Boundaries(session, station.time_zone),
            power_steps_mw=power,
            current_steps_ma=current,
        )

    async def _save(
        self, uow: UnitOfWork, session: Session, metered: Metered, meter: SessionMeter
    ) -> None:
        await uow.sessions.save(session)
        now = self._clock()
        running = self._running.get(session.id)
        if running is None or running.meter is not meter:
            running = self._running[session.id] = _Running(meter)
        if (
            session.status is not SessionStatus.ACTIVE
            or running.periods != len(metered.periods)
            or running.saved_at is None
            or now - running.saved_at >= _PERIODS_SAVED_EVERY
        ):
            await uow.sessions.save_periods(session.id, metered.periods)
            running.periods, running.saved_at = len(metered.periods), now

    def _tell(self, outcome: _Outcome, time_zone: str) -> None:
        """Hand what is new to those who watch the session."""
        session = outcome.session
        if not self._bus.wanted(session.id):
            return
        cost = running_cost(session, outcome.metered, time_zone)
        frames: list[Frame | None] = [*outcome.new]
        for frame in frames or [None]:
            self._bus.publish(
                LiveUpdate(session=session, frame=frame, running_cost=cost)
            )


def running_cost(
    session: Session, metered: Metered | None, time_zone: str
) -> Cdr | None:
    """Return what a session has cost so far; None without a tariff or anything metered."""
    if session.tariff is None or metered is None or not metered.periods:
        return None
    return rate(
        metered.periods,
        session.tariff,
        time_zone,
        started_at=metered.periods[0].started_at,
        ended_at=metered.periods[-1].ended_at,
    )


def _merged(marks: Iterable[Mark]) -> list[Mark]:
    """Return one mark for each session's frames and one for its events."""
    merged: dict[tuple[str | None, bool], Mark] = {}
    for mark in marks:
        of = (mark.session, mark.of_event)
        known = merged.get(of, mark)
        boot, seq = min((known.boot, known.seq), (mark.boot, mark.seq))
        merged[of] = replace(
            known,
            boot=boot,
            seq=seq,
            from_ms=min(known.from_ms, mark.from_ms),
            to_ms=max(known.to_ms, mark.to_ms),
        )
    return list(merged.values())


class _Boundaries:
    """When the price may change: at the tariff's boundaries and at local midnight."""

    def __init__(self, session: Session, time_zone: str) -> None:
        self._tariff = session.tariff
        self._started_at = session.started_at
        self._zone = ZoneInfo(time_zone)

    def __call__(self, after_ms: int) -> int:
        after = from_ms(after_ms)
        tomorrow = after.astimezone(self._zone).date() + timedelta(days=1)
        midnight = to_ms(datetime.combine(tomorrow, time.min, self._zone))
        if self._tariff is None:
            return midnight
        changes = next_boundary(
            self._tariff, after, self._zone, session_started_at=self._started_at
        )
        return midnight if changes is None else min(midnight, to_ms(changes))


def _thresholds(tariff: Tariff | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the powers (mW) and currents (mA) at which a tariff's restrictions turn."""
    powers: set[int] = set()
    currents: set[int] = set()
    for element in tariff.elements if tariff else ():
        r = element.restrictions
        powers.update(
            int(kw * 1_000_000) for kw in (r.min_power, r.max_power) if kw is not None
        )
        currents.update(
            int(a * 1000) for a in (r.min_current, r.max_current) if a is not None
        )
    return tuple(sorted(powers)), tuple(sorted(currents))


def _can_go_on(
    running: _Running | None,
    session: Session,
    new: _New | None,
    started: SessionEvent | None,
) -> bool:
    """Return whether the fold kept in memory is the stored one and all that is new comes after.

    An end comes after all frames; a start that is told late, or better, asks for all anew.
    """
    if (
        running is None
        or running.started != started
        or running.meter.frames != session.frames
    ):
        return False
    last = running.meter.last_key
    if new is None or new.frames is None:
        return True
    return last is not None and new.frames > last


def _mark(station_id: str, late: tuple[int, int]) -> Mark:
    """Return the mark of frames that name no session."""
    from_ms_, to_ms_ = late
    return Mark(
        station_id=station_id,
        session=None,
        boot=NO_BOOT,
        seq=0,
        from_ms=from_ms_,
        to_ms=to_ms_,
    )


def _billable(session: Session, periods: Iterable[ChargingPeriod]) -> object:
    """Return what a bill would rest on."""
    return session.started_at, session.ended_at, session.status, tuple(periods)


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


def _start_of(events: Iterable[SessionEvent]) -> SessionEvent | None:
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


def _end_of(events: Iterable[SessionEvent]) -> SessionEvent | None:
    """Return the event that tells most of the end."""
    by_worth = {EventType.SESSION_ENDED: 0, EventType.UNPLUGGED: 1}
    ends = [event for event in events if event.type in by_worth]
    return min(ends, key=lambda e: (by_worth[e.type], -e.at_ms), default=None)


def _started_ms(event: SessionEvent) -> int:
    return event.at_ms if event.started_at_ms is None else event.started_at_ms


def _ended(session: Session, at: datetime | None, reason: str | None) -> Session:
    """Complete a session; it never ends before it started."""
    return replace(
        session,
        status=SessionStatus.COMPLETED,
        ended_at=max(at or session.started_at, session.started_at),
        end_reason=reason,
    )


def _with_metered(
    session: Session,
    metered: Metered,
    started: SessionEvent | None,
    events: Iterable[SessionEvent],
) -> Session:
    starts = [
        ms for ms in (metered.first_ms, _started_ms(started) if started else None) if ms
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
