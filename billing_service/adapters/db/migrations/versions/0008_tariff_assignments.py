"""Tariffs for a user, a group or a station."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add groups of users, and who is covered by which tariff."""
    op.add_column("users", sa.Column("group_name", sa.Text()))
    op.create_table(
        "tariff_assignments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tariff_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("group_name", sa.Text()),
        sa.Column("station_id", sa.Text()),
        sa.Column("from_at", UTC_TIME),
        sa.Column("until_at", UTC_TIME),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_tariff_assignments_user_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["station_id"],
            ["stations.id"],
            name=op.f("fk_tariff_assignments_station_id_stations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariff_assignments")),
    )
    op.create_index(
        op.f("ix_tariff_assignments_tariff_id"), "tariff_assignments", ["tariff_id"]
    )


def downgrade() -> None:
    """Drop them: every tariff covers everyone again."""
    op.drop_table("tariff_assignments")
    op.drop_column("users", "group_name")
