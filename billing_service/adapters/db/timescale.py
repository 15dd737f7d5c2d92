"""TimescaleDB, where it is there: frames in chunks by time, which are dropped as a whole.

Which edition it is decides little. Ours is the work that needs to know of sessions: rollups, and
retention, which must keep a session's evidence before its frames go. Compression is left to the
community edition's policy.
"""

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger(__name__)

CHUNK = "7 days"
"""604,800 frames of a station at 1 Hz, about 100 MB with their indexes."""

COMPRESS_AFTER = "30 days"
"""Older chunks are written to only by uploads of old logs, which decompress what they touch."""


async def is_hypertable(connection: AsyncConnection) -> bool:
    """Return whether frames are a hypertable."""
    if connection.dialect.name != "postgresql" or not await _has_extension(connection):
        return False
    found = await connection.scalar(
        text(
            "SELECT 1 FROM timescaledb_information.hypertables WHERE"
            " hypertable_schema = current_schema() AND hypertable_name = 'frames'"
        )
    )
    return found is not None


async def adopt(connection: AsyncConnection) -> bool:
    """Make frames a hypertable if the server can; return whether they are one now.

    The rows that are there move into chunks. Safe to repeat.
    """
    if connection.dialect.name != "postgresql":
        return False
    if await is_hypertable(connection):
        return True
    if not await _has_extension(connection) and not await _create_extension(connection):
        return False
    await connection.execute(
        text(
            "SELECT create_hypertable('frames', by_range('at', CAST(:chunk AS interval)),"
            " create_default_indexes => false, migrate_data => true)"
        ),
        {"chunk": CHUNK},
    )
    await _compress(connection)
    log.info("timescaledb_adopted", license=await license_of(connection))
    return True


async def license_of(connection: AsyncConnection) -> str:
    """Return ``apache`` or ``timescale``, the community edition."""
    name: str = await connection.scalar(
        text("SELECT current_setting('timescaledb.license')")
    )
    return name


async def _has_extension(connection: AsyncConnection) -> bool:
    found = await connection.scalar(
        text("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
    )
    return found is not None


async def _create_extension(connection: AsyncConnection) -> bool:
    # Without its loader, creating the extension would end the connection.
    possible = await connection.scalar(
        text(
            "SELECT current_setting('timescaledb.disable_load', true) IS NOT NULL"
            " AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')"
        )
    )
    if not possible:
        return False
    try:
        async with connection.begin_nested():
            await connection.execute(text("CREATE EXTENSION timescaledb"))
    except DBAPIError as error:
        log.warning("timescaledb_not_adopted", error=str(error.orig))
        return False
    return True


async def _compress(connection: AsyncConnection) -> None:
    """Have old chunks compressed, where the edition can."""
    if await license_of(connection) != "timescale":
        return
    await connection.execute(
        text(
            "ALTER TABLE frames SET (timescaledb.compress,"
            " timescaledb.compress_segmentby = 'station_id, session',"
            " timescaledb.compress_orderby = 'boot, seq, at')"
        )
    )
    await connection.execute(
        text(
            "SELECT add_compression_policy('frames',"
            " compress_after => CAST(:after AS interval), if_not_exists => true)"
        ),
        {"after": COMPRESS_AFTER},
    )
