"""Which PDFs of bills were given out, so that they are known when bills look otherwise."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_WHY = "which files were given out never changes"


def upgrade() -> None:
    """Make the table and protect its rows."""
    op.create_table(
        "bill_files",
        sa.Column("bill_number", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("given_out_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["bill_number"],
            ["bills.number"],
            name=op.f("fk_bill_files_bill_number_bills"),
        ),
        sa.PrimaryKeyConstraint("bill_number", "sha256", name=op.f("pk_bill_files")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER bill_files_refuse_change BEFORE UPDATE OR DELETE ON bill_files "
            f"FOR EACH ROW EXECUTE FUNCTION refuse_change('{_WHY}')"
        )
        op.execute(
            "CREATE TRIGGER bill_files_refuse_truncate BEFORE TRUNCATE ON bill_files "
            f"FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{_WHY}')"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER bill_files_refuse_{verb.lower()} BEFORE {verb} ON bill_files "
            f"BEGIN SELECT RAISE(ABORT, '{_WHY}'); END"
        )


def downgrade() -> None:
    """Drop it: only files that today's layout prints are known then."""
    op.drop_table("bill_files")
