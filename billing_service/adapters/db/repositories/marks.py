"""Which sessions wait to be metered."""

from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import marks, stations
from billing_service.services.ports import Mark

_LOCK_CLASS = 0x50_1A
"""The first half of the advisory lock's name (PostgreSQL); the station is the second."""


class MarkRepository(Repository):
    """The ``Marks`` port."""

    async def add(self, new: Sequence[Mark]) -> None:
        """Store them."""
        if not new:
            return
        await self._connection.execute(
            insert(marks),
            [
                {
                    "station_id": mark.station_id,
                    "session": mark.session,
                    "boot": mark.boot,
                    "seq": mark.seq,
                    "from_ms": mark.from_ms,
                    "to_ms": mark.to_ms,
                }
                for mark in new
            ],
        )

    async def waiting(self) -> list[str]:
        """Return the accepted stations that have marks."""
        result = await self._connection.scalars(
            select(marks.c.station_id)
            .distinct()
            .where(
                marks.c.station_id.in_(select(stations.c.id).where(stations.c.accepted))
            )
            .order_by(marks.c.station_id)
        )
        return list(result)

    async def crowded(self, most: int) -> list[str]:
        """Return the stations kept apart that have more than so many marks."""
        apart = select(stations.c.id).where(~stations.c.accepted)
        result = await self._connection.scalars(
            select(marks.c.station_id)
            .where(marks.c.station_id.in_(apart))
            .group_by(marks.c.station_id)
            .having(func.count() > most)
        )
        return list(result)

    async def take(self, station_id: str) -> list[Mark]:
        """Remove and return a station's marks, in order of id.

        Empty when another process is metering this station. In SQLite a write transaction is
        alone anyway.
        """
        if self._connection.dialect.name == "postgresql" and not (
            await self._connection.scalar(
                select(
                    func.pg_try_advisory_xact_lock(
                        _LOCK_CLASS, func.hashtext(station_id)
                    )
                )
            )
        ):
            return []
        result = await self._connection.execute(
            delete(marks).where(marks.c.station_id == station_id).returning(marks)
        )
        taken = [
            Mark(
                station_id=row.station_id,
                session=row.session,
                boot=row.boot,
                seq=row.seq,
                from_ms=row.from_ms,
                to_ms=row.to_ms,
                id=row.id,
            )
            for row in result
        ]
        return sorted(taken, key=lambda mark: mark.id)

    async def hold(self, station_id: str) -> None:
        """Wait until no one else meters this station; keep it so until the transaction ends."""
        await lock_metering(self._connection, station_id)


async def lock_metering(connection: AsyncConnection, station_id: str) -> None:
    """Wait until no one meters a station, and keep it so until the transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(
            select(func.pg_advisory_xact_lock(_LOCK_CLASS, func.hashtext(station_id)))
        )
