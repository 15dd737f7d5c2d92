"""The tables. Rows are mapped to domain values by the repositories, never used as such.

Kept in step with ``migrations/``: a test compares both.
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.types import BigInteger

from billing_service.adapters.db.types import (
    ExactDecimal,
    Instant,
    JsonObject,
    Serial,
    UtcDateTime,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _energy_columns() -> tuple[Column[Any], ...]:
    """Return what a stretch of time sums up to: energies mWh, powers mW."""
    return (
        Column("frames", BigInteger, nullable=False),
        Column("solar_mwh", BigInteger, nullable=False),
        Column("grid_mwh", BigInteger, nullable=False),
        Column("mean_power_mw", BigInteger, nullable=False),
        Column("max_power_mw", BigInteger, nullable=False),
    )


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

energy_hourly = Table(
    "energy_hourly",
    metadata,
    Column("station_id", Text, nullable=False),
    Column("hour", Instant, nullable=False),
    *_energy_columns(),
    PrimaryKeyConstraint("station_id", "hour"),
)

energy_daily = Table(
    "energy_daily",
    metadata,
    Column("station_id", Text, nullable=False),
    # A day of the station's own time zone: of 23 to 25 hours.
    Column("day", Date, nullable=False),
    *_energy_columns(),
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

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # The name as it is compared: two people may not differ by case alone.
    Column("name_key", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("full_name", Text, nullable=False),
    Column("email", Text),
    Column("address", JsonObject, nullable=False),
    Column("active", Boolean, nullable=False),
    # Tokens issued before are void: a new password or a sign-out everywhere moves it on.
    Column("tokens_valid_from", UtcDateTime),
    # Who pays by the same tariff.
    Column("group_name", Text),
    CheckConstraint("role IN ('admin', 'user')", name="role"),
)

installation = Table(
    "installation",
    metadata,
    # One row, once a process has needed it: what tells this installation from all others.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("mqtt_client_id", Text, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    # A digest: people type passwords into the wrong field.
    Column("account", Text, nullable=False, index=True),
    Column("address", Text, nullable=False, index=True),
)

grants = Table(
    "grants",
    metadata,
    # One sign-in on one device.
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=False),
    Column("address", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("revoked_at", UtcDateTime),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", Serial, primary_key=True),
    # The SHA-256 of the token: whoever reads the database cannot use it.
    Column("digest", Text, nullable=False, unique=True),
    Column("grant_id", Text, nullable=False, index=True),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("replaces", Text, nullable=False),
    ForeignKeyConstraint(["grant_id"], ["grants.id"], ondelete="CASCADE"),
)

service_tokens = Table(
    "service_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("scopes", JsonObject, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
)

stations = Table(
    "stations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("max_power_w", Integer, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime),
    Column("online", Boolean),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("info", JsonObject),
    Column("state", JsonObject),
    Column("accepted", Boolean, nullable=False, server_default=true()),
    Column("rating_set", Boolean, nullable=False, server_default=false()),
    # Only its user and whom these two tables name may use it; nobody, should they be gone.
    Column("restricted", Boolean, nullable=False, server_default=false()),
)

station_users = Table(
    "station_users",
    metadata,
    Column("station_id", Text, ForeignKey("stations.id"), nullable=False),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    PrimaryKeyConstraint("station_id", "user_id"),
)

station_groups = Table(
    "station_groups",
    metadata,
    Column("station_id", Text, ForeignKey("stations.id"), nullable=False),
    Column("group_name", Text, nullable=False),
    PrimaryKeyConstraint("station_id", "group_name"),
)

station_claims = Table(
    "station_claims",
    metadata,
    Column("station_id", Text, ForeignKey("stations.id"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

charging_tokens = Table(
    "charging_tokens",
    metadata,
    # In upper case: OCPI compares uids without it.
    Column("uid", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("visual_number", Text, nullable=False),
    Column("valid", Boolean, nullable=False),
    Column("last_updated", UtcDateTime, nullable=False),
    CheckConstraint(
        "type IN ('AD_HOC_USER', 'APP_USER', 'OTHER', 'RFID')", name="type"
    ),
)

firmware_images = Table(
    "firmware_images",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("chip", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("uploaded_at", UtcDateTime, nullable=False),
    Column("content", LargeBinary, nullable=False),
    # Updates still say what they brought; the content is empty then.
    Column("deleted_at", UtcDateTime),
)

firmware_updates = Table(
    "firmware_updates",
    metadata,
    # The id of the command too.
    Column("id", Text, primary_key=True),
    Column("station_id", Text, ForeignKey("stations.id"), nullable=False),
    Column("sha256", Text, ForeignKey("firmware_images.sha256"), nullable=False),
    Column("version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("boot_before", BigInteger),
    Column("downloaded_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("error", Text),
    Column("message", Text, nullable=False),
    # A digest: who has the ticket may fetch the image.
    Column("ticket", Text, nullable=False, unique=True),
    Index("ix_firmware_updates_station_id_requested_at", "station_id", "requested_at"),
)

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

session_checkpoints = Table(
    "session_checkpoints",
    metadata,
    # A fold of the session's frames up to (boot, seq); made anew when it is missing.
    Column("session_id", Text, nullable=False),
    Column("boot", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("frames", BigInteger, nullable=False),
    # What it rests on besides the frames: rules and code.
    Column("basis", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("session_id", "boot", "seq"),
    ForeignKeyConstraint(["session_id"], ["sessions.id"], ondelete="CASCADE"),
)

customers = Table(
    "customers",
    metadata,
    # How a user is named on bills, where it differs.
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("address", JsonObject, nullable=False),
    Column("vat_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("locale", Text, nullable=False),
)

supplier = Table(
    "supplier",
    metadata,
    # One row, once an admin has set it: what new bills say of who issues them.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("address", JsonObject, nullable=False),
    Column("vat_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("bill_series", Text, nullable=False),
    Column("credit_series", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("vat_note", Text, nullable=False),
    Column("payment_days", Integer),
    Column("payment_info", Text, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

bill_counters = Table(
    "bill_counters",
    metadata,
    Column("series", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    PrimaryKeyConstraint("series", "year"),
)

bills = Table(
    "bills",
    metadata,
    Column("number", Text, primary_key=True),
    Column("series", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("currency", Text, nullable=False),
    Column("total", ExactDecimal, nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("series", "year", "ordinal"),
    Index("ix_bills_user_id", "user_id"),
)

bill_payments = Table(
    "bill_payments",
    metadata,
    # A bill is paid once, and whole.
    Column("bill_number", Text, ForeignKey("bills.number"), primary_key=True),
    Column("paid_on", Date, nullable=False),
    Column("reference", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

bill_credits = Table(
    "bill_credits",
    metadata,
    # Which credit note, itself a row of bills, took back which bill.
    Column("bill_number", Text, ForeignKey("bills.number"), primary_key=True),
    Column(
        "credit_number", Text, ForeignKey("bills.number"), nullable=False, unique=True
    ),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
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

corrections = Table(
    "corrections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("session_id", Text, ForeignKey("sessions.id"), nullable=False),
    Column("bill_number", Text, ForeignKey("bills.number"), nullable=False),
    Column("status", Text, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("late_from", UtcDateTime, nullable=False),
    Column("late_to", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("credit_number", Text, ForeignKey("bills.number")),
    Column("new_bill_number", Text, ForeignKey("bills.number")),
    CheckConstraint(
        "status IN ('open', 'confirmed', 'dismissed', 'overtaken')", name="status"
    ),
    Index("ix_corrections_bill_number", "bill_number"),
    Index("ix_corrections_status_opened_at", "status", "opened_at"),
    # A session has one open correction at most.
    Index(
        "uq_corrections_open",
        "session_id",
        unique=True,
        sqlite_where=text("status = 'open'"),
        postgresql_where=text("status = 'open'"),
    ),
)

bill_evidence = Table(
    "bill_evidence",
    metadata,
    # What a bill rests on, as text: its SHA-256 stands on the bill, and in a chain.
    Column("bill_number", Text, ForeignKey("bills.number"), primary_key=True),
    Column("ordinal", Integer, nullable=False, unique=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("previous", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

bill_files = Table(
    "bill_files",
    metadata,
    # The SHA-256 of each PDF of a bill that was given out, whatever version laid it out.
    Column("bill_number", Text, ForeignKey("bills.number"), nullable=False),
    Column("sha256", Text, nullable=False),
    Column("given_out_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("bill_number", "sha256"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("before", JsonObject),
    Column("after", JsonObject),
    Column("address", Text),
)

audit_personal = Table(
    "audit_personal",
    metadata,
    # What an entry says of a person, beside the log that nobody can change: so it can be erased.
    Column("entry_id", BigInteger, ForeignKey("audit_log.id"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("before", JsonObject),
    Column("after", JsonObject),
)

IMMUTABLE = (
    "bills",
    "cdrs",
    "bill_payments",
    "bill_credits",
    "bill_evidence",
    "bill_files",
    "tariffs",
    "audit_log",
    "frame_evidence",
)
"""Tables whose rows triggers protect against any change."""
