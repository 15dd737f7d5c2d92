"""Tariffs, and the sessions that are metered and rated by them."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import BigInteger

from billing_service.adapters.db.tables.base import metadata
from billing_service.adapters.db.types import ExactDecimal, JsonObject, UtcDateTime

tariffs = Table(
    "tariffs",
    metadata,
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("effective_from", UtcDateTime),
    Column("valid_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("id", "version"),
)

tariff_assignments = Table(
    "tariff_assignments",
    metadata,
    # Whom a tariff covers; see domain.tariff_choice. Ended ones stay, for sessions that come late.
    Column("id", Text, primary_key=True),
    Column("tariff_id", Text, nullable=False, index=True),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("group_name", Text),
    Column("station_id", Text, ForeignKey("stations.id")),
    Column("from_at", UtcDateTime),
    Column("until_at", UtcDateTime),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "station_id",
        Text,
        ForeignKey("stations.id", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    Column("station_session", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("status", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("last_frame_at", UtcDateTime),
    Column("frames", BigInteger, nullable=False),
    Column("solar_wh", ExactDecimal, nullable=False),
    Column("grid_wh", ExactDecimal, nullable=False),
    Column("integrated_wh", ExactDecimal, nullable=False),
    Column("estimated_wh", ExactDecimal, nullable=False),
    Column("meter_start_wh", ExactDecimal),
    Column("meter_stop_wh", ExactDecimal),
    Column("flags", JsonObject, nullable=False),
    Column("inferred", Boolean, nullable=False),
    Column("end_reason", Text),
    Column("token", Text, index=True),
    Column("tariff", Text),
    Column("bill_id", Text, ForeignKey("bills.number")),
    UniqueConstraint("station_id", "station_session"),
    CheckConstraint(
        "status IN ('PENDING', 'ACTIVE', 'COMPLETED', 'INVALID')", name="status"
    ),
    Index("ix_sessions_started_at", "started_at"),
    Index("ix_sessions_user_id_started_at", "user_id", "started_at"),
    Index("ix_sessions_station_id_started_at", "station_id", "started_at"),
    Index("ix_sessions_status", "status"),
    Index("ix_sessions_bill_id", "bill_id"),
)

charging_periods = Table(
    "charging_periods",
    metadata,
    Column("session_id", Text, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("source", Text, nullable=False),
    Column("charging", Boolean, nullable=False),
    Column("energy_wh", ExactDecimal, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("min_current_a", ExactDecimal),
    Column("max_current_a", ExactDecimal),
    Column("min_power_w", ExactDecimal),
    Column("max_power_w", ExactDecimal),
    PrimaryKeyConstraint("session_id", "ordinal"),
    ForeignKeyConstraint(["session_id"], ["sessions.id"], ondelete="CASCADE"),
)

cdrs = Table(
    "cdrs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("session_id", Text, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("bill_number", Text, ForeignKey("bills.number"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("document", Text, nullable=False),
)
