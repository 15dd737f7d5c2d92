"""Firmware images, and updates of stations."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "firmware_images",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("chip", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("uploaded_at", UTC_TIME, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_firmware_images")),
    )
    op.create_table(
        "firmware_updates",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("requested_at", UTC_TIME, nullable=False),
        sa.Column("boot_before", sa.BigInteger()),
        sa.Column("downloaded_at", UTC_TIME),
        sa.Column("finished_at", UTC_TIME),
        sa.Column("error", sa.Text()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sha256"],
            ["firmware_images.sha256"],
            name=op.f("fk_firmware_updates_sha256_firmware_images"),
        ),
        sa.ForeignKeyConstraint(
            ["station_id"],
            ["stations.id"],
            name=op.f("fk_firmware_updates_station_id_stations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firmware_updates")),
        sa.UniqueConstraint("ticket", name=op.f("uq_firmware_updates_ticket")),
    )
    op.create_index(
        "ix_firmware_updates_station_id_requested_at",
        "firmware_updates",
        ["station_id", "requested_at"],
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("firmware_updates")
    op.drop_table("firmware_images")
