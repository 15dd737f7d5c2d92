"""Rollups of frames, and how old frames leave."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Select,
    Table,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)

from billing_service.adapters.db import timescale
from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.repositories.frame_rows import frame_rows
from billing_service.adapters.db.repositories.marks import lock_metering
from billing_service.adapters.db.repositories.sessions import session_of
from billing_service.adapters.db.tables import (
    energy_daily,
    energy_hourly,
    frame_blocks,
    frame_evidence,
    frame_summaries,
    frames,
    marks,
    retention,
    sessions,
)
from billing_service.adapters.db.types import Instant
from billing_service.domain.evidence import Evidence
from billing_service.domain.frame import from_ms, to_ms
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.services.retention import EnergySums, SumRules

_COMPLETED = SessionStatus.COMPLETED.value
_ended_at = func.coalesce(
    sessions.c.ended_at, sessions.c.last_frame_at, sessions.c.started_at
)
_last_heard = func.coalesce(sessions.c.last_frame_at, sessions.c.started_at)
_open = sessions.c.status.in_((SessionStatus.PENDING.value, SessionStatus.ACTIVE.value))

# Energy between a frame and the one before belongs to the time of the later one. Registers where
# both frames have them and they rose by what the station can deliver; else E = Σ P·Δt: a trapezoid
# between frames of the same source, the earlier power when the source has changed.
_SUMS = """
WITH readings AS (
  SELECT {ms} AS at, boot, seq, source, power_mw, solar_mwh, grid_mwh FROM frames
  WHERE station_id = :station AND at < :to AND at >= coalesce(
    (SELECT max(at) FROM frames WHERE station_id = :station AND at < :from), :from)
), pairs AS (
  SELECT at, power_mw, source, solar_mwh, grid_mwh,
    lag(at) OVER w AS at0, lag(power_mw) OVER w AS power0, lag(source) OVER w AS source0,
    lag(solar_mwh) OVER w AS solar0, lag(grid_mwh) OVER w AS grid0
  FROM readings WINDOW w AS (ORDER BY at, boot, seq)
), parts AS (
  SELECT power_mw, source0, solar_mwh - solar0 AS solar, grid_mwh - grid0 AS grid,
    solar_mwh >= solar0 AND grid_mwh >= grid0 AND
      (solar_mwh - solar0 + grid_mwh - grid0 - 1000) * 3600000 <= :max_power * (at - at0)
      AS metered,
    CASE WHEN at - at0 > :max_gap THEN 0
      WHEN source = source0 THEN CAST(power_mw + power0 AS double precision) / 2 * (at - at0)
      ELSE CAST(power0 AS double precision) * (at - at0) END / 3600000 AS integrated
  FROM pairs WHERE at >= :from_ms
)
SELECT count(*), avg(power_mw), max(power_mw),
  sum(CASE WHEN metered THEN solar WHEN source0 = 'solar' THEN integrated END),
  sum(CASE WHEN metered THEN grid WHEN source0 = 'grid' THEN integrated END)
FROM parts
"""


class HistoryRepository(Repository):
    """The ``History`` port."""

    async def stations_due(self) -> list[str]:
        """Return the stations that have frames which no rollup counts."""
        found = await self._connection.scalars(
            select(frame_blocks.c.station_id)
            .where(frame_blocks.c.due_from.is_not(None))
            .distinct()
            .order_by(frame_blocks.c.station_id)
        )
        return list(found)

    async def take_due(self, station_id: str, limit: int) -> list[tuple[int, int]]:
        """Take so many stretches of time that need summing up again."""
        await (await frame_rows(self._connection)).lock([station_id])
        found = await self._connection.execute(
            select(frame_blocks)
            .where(
                frame_blocks.c.station_id == station_id,
                frame_blocks.c.due_from.is_not(None),
            )
            .order_by(frame_blocks.c.due_from)
            .limit(limit)
        )
        rows = found.all()
        for row in rows:
            await self._connection.execute(
                update(frame_blocks)
                .where(
                    frame_blocks.c.station_id == station_id,
                    frame_blocks.c.boot == row.boot,
                    frame_blocks.c.block == row.block,
                )
                .values(due_from=None, due_to=None)
            )
        return [(row.due_from, row.due_to) for row in rows]

    async def sums(
        self, station_id: str, from_ms_: int, to_ms_: int, rules: SumRules
    ) -> EnergySums | None:
        """Sum up from_ms <= at < to_ms; None without frames there."""
        at_in_ms = (
            "CAST(extract(epoch FROM at) * 1000 AS bigint)"
            if self._connection.dialect.name == "postgresql"
            else "at"
        )
        statement = text(_SUMS.format(ms=at_in_ms)).bindparams(
            bindparam("from", from_ms_, Instant()), bindparam("to", to_ms_, Instant())
        )
        result = await self._connection.execute(
            statement,
            {
                "station": station_id,
                "from_ms": from_ms_,
                "max_power": rules.max_power_mw,
                "max_gap": rules.max_gap_ms,
            },
        )
        number, mean, most, solar, grid = result.one()
        if number == 0:
            return None
        return EnergySums(
            frames=number,
            solar_mwh=round(solar or 0),
            grid_mwh=round(grid or 0),
            mean_power_mw=round(mean),
            max_power_mw=most,
        )

    async def save_hour(self, station_id: str, hour_ms: int, sums: EnergySums) -> None:
        """Insert or replace the rollup of an hour."""
        key = {"station_id": station_id, "hour": hour_ms}
        await self._replace(energy_hourly, key, _values(sums))

    async def save_day(self, station_id: str, day: date, sums: EnergySums) -> None:
        """Insert or replace the rollup of a local day."""
        key = {"station_id": station_id, "day": day}
        await self._replace(energy_daily, key, _values(sums))

    async def dropped_before(self) -> int | None:
        """Return the time before which frames were dropped."""
        found: int | None = await self._connection.scalar(
            select(retention.c.dropped_before)
        )
        return found

    async def running_since(self, before_ms: int) -> int | None:
        """Return the oldest frame of open sessions that were heard then or later."""
        running = (_open, _last_heard >= from_ms(before_ms))
        named = (
            select(sessions.c.station_id, sessions.c.station_session)
            .where(*running, ~sessions.c.inferred)
            .subquery()
        )
        oldest: int | None = await self._connection.scalar(
            select(func.min(frames.c.at)).join(
                named,
                (frames.c.station_id == named.c.station_id)
                & (frames.c.session == named.c.station_session),
            )
        )
        started: datetime | None = await self._connection.scalar(
            select(func.min(sessions.c.started_at)).where(*running, sessions.c.inferred)
        )
        found = (oldest, None if started is None else to_ms(started))
        return min((ms for ms in found if ms is not None), default=None)

    async def to_settle(self, before_ms: int, limit: int) -> list[Session]:
        """Return sessions that have frames from before then and are not settled."""
        query: Select[Any] = (
            select(sessions)
            .outerjoin(frame_evidence, frame_evidence.c.session_id == sessions.c.id)
            .where(
                sessions.c.started_at < from_ms(before_ms),
                or_(~_open, _last_heard < from_ms(before_ms)),
                frame_evidence.c.session_id.is_(None),
            )
            .order_by(sessions.c.started_at, sessions.c.id)
            .limit(limit)
        )
        return [session_of(row) for row in await self._connection.execute(query)]

    async def settle(self, session: Session, evidence: Evidence, at: datetime) -> bool:
        """Store a session's evidence and the flag; False when metering has to go first.

        A session that was never ended, for its station fell silent, ends where it was last heard.
        """
        await lock_metering(self._connection, session.station_id)
        waiting = await self._connection.scalar(
            select(func.count())
            .select_from(marks)
            .where(
                marks.c.station_id == session.station_id,
                marks.c.session.is_(None)
                if SessionFlag.INFERRED in session.flags
                else marks.c.session == session.station_session,
            )
        )
        if waiting:
            return False
        await self._connection.execute(
            insert(frame_evidence).values(
                session_id=session.id,
                frames=evidence.frames,
                first_at=evidence.first_ms,
                last_at=evidence.last_ms,
                sha256=evidence.sha256,
                created_at=at,
            )
        )
        flags = sorted(
            flag.value for flag in session.flags | {SessionFlag.FRAMES_DROPPED}
        )
        await self._connection.execute(
            update(sessions)
            .where(sessions.c.id == session.id)
            .values(flags=flags, status=_COMPLETED, ended_at=_ended_at)
        )
        return True

    async def drop_frames(self, before_ms: int, limit: int) -> int | None:
        """Drop frames older than that: whole chunks of a hypertable, else rows."""
        known = await self.dropped_before()
        if known is None or known < before_ms:
            await self._replace(retention, {"id": 1}, {"dropped_before": before_ms})
        await self._connection.execute(
            delete(frame_summaries).where(frame_summaries.c.last_at < before_ms)
        )
        if await timescale.is_hypertable(self._connection):
            chunks = await self._connection.execute(
                text("SELECT drop_chunks('frames', older_than => :before)").bindparams(
                    bindparam("before", before_ms, Instant())
                )
            )
            return None if chunks.all() else 0
        dropped = 0
        stations = await self._connection.scalars(
            select(frame_blocks.c.station_id).distinct()
        )
        key = (frames.c.station_id, frames.c.boot, frames.c.seq, frames.c.at)
        for station_id in list(stations):
            old = (
                select(*key)
                .where(frames.c.station_id == station_id, frames.c.at < before_ms)
                .limit(limit - dropped)
            )
            result = await self._connection.execute(
                delete(frames).where(tuple_(*key).in_(old))
            )
            dropped += result.rowcount
            if dropped >= limit:
                break
        return dropped

    async def _replace(
        self, table: Table, key: dict[str, Any], values: dict[str, Any]
    ) -> None:
        statement = self._insert(table).values(key | values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=[*key], set_=values)
        )


def _values(sums: EnergySums) -> dict[str, Any]:
    return {
        "frames": sums.frames,
        "solar_mwh": sums.solar_mwh,
        "grid_mwh": sums.grid_mwh,
        "mean_power_mw": sums.mean_power_mw,
        "max_power_mw": sums.max_power_mw,
    }
