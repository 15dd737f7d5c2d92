"""Corrections of billed sessions, and the evidence that bills rest on."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables and protect the evidence."""
    op.create_table(
        "corrections",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("bill_number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("opened_at", UTC_TIME, nullable=False),
        sa.Column("late_from", UTC_TIME, nullable=False),
        sa.Column("late_to", UTC_TIME, nullable=False),
        sa.Column("closed_at", UTC_TIME),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("credit_number", sa.Text()),
        sa.Column("new_bill_number", sa.Text()),
        sa.CheckConstraint(
            "status IN ('open', 'confirmed', 'dismissed', 'overtaken')",
            name=op.f("ck_corrections_status"),
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_corrections_session_id_sessions"),
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], ["bills.number"], name=op.f(f"fk_corrections_{column}_bills")
            )
            for column in ("bill_number", "credit_number", "new_bill_number")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_bill_number"), "corrections", ["bill_number"])
    op.create_index(
        op.f("ix_corrections_status_opened_at"), "corrections", ["status", "opened_at"]
    )
    op.create_index(
        op.f("uq_corrections_open"),
        "corrections",
        ["session_id"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "bill_evidence",
        sa.Column("bill_number", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", UTC_TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["bill_number"],
            ["bills.number"],
            name=op.f("fk_bill_evidence_bill_number_bills"),
        ),
        sa.PrimaryKeyConstraint("bill_number", name=op.f("pk_bill_evidence")),
        sa.UniqueConstraint("ordinal", name=op.f("uq_bill_evidence_ordinal")),
        sa.UniqueConstraint("sha256", name=op.f("uq_bill_evidence_sha256")),
    )
    _protect("bill_evidence", "the evidence of a bill never changes")


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("bill_evidence")
    op.drop_table("corrections")


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
