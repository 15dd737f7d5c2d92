"""Tokens that people start charges with."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table, and find sessions by their token."""
    op.create_table(
        "charging_tokens",
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("visual_number", sa.Text(), nullable=False),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("last_updated", UTC_TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_charging_tokens_user_id_users")
        ),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_charging_tokens")),
        sa.CheckConstraint(
            "type IN ('AD_HOC_USER', 'APP_USER', 'OTHER', 'RFID')",
            name=op.f("ck_charging_tokens_type"),
        ),
    )
    op.create_index(op.f("ix_charging_tokens_user_id"), "charging_tokens", ["user_id"])
    op.create_index(op.f("ix_sessions_token"), "sessions", ["token"])


def downgrade() -> None:
    """Drop the table; sessions keep their drivers."""
    op.drop_index(op.f("ix_sessions_token"), "sessions")
    op.drop_table("charging_tokens")
