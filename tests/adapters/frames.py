"""Frames for the tests of the database."""

from copy import replace
from datetime import UTC, datetime

from sqlalchemy import text

from billing_service.adapters.db.database import Database
from billing_service.domain.frame import NO_BOOT, Frame, Pilot, to_ms
from billing_service.domain.period import Source

T0 = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
T0_MS = to_ms(T0)


def make_frame(seq: int, **more: object) -> Frame:
    """Make frame ``seq`` of the garage: one every 10 s, 10 Wh of solar each."""
    made = Frame(
        "garage", 1, seq, T0_MS + seq * 10_000, 230_000, 15_652, 3_600_000, Source.SOLAR,
        (5000 + seq * 10) * 1000, (3000 + seq * 10) * 1000, 2_000_000, Pilot.C, "1-1",
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


def plain_frame(second: int, watts: int = 1000) -> Frame:
    """Make a frame of the smallest form, known by its time."""
    at_ms = T0_MS + second * 1000
    return Frame("garage", NO_BOOT, at_ms, at_ms, 230_000, 0, watts * 1000, Source.GRID)


async def count_frames(database: Database) -> int:
    """Return how many rows there are."""
    async with database.engine.connect() as connection:
        number: int = await connection.scalar(text("SELECT count(*) FROM frames"))
        return number
