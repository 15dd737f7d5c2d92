"""Which process meters which station, where several do (PostgreSQL).

The first to meter a station goes on metering it until it ends: it has the session's sums so far
in memory, and another would have to fold all frames anew. The lease is an advisory lock of a
connection of its own, so that it goes with the process, however that goes.
"""

from collections.abc import Callable
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from billing_service.adapters.db.database import is_away, unavailable

_LOCK_CLASS = 0x50_1C
"""The first half of the lock's name; the station is the second."""


class StationLeases:
    """The ``Leases`` port."""

    def __init__(
        self, engine: AsyncEngine, lost: Callable[[], None] = lambda: None
    ) -> None:
        """Take the database; ``lost`` is called when all leases have gone with a connection."""
        self._engine = engine
        self._lost = lost
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._held: set[str] = set()

    async def hold(self, station_id: str) -> bool:
        """Return whether the station is ours to meter. Raises StoreUnavailable."""
        try:
            if self._connection is None:
                _, options = self._engine.dialect.create_connect_args(self._engine.url)
                self._connection = await psycopg.AsyncConnection.connect(
                    **options, autocommit=True
                )
            if station_id in self._held:
                # A connection that has gone says so here, and its locks went with it.
                await self._connection.execute("SELECT 1")
                return True
            cursor = await self._connection.execute(
                "SELECT pg_try_advisory_lock(%s, hashtext(%s))",
                (_LOCK_CLASS, station_id),
            )
            row = await cursor.fetchone()
        except psycopg.Error as error:
            await self.close()
            if is_away(error):
                raise unavailable(error) from error
            raise
        if row is None or not row[0]:
            return False
        self._held.add(station_id)
        return True

    async def close(self) -> None:
        """Let all go."""
        connection, self._connection = self._connection, None
        if self._held:
            self._held.clear()
            self._lost()
        if connection is not None:
            await connection.close()
