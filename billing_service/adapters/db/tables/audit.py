"""What was done by whom."""

from sqlalchemy import Column, ForeignKey, Table, Text
from sqlalchemy.types import BigInteger

from billing_service.adapters.db.tables.base import metadata
from billing_service.adapters.db.types import JsonObject, Serial, UtcDateTime

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("before", JsonObject),
    Column("after", JsonObject),
    Column("address", Text),
)

audit_personal = Table(
    "audit_personal",
    metadata,
    # What an entry says of a person, beside the log that nobody can change: so it can be erased.
    Column("entry_id", BigInteger, ForeignKey("audit_log.id"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("before", JsonObject),
    Column("after", JsonObject),
)
