"""Sum frames up by hour and day, and drop old ones when their sessions are settled.

Bills, CDRs, sessions, charging periods and rollups stay for ever. Before a session's frames go,
their number and hash are stored as its evidence, and the session is settled: frames that come
later are noted on it and change nothing, for it can no longer be metered anew.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from billing_service.domain.evidence import Evidence
from billing_service.domain.frame import from_ms, to_ms
from billing_service.domain.session import Session
from billing_service.services.evidence import readings_of
from billing_service.services.ports import Clock, UnitOfWork

log = structlog.get_logger(__name__)

HOUR_MS = 3_600_000
BLOCKS_AT_A_TIME = 20
SETTLED_AT_A_TIME = 50
_RATING_MARGIN = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergySums:
    """What a station's frames of a stretch of time sum up to: energies mWh, powers mW."""

    frames: int
    solar_mwh: int
    grid_mwh: int
    mean_power_mw: int
    max_power_mw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SumRules:
    """Bounds of what is summed up.

    No power is integrated across more than ``max_gap_ms``; registers rise by no more than
    ``max_power_mw`` delivers.
    """

    max_gap_ms: int
    max_power_mw: int


class History(Protocol):
    """Rollups of frames, and how old ones leave."""

    async def stations_due(self) -> list[str]:
        """Return the stations that have frames which no rollup counts."""

    async def take_due(self, station_id: str, limit: int) -> list[tuple[int, int]]:
        """Take so many stretches of time (ms, both ends included) that need summing up again.

        Until the transaction ends no one stores frames of this station.
        """

    async def sums(
        self, station_id: str, from_ms: int, to_ms: int, rules: SumRules
    ) -> EnergySums | None:
        """Sum up from_ms <= at < to_ms; None without frames there."""

    async def save_hour(self, station_id: str, hour_ms: int, sums: EnergySums) -> None:
        """Insert or replace the rollup of an hour (UTC)."""

    async def save_day(self, station_id: str, day: date, sums: EnergySums) -> None:
        """Insert or replace the rollup of a day of the station's time zone."""

    async def dropped_before(self) -> int | None:
        """Return the time (ms) before which frames were dropped, None when none ever were."""

    async def running_since(self, before_ms: int) -> int | None:
        """Return the oldest frame (ms) of open sessions that were heard then or later."""

    async def to_settle(self, before_ms: int, limit: int) -> list[Session]:
        """Return sessions that began before then and are neither running nor settled."""

    async def settle(self, session: Session, evidence: Evidence, at: datetime) -> bool:
        """Store a session's evidence and the flag FRAMES_DROPPED.

        False, and nothing stored, when the session has frames that wait to be metered.
        """

    async def drop_frames(self, before_ms: int, limit: int) -> int | None:
        """Drop frames older than that, at most so many; return how many, None when unknown.

        Less than ``limit``, or None: no more are left.
        """


class HistoryUnitOfWork(UnitOfWork, Protocol):
    """A transaction that may also sum up and drop frames."""

    @property
    def history(self) -> History:
        """See ``History``."""


type OpenHistory = Callable[[], AbstractAsyncContextManager[HistoryUnitOfWork]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintained:
    """What a run did. ``dropped`` is None when chunks were dropped without counting rows."""

    hours: int = 0
    days: int = 0
    settled: int = 0
    dropped: int | None = 0


class Maintenance:
    """What is to be done now and then: every few minutes is right, at any time is safe."""

    DROPPED_AT_A_TIME = 20_000

    def __init__(
        self,
        open_uow: OpenHistory,
        clock: Clock,
        *,
        keep: timedelta | None,
        max_gap: timedelta = timedelta(seconds=60),
    ) -> None:
        """Take what it works with; ``keep`` None keeps frames for ever."""
        self._open = open_uow
        self._clock = clock
        self._keep = keep
        self._max_gap_ms = round(max_gap.total_seconds() * 1000)

    async def run_once(self) -> Maintained:
        """Sum up what is new, then drop what is old. Raises StoreUnavailable.

        Many short transactions: ingest goes on in between, and a run that was cut off is finished
        by the next.
        """
        hours, days = await self.roll_up()
        settled, dropped = await self.drop_old()
        return Maintained(hours=hours, days=days, settled=settled, dropped=dropped)

    async def roll_up(self) -> tuple[int, int]:
        """Bring hourly and daily sums up to date; return how many of each were made."""
        hours = days = 0
        async with self._open() as uow:
            stations = await uow.history.stations_due()
        for station_id in stations:
            more = True
            while more:
                made_hours, made_days, more = await self._roll_up(station_id)
                hours += made_hours
                days += made_days
        return hours, days

    async def _roll_up(self, station_id: str) -> tuple[int, int, bool]:
        """Sum up what is due; say whether there was more than is taken at a time.

        What comes meanwhile waits for the next run: in a burst there would be no end of it.
        """
        async with self._open() as uow:
            due = await uow.history.take_due(station_id, BLOCKS_AT_A_TIME)
            station = await uow.stations.get(station_id)
            if not due or station is None:
                return 0, 0, False
            rules = SumRules(
                max_gap_ms=self._max_gap_ms,
                max_power_mw=int(station.max_power_w * 1000 * _RATING_MARGIN),
            )
            # What was dropped in part would come out too small.
            since = await uow.history.dropped_before() or 0
            hours = days = 0
            for hour in _hours(due):
                if hour >= since and (
                    sums := await uow.history.sums(
                        station_id, hour, hour + HOUR_MS, rules
                    )
                ):
                    await uow.history.save_hour(station_id, hour, sums)
                    hours += 1
            for day, start, end in _days(due, ZoneInfo(station.time_zone)):
                if start >= since and (
                    sums := await uow.history.sums(station_id, start, end, rules)
                ):
                    await uow.history.save_day(station_id, day, sums)
                    days += 1
            await uow.commit()
        return hours, days, len(due) == BLOCKS_AT_A_TIME

    async def drop_old(self) -> tuple[int, int | None]:
        """Settle old sessions and drop old frames; return how many of each."""
        if self._keep is None:
            return 0, 0
        before_ms = to_ms(self._clock() - self._keep)
        async with self._open() as uow:
            held_ms = await uow.history.running_since(before_ms)
        if held_ms is not None and held_ms < before_ms:
            log.info("frames_held", until=from_ms(held_ms).isoformat())
            before_ms = held_ms
        settled, all_settled = await self._settle(before_ms)
        if not all_settled:
            return settled, 0
        dropped = 0
        while True:
            async with self._open() as uow:
                part = await uow.history.drop_frames(before_ms, self.DROPPED_AT_A_TIME)
                await uow.commit()
            if part is None:
                return settled, None
            dropped += part
            if part < self.DROPPED_AT_A_TIME:
                return settled, dropped

    async def _settle(self, before_ms: int) -> tuple[int, bool]:
        """Settle sessions with frames from before then; False when one has to wait."""
        settled = 0
        while True:
            async with self._open() as uow:
                sessions = await uow.history.to_settle(before_ms, SETTLED_AT_A_TIME)
            if not sessions:
                return settled, True
            for session in sessions:
                async with self._open() as uow:
                    evidence = await readings_of(uow, session)
                    if not await uow.history.settle(session, evidence, self._clock()):
                        log.info("session_waits_for_metering", session_id=session.id)
                        return settled, False
                    await uow.commit()
                settled += 1


def _hours(due: Iterable[tuple[int, int]]) -> list[int]:
    """Return the start of each hour (UTC, ms) that the stretches touch, and of the one after.

    A frame that came late also changes what the next frame adds, in the next hour perhaps.
    """
    return sorted(
        {
            hour * HOUR_MS
            for first, last in due
            for hour in range(first // HOUR_MS, last // HOUR_MS + 2)
        }
    )


def _days(
    due: Iterable[tuple[int, int]], zone: ZoneInfo
) -> list[tuple[date, int, int]]:
    """Return each local day that the stretches touch, and the one after, with its start and end."""
    found: set[date] = set()
    for first, last in due:
        day = from_ms(first).astimezone(zone).date()
        until = from_ms(last).astimezone(zone).date() + timedelta(days=1)
        while day <= until:
            found.add(day)
            day += timedelta(days=1)
    return [
        (day, _midnight(day, zone), _midnight(day + timedelta(days=1), zone))
        for day in sorted(found)
    ]


def _midnight(day: date, zone: ZoneInfo) -> int:
    return to_ms(datetime.combine(day, time.min, zone).astimezone(UTC))
