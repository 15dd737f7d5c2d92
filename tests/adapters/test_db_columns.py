"""What columns take, and what they refuse."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, StatementError

from billing_service.adapters.db import Database
from billing_service.adapters.db.database import SqlUnitOfWork
from tests.adapters.database import (
    session,
)


@pytest.mark.parametrize("wrong", [1.5, Decimal("NaN"), Decimal("Infinity")])
async def test_a_decimal_column_takes_decimals_only(
    uow: SqlUnitOfWork, wrong: Any
) -> None:
    """A float would have lost digits before anyone saw it."""
    with pytest.raises(StatementError, match=r"Decimal|stored"):
        await uow.sessions.save(session(solar_wh=wrong))


async def test_a_time_column_takes_aware_times_only(uow: SqlUnitOfWork) -> None:
    """A time without a zone means nothing."""
    naive = datetime(2026, 11, 23)  # noqa: DTZ001 -- what is refused
    with pytest.raises(StatementError, match="no time zone"):
        await uow.sessions.save(session(started_at=naive))


async def test_foreign_keys_hold(database: Database) -> None:
    """A session of a station that is not stored cannot be committed."""
    async with database.write() as uow:
        await uow.sessions.save(session(station_id="nowhere"))
        with pytest.raises(IntegrityError):
            await uow.commit()
