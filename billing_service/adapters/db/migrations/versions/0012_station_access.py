"""Several users, and groups of users, who may use a station.

A station that had one user, or was everyone's, stays so.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and say which stations they restrict."""
    op.add_column(
        "stations",
        sa.Column(
            "restricted", sa.Boolean(), nullable=False, server_default=sa.false()
        ),
    )
    op.create_table(
        "station_users",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station_id"],
            ["stations.id"],
            name=op.f("fk_station_users_station_id_stations"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_station_users_user_id_users")
        ),
        sa.PrimaryKeyConstraint("station_id", "user_id", name=op.f("pk_station_users")),
    )
    op.create_index(op.f("ix_station_users_user_id"), "station_users", ["user_id"])
    op.create_table(
        "station_groups",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station_id"],
            ["stations.id"],
            name=op.f("fk_station_groups_station_id_stations"),
        ),
        sa.PrimaryKeyConstraint(
            "station_id", "group_name", name=op.f("pk_station_groups")
        ),
    )


def downgrade() -> None:
    """Forget them: a station is its one user's again, or everyone's."""
    op.drop_table("station_groups")
    op.drop_table("station_users")
    op.drop_column("stations", "restricted")
