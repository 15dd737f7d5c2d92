"""Rounds of metering: which stations have something new, each in a transaction of its own."""

from collections.abc import Sequence

from billing_service.domain.cdr import Cdr
from billing_service.domain.frame import Frame
from billing_service.domain.metering import Metered
from billing_service.domain.rating import rate
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.services.metering.folds import Folds
from billing_service.services.metering.inferred import InferredSessions
from billing_service.services.metering.marks import mark_of_unnamed, merged, news_of
from billing_service.services.metering.named import NamedSessions
from billing_service.services.metering.parts import Openings, Outcome, ended
from billing_service.services.metering.rules import MeteringSettings
from billing_service.services.metering.settled import SettledSessions
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

MARKS_AT_MOST = 1000
"""Of a station that waits to be accepted."""


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
        openings = Openings(clock)
        self._folds = Folds(clock, settings)
        settled = SettledSessions(clock, self._folds)
        self._named = NamedSessions(openings, self._folds, settled)
        self._inferred = InferredSessions(settings, openings, self._folds, settled)

    async def run_once(self) -> int:
        """Meter every station that has something new; return how many frames were new."""
        async with self._open_uow() as uow:
            stations = await uow.marks.waiting()
        ours = [
            station_id for station_id in stations if await self._is_ours(station_id)
        ]
        frames = 0
        for station_id in ours:
            frames += await self.meter_station(station_id)
        await self._merge_marks()
        return frames

    async def _is_ours(self, station_id: str) -> bool:
        return self._leases is None or await self._leases.hold(station_id)

    async def _merge_marks(self) -> None:
        """Keep the marks of stations that wait to be accepted few: one for each session."""
        async with self._open_uow() as uow:
            crowded = await uow.marks.crowded(MARKS_AT_MOST)
            for station_id in crowded:
                await uow.marks.add(merged(await uow.marks.take(station_id)))
            if crowded:
                await uow.commit()

    async def meter_station(self, station_id: str) -> int:
        """Bring one station's sessions up to date, in one transaction; return the new frames."""
        try:
            async with self._open_uow() as uow:
                marks = await uow.marks.take(station_id)
                if not marks:
                    return 0
                station = await uow.stations.get(station_id)
                # Ingest stores the station with its first marks.
                assert station is not None
                outcomes = await self._sessions(uow, station, marks)
                await uow.commit()
        except BaseException:
            # What was folded was not stored: fold it anew next time.
            self._folds.forget_all()
            raise
        for outcome in outcomes:
            if outcome.session.status is not SessionStatus.ACTIVE:
                self._folds.forget(outcome.session.id)
            self._tell(outcome, station.time_zone)
        return sum(len(outcome.new) for outcome in outcomes)

    async def end_idle(self) -> int:
        """End inferred sessions of stations that have fallen silent; return how many."""
        now = self._clock()
        number = 0
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
                    self._folds.forget(session.id)
                    await uow.sessions.save(
                        ended(session, session.last_frame_at, "idle")
                    )
                    number += 1
            await uow.commit()
        return number

    async def catch_up(self, uow: UnitOfWork, station_id: str) -> None:
        """Meter what waits of a station, in the transaction at hand. The caller holds it."""
        station = await uow.stations.get(station_id)
        if station is None or not station.accepted:
            return
        try:
            if marks := await uow.marks.take(station_id):
                await self._sessions(uow, station, marks)
        finally:
            # The transaction may yet be undone.
            self._folds.forget_all()

    async def meter_again(
        self, uow: UnitOfWork, session: Session, late: tuple[int, int]
    ) -> None:
        """Meter a session that is no longer settled, in the transaction at hand.

        ``late`` is the time (ms) that what came late covers. The caller holds the station.
        """
        station = await uow.stations.get(session.station_id)
        assert station is not None
        # What came late was noted, perhaps by another process, and is in no fold that is kept.
        self._folds.forget(session.id)
        try:
            if SessionFlag.INFERRED in session.flags:
                mark = mark_of_unnamed(station.id, late)
                await self._inferred.meter(uow, station, [mark])
            else:
                await self._named.meter(uow, station, session.station_session, None)
        finally:
            # The transaction may yet be undone.
            self._folds.forget_all()

    async def _sessions(
        self, uow: UnitOfWork, station: Station, marks: Sequence[Mark]
    ) -> list[Outcome]:
        named = news_of(marks)
        outcomes = [
            await self._named.meter(uow, station, name, new)
            for name, new in named.items()
        ]
        if unnamed := [mark for mark in marks if mark.session is None]:
            outcomes += await self._inferred.meter(uow, station, unnamed)
        # A frame that names another session, or none, tells that earlier ones have ended.
        since = min(mark.from_ms for mark in marks)
        for session in await uow.sessions.ended_by_frames(station.id, since):
            if session.station_session not in named:
                outcomes.append(
                    await self._named.meter(uow, station, session.station_session, None)
                )
        return outcomes

    def _tell(self, outcome: Outcome, time_zone: str) -> None:
        """Hand what is new to those who watch the session."""
        session = outcome.session
        if not self._bus.wanted(session.id):
            return
        cost = running_cost(session, outcome.metered, time_zone)
        frames: list[Frame | None] = [*outcome.new] or [None]
        for place, frame in enumerate(frames, start=1):
            self._bus.publish(
                LiveUpdate(
                    session=session,
                    frame=frame,
                    running_cost=cost,
                    more=place < len(frames),
                )
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
