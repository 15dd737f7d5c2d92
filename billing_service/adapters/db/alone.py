"""Keeps a SQLite database to one service.

Two would share one name at the broker, and so throw each other out of their session there. The
lock is the operating system's, so that it goes with the process, however that goes; the file that
it is on stays, and says nothing.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL


class DatabaseInUse(Exception):
    """Another service runs on the database."""

    def __init__(self, file: Path) -> None:
        """Say what to do."""
        super().__init__(
            f"another solarrally serve runs on {file}: stop it first, or name another database"
            " (SOLARRALLY_DATA_DIR, SOLARRALLY_DATABASE_URL)"
        )


@contextmanager
def alone_on(database: URL) -> Iterator[None]:
    """Be the one service on a SQLite database; on PostgreSQL there may be several.

    Commands take no part in it. Raises DatabaseInUse, and OSError when the lock cannot be made.
    """
    if database.get_backend_name() != "sqlite" or database.database is None:
        yield
        return
    # By whichever name, one database has one lock. Not on the file itself: SQLite locks that.
    file = Path(database.database).resolve()
    lock = os.open(f"{file}.lock", os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseInUse(file) from None
        yield
    finally:
        os.close(lock)
