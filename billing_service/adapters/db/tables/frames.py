"""What stations sent: frames, their rollups, events, and what waits to be metered."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import BigInteger

from billing_service.adapters.db.tables.base import energy_columns, metadata
from billing_service.adapters.db.types import Instant, Serial, UtcDateTime

frames = Table(
    "frames",
    metadata,
    Column("station_id", Text, nullable=False),
    Column("boot", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("voltage_mv", Integer, nullable=False),
    Column("current_ma", Integer, nullable=False),
    Column("power_mw", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("register_mwh", BigInteger),
    Column("solar_mwh", BigInteger),
    Column("grid_mwh", BigInteger),
    Column("pilot", Text),
    Column("session", Text),
    Column("clock_synced", Boolean, nullable=False),
    Column("received_at", Instant, nullable=False),
    # A hypertable's unique keys need its time column. That a frame is stored once whatever its
    # time says is the work of frame_blocks.
    PrimaryKeyConstraint("station_id", "boot", "seq", "at"),
    Index("ix_frames_station_id_at", "station_id", "at"),
    Index("ix_frames_session", "station_id", "session", "boot", "seq"),
    sqlite_with_rowid=False,
)

FRAME_KEY = ("station_id", "boot", "seq", "at")

frame_blocks = Table(
    "frame_blocks",
    metadata,
    # Which frames were stored, a bit each; kept when the frames themselves are dropped.
    Column("station_id", Text, nullable=False),
    Column("boot", BigInteger, nullable=False),
    Column("block", BigInteger, nullable=False),
    Column("seqs", LargeBinary, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    # Between these times something was stored that the rollups do not count yet.
    Column("due_from", Instant),
    Column("due_to", Instant),
    PrimaryKeyConstraint("station_id", "boot", "block"),
    Index("ix_frame_blocks_due", "due_from"),
)

frame_summaries = Table(
    "frame_summaries",
    metadata,
    # What the session's frames from first_seq to last_seq say; made anew when it is missing.
    Column("station_id", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("boot", BigInteger, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("frames", BigInteger, nullable=False),
    Column("last_at", Instant, nullable=False, index=True),
    Column("made_by", Text, nullable=False),
    Column("stretches", LargeBinary, nullable=False),
    PrimaryKeyConstraint("station_id", "session", "boot", "first_seq"),
)

energy_hourly = Table(
    "energy_hourly",
    metadata,
    Column("station_id", Text, nullable=False),
    Column("hour", Instant, nullable=False),
    *energy_columns(),
    PrimaryKeyConstraint("station_id", "hour"),
)

energy_daily = Table(
    "energy_daily",
    metadata,
    Column("station_id", Text, nullable=False),
    # A day of the station's own time zone: of 23 to 25 hours.
    Column("day", Date, nullable=False),
    *energy_columns(),
    PrimaryKeyConstraint("station_id", "day"),
)

frame_evidence = Table(
    "frame_evidence",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id"), primary_key=True),
    Column("frames", BigInteger, nullable=False),
    Column("first_at", Instant),
    Column("last_at", Instant),
    Column("sha256", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

retention = Table(
    "retention",
    metadata,
    # One row: frames older than this have been dropped.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("dropped_before", Instant, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

marks = Table(
    "marks",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("station_id", Text, nullable=False, index=True),
    Column("session", Text),
    Column("boot", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
)

session_events = Table(
    "session_events",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("session", Text, nullable=False),
    Column("started_at", Instant),
    Column("meter_start_mwh", BigInteger),
    Column("meter_stop_mwh", BigInteger),
    Column("solar_start_mwh", BigInteger),
    Column("grid_start_mwh", BigInteger),
    Column("token", Text),
    Column("reason", Text),
    Column("received_at", UtcDateTime, nullable=False),
    UniqueConstraint("station_id", "session", "type", "at"),
)

rejected_messages = Table(
    "rejected_messages",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("topic", Text, nullable=False),
    Column("reason", Text, nullable=False, index=True),
    Column("message", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
