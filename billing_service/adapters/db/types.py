"""Column types that keep what the domain says: exact decimals, aware times, whole milliseconds."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Integer, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from billing_service.domain.frame import from_ms, to_ms

Serial = BigInteger().with_variant(Integer(), "sqlite")
"""An automatic row number. SQLite counts by itself only in a column it calls INTEGER."""

JsonObject = JSON(none_as_null=True).with_variant(
    JSONB(none_as_null=True), "postgresql"
)
"""JSON that is shown, not computed with. None is NULL."""


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal to the last digit: NUMERIC in PostgreSQL, text in SQLite, which has floats only.

    Text does not sort as numbers do; nothing sorts or sums by these columns in SQL.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the database at hand."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Numeric(asdecimal=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Write. Raises TypeError for a float, ValueError for NaN and infinities."""
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"{value!r} is not a Decimal")
        if not value.is_finite():
            raise ValueError(f"{value} cannot be stored")
        return value if dialect.name == "postgresql" else format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Read."""
        return None if value is None else Decimal(value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite keeps it as text of fixed width, which sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write. Raises ValueError for a time without an offset."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Read."""
        if value is None:
            return None
        return (
            value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        )


class Instant(TypeDecorator[int]):
    """Whole milliseconds since 1970: an integer in SQLite, TIMESTAMPTZ(3) in PostgreSQL.

    PostgreSQL gets its own time type so that hypertables, ``time_bucket`` and dashboards that
    read the table directly can work with it.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the database at hand."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True, precision=3))
        return dialect.type_descriptor(BigInteger())

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Write; SQLite takes the integer as it is."""
        if dialect.name != "postgresql":
            return None
        return lambda ms: None if ms is None else from_ms(ms)

    def result_processor(
        self, dialect: Dialect, coltype: Any
    ) -> Callable[[Any], Any] | None:
        """Read; SQLite gives the integer as it is."""
        if dialect.name != "postgresql":
            return None
        return lambda at: None if at is None else to_ms(at)
