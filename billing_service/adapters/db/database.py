"""Opens the database and its transactions.

SQLite runs in WAL mode. Its write transactions begin IMMEDIATE, so that what a transaction reads
before it writes cannot be changed in between, and wait for each other in turn; readers never
wait. PostgreSQL's run at READ COMMITTED, and take row locks where a counter is counted on.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import event, make_url, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from billing_service.adapters.db.repositories.audit import AuditRepository
from billing_service.adapters.db.repositories.bills import BillRepository
from billing_service.adapters.db.repositories.charging_tokens import (
    ChargingTokenRepository,
)
from billing_service.adapters.db.repositories.corrections import (
    CorrectionRepository,
)
from billing_service.adapters.db.repositories.customers import CustomerRepository
from billing_service.adapters.db.repositories.firmware import FirmwareRepository
from billing_service.adapters.db.repositories.frames import FrameRepository
from billing_service.adapters.db.repositories.grants import (
    GrantRepository,
    ServiceTokenRepository,
)
from billing_service.adapters.db.repositories.history import HistoryRepository
from billing_service.adapters.db.repositories.installation import (
    InstallationRepository,
)
from billing_service.adapters.db.repositories.marks import MarkRepository
from billing_service.adapters.db.repositories.messages import (
    RejectedRepository,
    SessionEventRepository,
)
from billing_service.adapters.db.repositories.proofs import ProofRepository
from billing_service.adapters.db.repositories.sessions import SessionRepository
from billing_service.adapters.db.repositories.sign_in import SignInRepository
from billing_service.adapters.db.repositories.stations import StationRepository
from billing_service.adapters.db.repositories.summaries import SummaryRepository
from billing_service.adapters.db.repositories.supplier import SupplierRepository
from billing_service.adapters.db.repositories.tariffs import TariffRepository
from billing_service.adapters.db.repositories.users import UserRepository
from billing_service.domain.errors import StoreUnavailable
from billing_service.services.ports import Clock

BUSY_TIMEOUT_MS = 15_000
"""How long a SQLite writer waits for another process's write."""

WRITES = "solarrally_writes"
"""The option of a connection that says whether its transactions write; they do unless told."""

_SQLITE_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        # A damaged file, until a backup is put in its place.
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)
_POSTGRES_AWAY = frozenset({"08", "25", "40", "53", "57", "58"})
"""SQLSTATE classes: connection, read-only standby, serialization, resources, operator, system."""


class SchemaMismatch(Exception):
    """The database's schema is not the one this version works with."""


class Database:
    """An engine and the transactions on it. Close it with ``dispose``."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Prepare; nothing is opened yet. Raises ValueError for a URL that cannot be used."""
        self.url = database_url(url)
        self._clock = clock
        self._is_sqlite = self.url.get_backend_name() == "sqlite"
        # One SQLite file takes one writer: within this process they queue in order of arrival.
        self._turn = asyncio.Lock() if self._is_sqlite else None
        self.engine = _create_engine(self.url)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[SqlUnitOfWork]:
        """Open a transaction that may write. It is undone unless committed.

        Raises StoreUnavailable when the database cannot be reached or cannot write now.
        """
        async with (
            self._turn or nullcontext(),
            self._connect(writes=True) as connection,
        ):
            yield SqlUnitOfWork(connection, self._clock)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqlReadUnitOfWork]:
        """Open a transaction that only reads, beside any writer. Raises StoreUnavailable."""
        async with self._connect(writes=False) as connection:
            yield SqlReadUnitOfWork(connection, self._clock)

    @asynccontextmanager
    async def _connect(self, *, writes: bool) -> AsyncIterator[AsyncConnection]:
        try:
            async with self.engine.connect() as connection:
                options: dict[str, Any] = {WRITES: writes}
                if not self._is_sqlite:
                    options["postgresql_readonly"] = not writes
                await connection.execution_options(**options)
                # The repositories also speak to the driver, past SQLAlchemy, which would begin
                # the transaction with its own first statement only.
                await connection.begin()
                yield connection
        except (DBAPIError, PoolTimeoutError, sqlite3.Error, psycopg.Error) as error:
            if is_away(error):
                raise unavailable(error) from error
            raise

    async def ping(self) -> None:
        """Ask the database for one row. Raises StoreUnavailable."""
        async with self._connect(writes=False) as connection:
            await connection.execute(text("SELECT 1"))

    async def dispose(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


class SqlReadUnitOfWork:
    """The repositories of one transaction, without a way to commit."""

    def __init__(self, connection: AsyncConnection, clock: Clock) -> None:
        """Give every repository the transaction's connection."""
        self._connection = connection
        self.frames = FrameRepository(connection)
        self.marks = MarkRepository(connection)
        self.rejected = RejectedRepository(connection)
        self.events = SessionEventRepository(connection)
        self.stations = StationRepository(connection)
        self.sessions = SessionRepository(connection)
        self.summaries = SummaryRepository(connection)
        self.tariffs = TariffRepository(connection, clock)
        self.bills = BillRepository(connection, clock)
        self.customers = CustomerRepository(connection)
        self.supplier = SupplierRepository(connection)
        self.proofs = ProofRepository(connection, clock)
        self.corrections = CorrectionRepository(connection)
        self.users = UserRepository(connection)
        self.firmware = FirmwareRepository(connection)
        self.charging_tokens = ChargingTokenRepository(connection)
        self.audit = AuditRepository(connection)
        self.sign_ins = SignInRepository(connection)
        self.grants = GrantRepository(connection)
        self.service_tokens = ServiceTokenRepository(connection)


class SqlUnitOfWork(SqlReadUnitOfWork):
    """The repositories of one transaction that may write."""

    def __init__(self, connection: AsyncConnection, clock: Clock) -> None:
        """Add what only writes."""
        super().__init__(connection, clock)
        self.history = HistoryRepository(connection)
        self.installation = InstallationRepository(connection)

    async def commit(self) -> None:
        """Make everything durable."""
        await self._connection.commit()


def unavailable(error: Exception) -> StoreUnavailable:
    """Return the error to raise for one that ``is_away``: what the driver said, on one line."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    said = " ".join(str(cause).split()) or type(error).__name__
    return StoreUnavailable(f"the database cannot be reached: {said}")


def is_away(error: Exception) -> bool:
    """Return whether trying again later may help, rather than a mistake of ours."""
    if isinstance(error, PoolTimeoutError):
        return True
    cause: BaseException | None = error
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        cause = error.orig
    if isinstance(cause, sqlite3.Error):
        # The low byte is the primary result code (sqlite.org/rescode.html).
        return (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_AWAY
    state = getattr(cause, "sqlstate", None)
    if state is None:
        # The connection broke, or was never made: no server told a reason.
        return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return str(state)[:2] in _POSTGRES_AWAY


def database_url(url: str) -> URL:
    """Check a database URL and choose its async driver. Raises ValueError with the reason."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        raise ValueError("not a database URL, such as sqlite:///file.db") from error
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError("SQLite needs a file: sqlite:///folder/file.db")
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise ValueError(f"{backend} is not supported; use sqlite:// or postgresql://")


def _create_engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        return create_async_engine(
            url,
            pool_pre_ping=True,
            pool_size=10,
            connect_args={
                "connect_timeout": 10,
                # A server that vanished without a word is noticed in half a minute, not in hours.
                "keepalives_idle": 15,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 30_000,
            },
        )
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, pool_size=10
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: it would begin them DEFERRED.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        # Without it, INSERT OR REPLACE would delete rows past the triggers that protect them.
        "recursive_triggers = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
