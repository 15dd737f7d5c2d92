"""Stations that wait for an admin, and ratings that an admin has set.

Every station that is known already was used without being asked for: it stays accepted.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what an admin decides."""
    for name, default in (("accepted", sa.true()), ("rating_set", sa.false())):
        op.add_column(
            "stations",
            sa.Column(name, sa.Boolean(), nullable=False, server_default=default),
        )


def downgrade() -> None:
    """Forget it; every station is accepted."""
    for name in ("rating_set", "accepted"):
        op.drop_column("stations", name)
