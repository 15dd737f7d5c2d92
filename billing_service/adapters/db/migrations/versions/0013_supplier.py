"""Who issues bills, as an admin sets it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Make the table; until it has its row, the settings hold."""
    op.create_table(
        "supplier",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", JSON, nullable=False),
        sa.Column("vat_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("bill_series", sa.Text(), nullable=False),
        sa.Column("credit_series", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("vat_note", sa.Text(), nullable=False),
        sa.Column("payment_days", sa.Integer()),
        sa.Column("payment_info", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_supplier_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier")),
    )


def downgrade() -> None:
    """Drop it: the settings hold again."""
    op.drop_table("supplier")
