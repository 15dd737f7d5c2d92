"""Remember which frames were stored apart from the frames, and what they sum up to.

Raw frames may be dropped later, and a hypertable's unique keys need the time, which a station may
correct. ``frame_blocks`` says by itself which (station, boot, seq) were stored: a bit each, 4,096
to a row. The frames that are there are noted in it.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True)
INSTANT = sa.BigInteger().with_variant(
    postgresql.TIMESTAMP(timezone=True, precision=3), "postgresql"
)
BLOCK = 4096
HOUR_MS = 3_600_000
NO_BOOT = -1


def upgrade() -> None:
    """Widen the key of frames, make the new tables and fill ``frame_blocks``."""
    _set_frame_key("station_id, boot, seq, at")
    blocks = op.create_table(
        "frame_blocks",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("seqs", sa.LargeBinary(), nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.Column("due_from", INSTANT),
        sa.Column("due_to", INSTANT),
        sa.PrimaryKeyConstraint(
            "station_id", "boot", "block", name=op.f("pk_frame_blocks")
        ),
    )
    op.create_index("ix_frame_blocks_due", "frame_blocks", ["due_from"])
    for table, key in (
        ("energy_hourly", sa.Column("hour", INSTANT, nullable=False)),
        ("energy_daily", sa.Column("day", sa.Date(), nullable=False)),
    ):
        op.create_table(
            table,
            sa.Column("station_id", sa.Text(), nullable=False),
            key,
            sa.Column("frames", sa.BigInteger(), nullable=False),
            sa.Column("solar_mwh", sa.BigInteger(), nullable=False),
            sa.Column("grid_mwh", sa.BigInteger(), nullable=False),
            sa.Column("mean_power_mw", sa.BigInteger(), nullable=False),
            sa.Column("max_power_mw", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("station_id", key.name, name=op.f(f"pk_{table}")),
        )
    op.create_table(
        "frame_evidence",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("first_at", INSTANT),
        sa.Column("last_at", INSTANT),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_frame_evidence_session_id_sessions"),
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_frame_evidence")),
    )
    op.create_table(
        "retention",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dropped_before", INSTANT, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_retention_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention")),
    )
    _protect("frame_evidence", "the evidence of a session never changes")
    _fill(blocks)


def downgrade() -> None:
    """Drop what was made; a hypertable becomes a plain table again."""
    for table in (
        "retention",
        "frame_evidence",
        "energy_daily",
        "energy_hourly",
        "frame_blocks",
    ):
        op.drop_table(table)
    _set_frame_key("station_id, boot, seq")


def _set_frame_key(columns: str) -> None:
    """Give frames another primary key; its rows stay."""
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and not _is_hypertable(bind):
        op.execute("ALTER TABLE frames DROP CONSTRAINT pk_frames")
        op.execute(
            f"ALTER TABLE frames ADD CONSTRAINT pk_frames PRIMARY KEY ({columns})"
        )
        return
    # Neither SQLite nor a hypertable can change in place.
    op.drop_index("ix_frames_session", "frames")
    op.drop_index("ix_frames_station_id_at", "frames")
    if bind.dialect.name == "postgresql":
        op.execute("ALTER TABLE frames DROP CONSTRAINT pk_frames")
    op.rename_table("frames", "frames_before")
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
        sa.PrimaryKeyConstraint(*columns.split(", "), name=op.f("pk_frames")),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO frames SELECT * FROM frames_before")
    op.drop_table("frames_before")
    op.create_index(
        "ix_frames_session", "frames", ["station_id", "session", "boot", "seq"]
    )
    op.create_index("ix_frames_station_id_at", "frames", ["station_id", "at"])


def _is_hypertable(bind: sa.Connection) -> bool:
    """Return whether frames are a hypertable of TimescaleDB."""
    return (
        bind.scalar(sa.text("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'"))
        is not None
        and bind.scalar(
            sa.text(
                "SELECT 1 FROM timescaledb_information.hypertables"
                " WHERE hypertable_schema = current_schema()"
                " AND hypertable_name = 'frames'"
            )
        )
        is not None
    )


def _protect(table: str, why: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION refuse_change('{why}')"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{why}')"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{why}'); END"
        )


def _fill(blocks: sa.Table) -> None:
    """Note the frames that are stored already."""
    bind = op.get_bind()
    frames = sa.table(
        "frames",
        sa.column("station_id"),
        sa.column("boot"),
        sa.column("seq"),
        sa.column("at", INSTANT),
    )
    rows = bind.execute(
        sa.select(frames).order_by(frames.c.station_id, frames.c.boot, frames.c.seq),
        execution_options={"yield_per": 5000},
    )
    noted: list[dict[str, Any]] = []
    for made in _blocks(iter(rows)):
        noted.append(made)
        if len(noted) == 500:
            op.bulk_insert(blocks, noted)
            noted = []
    if noted:
        op.bulk_insert(blocks, noted)


def _blocks(rows: Iterator[Any]) -> Iterator[dict[str, Any]]:
    for (station_id, boot, block), group in groupby(
        rows,
        lambda r: (
            r.station_id,
            r.boot,
            r.seq // HOUR_MS if r.boot == NO_BOOT else r.seq // BLOCK,
        ),
    ):
        seqs = bytearray(b"" if boot == NO_BOOT else bytes(BLOCK // 8))
        times = []
        for row in group:
            times.append(row.at)
            if seqs:
                seqs[row.seq % BLOCK // 8] |= 1 << row.seq % 8
        yield {
            "station_id": station_id,
            "boot": boot,
            "block": block,
            "seqs": bytes(seqs),
            "first_at": min(times),
            "last_at": max(times),
            "due_from": min(times),
            "due_to": max(times),
        }
