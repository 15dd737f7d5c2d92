"""The first tables.

What is issued never changes: triggers refuse any UPDATE or DELETE of bills, CDRs, versions of
tariffs and the audit log, whoever is connected.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DECIMAL = sa.Text().with_variant(sa.Numeric(), "postgresql")
UTC_TIME = sa.DateTime(timezone=True)
INSTANT = sa.BigInteger().with_variant(
    postgresql.TIMESTAMP(timezone=True, precision=3), "postgresql"
)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

IMMUTABLE = {
    "bills": "an issued bill never changes",
    "cdrs": "a CDR never changes",
    "tariffs": "a version of a tariff never changes",
    "audit_log": "the audit log only grows",
}


def upgrade() -> None:
    """Make the tables and their triggers."""
    op.create_table(
        "audit_log",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", JSON),
        sa.Column("after", JSON),
        sa.Column("address", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(
        op.f("ix_audit_log_subject"), "audit_log", ["subject"], unique=False
    )
    op.create_table(
        "bill_counters",
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("series", "year", name=op.f("pk_bill_counters")),
    )
    op.create_table(
        "frames",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("voltage_mv", sa.Integer(), nullable=False),
        sa.Column("current_ma", sa.Integer(), nullable=False),
        sa.Column("power_mw", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("register_mwh", sa.BigInteger()),
        sa.Column("solar_mwh", sa.BigInteger()),
        sa.Column("grid_mwh", sa.BigInteger()),
        sa.Column("pilot", sa.Text()),
        sa.Column("session", sa.Text()),
        sa.Column("clock_synced", sa.Boolean(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("station_id", "boot", "seq", name=op.f("pk_frames")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_frames_session",
        "frames",
        ["station_id", "session", "boot", "seq"],
        unique=False,
    )
    op.create_index(
        "ix_frames_station_id_at", "frames", ["station_id", "at"], unique=False
    )
    op.create_table(
        "marks",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Text()),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marks")),
    )
    op.create_index(op.f("ix_marks_station_id"), "marks", ["station_id"], unique=False)
    op.create_table(
        "rejected_messages",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("received_at", UTC_TIME, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejected_messages")),
    )
    op.create_index(
        op.f("ix_rejected_messages_reason"),
        "rejected_messages",
        ["reason"],
        unique=False,
    )
    op.create_table(
        "session_events",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("meter_start_mwh", sa.BigInteger()),
        sa.Column("meter_stop_mwh", sa.BigInteger()),
        sa.Column("solar_start_mwh", sa.BigInteger()),
        sa.Column("grid_start_mwh", sa.BigInteger()),
        sa.Column("token", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("received_at", UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_events")),
        sa.UniqueConstraint(
            "station_id",
            "session",
            "type",
            "at",
            name=op.f("uq_session_events_station_id_session_type_at"),
        ),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index(
        op.f("ix_sign_in_attempts_account"),
        "sign_in_attempts",
        ["account"],
        unique=False,
    )
    op.create_index(
        op.f("ix_sign_in_attempts_address"),
        "sign_in_attempts",
        ["address"],
        unique=False,
    )
    op.create_index(
        op.f("ix_sign_in_attempts_at"), "sign_in_attempts", ["at"], unique=False
    )
    op.create_table(
        "tariffs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("effective_from", UTC_TIME),
        sa.Column("valid_until", UTC_TIME),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_tariffs")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("address", JSON, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("tokens_valid_from", UTC_TIME),
        sa.CheckConstraint("role IN ('admin', 'user')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name_key", name=op.f("uq_users_name_key")),
    )
    op.create_table(
        "bills",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total", DECIMAL, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_bills_user_id_users")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_bills")),
        sa.UniqueConstraint(
            "series", "year", "ordinal", name=op.f("uq_bills_series_year_ordinal")
        ),
    )
    op.create_table(
        "stations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("max_power_w", sa.Integer(), nullable=False),
        sa.Column("first_seen_at", UTC_TIME, nullable=False),
        sa.Column("last_seen_at", UTC_TIME),
        sa.Column("online", sa.Boolean()),
        sa.Column("user_id", sa.Text()),
        sa.Column("info", JSON),
        sa.Column("state", JSON),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_stations_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stations")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("station_session", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", UTC_TIME, nullable=False),
        sa.Column("ended_at", UTC_TIME),
        sa.Column("last_frame_at", UTC_TIME),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("solar_wh", DECIMAL, nullable=False),
        sa.Column("grid_wh", DECIMAL, nullable=False),
        sa.Column("integrated_wh", DECIMAL, nullable=False),
        sa.Column("estimated_wh", DECIMAL, nullable=False),
        sa.Column("meter_start_wh", DECIMAL),
        sa.Column("meter_stop_wh", DECIMAL),
        sa.Column("flags", JSON, nullable=False),
        sa.Column("inferred", sa.Boolean(), nullable=False),
        sa.Column("end_reason", sa.Text()),
        sa.Column("token", sa.Text()),
        sa.Column("tariff", sa.Text()),
        sa.Column("bill_id", sa.Text()),
        sa.CheckConstraint(
            "status IN ('PENDING', 'ACTIVE', 'COMPLETED', 'INVALID')",
            name=op.f("ck_sessions_status"),
        ),
        sa.ForeignKeyConstraint(
            ["bill_id"], ["bills.number"], name=op.f("fk_sessions_bill_id_bills")
        ),
        sa.ForeignKeyConstraint(
            ["station_id"],
            ["stations.id"],
            name=op.f("fk_sessions_station_id_stations"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint(
            "station_id",
            "station_session",
            name=op.f("uq_sessions_station_id_station_session"),
        ),
    )
    op.create_index("ix_sessions_started_at", "sessions", ["started_at"], unique=False)
    op.create_index(
        "ix_sessions_station_id_started_at",
        "sessions",
        ["station_id", "started_at"],
        unique=False,
    )
    op.create_index("ix_sessions_status", "sessions", ["status"], unique=False)
    op.create_index(
        "ix_sessions_user_id_started_at",
        "sessions",
        ["user_id", "started_at"],
        unique=False,
    )
    op.create_table(
        "station_claims",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("at", UTC_TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["station_id"],
            ["stations.id"],
            name=op.f("fk_station_claims_station_id_stations"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_station_claims_user_id_users")
        ),
        sa.PrimaryKeyConstraint("station_id", name=op.f("pk_station_claims")),
    )
    op.create_table(
        "cdrs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("bill_number", sa.Text(), nullable=False),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bill_number"], ["bills.number"], name=op.f("fk_cdrs_bill_number_bills")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_cdrs_session_id_sessions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cdrs")),
    )
    op.create_index(op.f("ix_cdrs_bill_number"), "cdrs", ["bill_number"], unique=False)
    op.create_index(op.f("ix_cdrs_session_id"), "cdrs", ["session_id"], unique=False)
    op.create_table(
        "charging_periods",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("started_at", UTC_TIME, nullable=False),
        sa.Column("ended_at", UTC_TIME, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("charging", sa.Boolean(), nullable=False),
        sa.Column("energy_wh", DECIMAL, nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("min_current_a", DECIMAL),
        sa.Column("max_current_a", DECIMAL),
        sa.Column("min_power_w", DECIMAL),
        sa.Column("max_power_w", DECIMAL),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_charging_periods_session_id_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "session_id", "ordinal", name=op.f("pk_charging_periods")
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        _protect_sqlite()


def _protect_sqlite() -> None:
    for table, why in IMMUTABLE.items():
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{why}'); END"
            )


def _protect_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation'; END $$"
    )
    for table, why in IMMUTABLE.items():
        op.execute(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION refuse_change('{why}')"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{why}')"
        )


def downgrade() -> None:
    """Drop all; the triggers go with their tables."""
    op.drop_table("charging_periods")
    op.drop_table("cdrs")
    op.drop_table("station_claims")
    op.drop_table("sessions")
    op.drop_table("stations")
    op.drop_table("bills")
    op.drop_table("users")
    op.drop_table("tariffs")
    op.drop_table("sign_in_attempts")
    op.drop_table("session_events")
    op.drop_table("rejected_messages")
    op.drop_table("marks")
    op.drop_table("frames")
    op.drop_table("bill_counters")
    op.drop_table("audit_log")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
