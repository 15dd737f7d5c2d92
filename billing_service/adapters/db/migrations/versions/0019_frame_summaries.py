"""Summaries of frames take the place of kept folds: they hold under any rules."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

INSTANT = sa.BigInteger().with_variant(
    postgresql.TIMESTAMP(timezone=True, precision=3), "postgresql"
)


def upgrade() -> None:
    """Make the table, which fills as sessions are metered; the folds are of no more use."""
    op.drop_table("session_checkpoints")
    op.create_table(
        "frame_summaries",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("stretches", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "station_id",
            "session",
            "boot",
            "first_seq",
            name=op.f("pk_frame_summaries"),
        ),
    )
    op.create_index(op.f("ix_frame_summaries_last_at"), "frame_summaries", ["last_at"])


def downgrade() -> None:
    """Go back to kept folds, without any: sessions are folded anew."""
    op.drop_table("frame_summaries")
    op.create_table(
        "session_checkpoints",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_session_checkpoints_session_id_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "session_id", "boot", "seq", name=op.f("pk_session_checkpoints")
        ),
    )
