"""The audit log keeps only the ends of card numbers, also of what it noted before.

It is the one change that is ever made to the log: what is taken out is a credential.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True), "postgresql"
)
LOG = sa.table(
    "audit_log",
    sa.column("id", sa.BigInteger()),
    sa.column("action", sa.Text()),
    sa.column("subject", sa.Text()),
    sa.column("before", JSON),
    sa.column("after", JSON),
)
_TRIGGER = "audit_log_refuse_update"


def upgrade() -> None:
    """Mask what is there."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.select(LOG).where(
            sa.or_(LOG.c.subject.like("token:%"), LOG.c.action == "session.assign")
        )
    ).all()
    with _unlocked(connection):
        for row in rows:
            kind, _, uid = row.subject.partition(":")
            connection.execute(
                sa.update(LOG)
                .where(LOG.c.id == row.id)
                .values(
                    subject=f"token:{_masked(uid)}" if kind == "token" else row.subject,
                    before=_without_uid(row.before),
                    after=_without_uid(row.after),
                )
            )


def downgrade() -> None:
    """Leave them masked: the rest of the numbers is gone."""


@contextmanager
def _unlocked(connection: sa.Connection) -> Iterator[None]:
    """Let rows of the log be changed, in this transaction alone."""
    if connection.dialect.name == "postgresql":
        op.execute("ALTER TABLE audit_log DISABLE TRIGGER audit_log_refuse_change")
        yield
        op.execute("ALTER TABLE audit_log ENABLE TRIGGER audit_log_refuse_change")
        return
    made = connection.execute(
        sa.text(
            "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name"
        ),
        {"name": _TRIGGER},
    ).scalar_one()
    op.execute(f"DROP TRIGGER {_TRIGGER}")
    yield
    connection.exec_driver_sql(made)


def _without_uid(facts: dict[str, Any] | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    masked = {
        name: _masked(value) if name in ("uid", "token") and value else value
        for name, value in facts.items()
    }
    if str(facts.get("uid") or "-") in str(facts.get("visual_number", "")).upper():
        masked["visual_number"] = masked["uid"]
    return masked


def _masked(uid: str) -> str:
    if uid.startswith("*"):
        return uid
    shown = min(len(uid) // 4, 4)
    return "*" + uid.upper()[len(uid) - shown :]
