"""Payments and credit notes of bills.

Bills never change: what happens to one stands beside it, in tables that only grow.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables and protect their rows."""
    op.create_table(
        "bill_payments",
        sa.Column("bill_number", sa.Text(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["bill_number"],
            ["bills.number"],
            name=op.f("fk_bill_payments_bill_number_bills"),
        ),
        sa.PrimaryKeyConstraint("bill_number", name=op.f("pk_bill_payments")),
    )
    op.create_table(
        "bill_credits",
        sa.Column("bill_number", sa.Text(), nullable=False),
        sa.Column("credit_number", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["bill_number"],
            ["bills.number"],
            name=op.f("fk_bill_credits_bill_number_bills"),
        ),
        sa.ForeignKeyConstraint(
            ["credit_number"],
            ["bills.number"],
            name=op.f("fk_bill_credits_credit_number_bills"),
        ),
        sa.PrimaryKeyConstraint("bill_number", name=op.f("pk_bill_credits")),
        sa.UniqueConstraint(
            "credit_number", name=op.f("uq_bill_credits_credit_number")
        ),
    )
    op.create_index(op.f("ix_bills_user_id"), "bills", ["user_id"])
    op.create_index(op.f("ix_sessions_bill_id"), "sessions", ["bill_id"])
    _protect("bill_payments", "a payment never changes")
    _protect("bill_credits", "a credit note never changes")


def downgrade() -> None:
    """Drop the tables; credit notes stay among the bills."""
    op.drop_index(op.f("ix_sessions_bill_id"), "sessions")
    op.drop_index(op.f("ix_bills_user_id"), "bills")
    op.drop_table("bill_credits")
    op.drop_table("bill_payments")


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
