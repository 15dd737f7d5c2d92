"""Where everything is kept: SQLite for a home, PostgreSQL for more, from the same code."""

from billing_service.adapters.db.database import Database, SchemaMismatch
from billing_service.adapters.db.migrate import migrate

__all__ = ["Database", "SchemaMismatch", "migrate"]
