"""Which process does what one alone may do, where there are several (PostgreSQL).

Most of all which meters which station: the first to meter a station goes on metering it until it
ends: it has the session's sums so far in memory, and another would have to fold frames anew.
The lease is an advisory lock of a connection of its own, so that it goes with the process, however
that goes.
"""

from collections.abc import Callable
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from billing_service.adapters.db.database import is_away, unavailable

METERING = 0x50_1C
"""Leases of stations, by their id: whoever holds one meters it."""
RETIRING = 0x50_1E
"""Leases of sessions at the broker, by client id: two that use one throw each other out."""
KEEPING = 0x50_1F
"""Leases of a group's spare sessions at the broker, by the group."""


class PostgresLeases:
    """The ``Leases`` port."""

    def __init__(
        self,
        engine: AsyncEngine,
        kind: int = METERING,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the database and what is leased; ``lost`` is called when a connection took all."""
        self._engine = engine
        self._kind = kind
        self._lost = lost
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._held: set[str] = set()

    async def hold(self, name: str) -> bool:
        """Return whether it is ours. Raises StoreUnavailable."""
        try:
            if self._connection is None:
                _, options = self._engine.dialect.create_connect_args(self._engine.url)
                self._connection = await psycopg.AsyncConnection.connect(
                    **options, autocommit=True
                )
            if name in self._held:
                # A connection that has gone says so here, and its locks went with it.
                await self._connection.execute("SELECT 1")
                return True
            cursor = await self._connection.execute(
                "SELECT pg_try_advisory_lock(%s, hashtext(%s))",
                (self._kind, name),
            )
            row = await cursor.fetchone()
        except psycopg.Error as error:
            await self.close()
            if is_away(error):
                raise unavailable(error) from error
            raise
        if row is None or not row[0]:
            return False
        self._held.add(name)
        return True

    async def close(self) -> None:
        """Let all go."""
        connection, self._connection = self._connection, None
        if self._held:
            self._held.clear()
            self._lost()
        if connection is not None:
            await connection.close()
