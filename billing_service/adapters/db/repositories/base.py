"""What the repositories share."""

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


class Repository:
    """A repository works on the connection of its transaction.

    Where it turns a database's refusal into an error of the domain, the refused statement stands
    in a savepoint: PostgreSQL would otherwise refuse all that follows in the transaction.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        """Keep the transaction's connection."""
        self._connection = connection

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """Return an INSERT that knows ON CONFLICT in the database at hand."""
        if self._connection.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)
