"""Firmware images that were deleted: updates still say what they brought."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

IMAGES = sa.table("firmware_images", sa.column("sha256"), sa.column("deleted_at"))
UPDATES = sa.table("firmware_updates", sa.column("sha256"))


def upgrade() -> None:
    """Note when an image was deleted."""
    op.add_column(
        "firmware_images", sa.Column("deleted_at", sa.DateTime(timezone=True))
    )


def downgrade() -> None:
    """Forget deleted images and their updates: their content is gone."""
    deleted = sa.select(IMAGES.c.sha256).where(IMAGES.c.deleted_at.is_not(None))
    op.execute(sa.delete(UPDATES).where(UPDATES.c.sha256.in_(deleted)))
    op.execute(sa.delete(IMAGES).where(IMAGES.c.deleted_at.is_not(None)))
    op.drop_column("firmware_images", "deleted_at")
