"""Who may sign in, with what, and how often they have tried."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Table,
    Text,
)

from billing_service.adapters.db.tables.base import metadata
from billing_service.adapters.db.types import JsonObject, Serial, UtcDateTime

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # The name as it is compared: two people may not differ by case alone.
    Column("name_key", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("full_name", Text, nullable=False),
    Column("email", Text),
    Column("address", JsonObject, nullable=False),
    Column("active", Boolean, nullable=False),
    # Tokens issued before are void: a new password or a sign-out everywhere moves it on.
    Column("tokens_valid_from", UtcDateTime),
    # Who pays by the same tariff.
    Column("group_name", Text),
    CheckConstraint("role IN ('admin', 'user')", name="role"),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    # A digest: people type passwords into the wrong field.
    Column("account", Text, nullable=False, index=True),
    Column("address", Text, nullable=False, index=True),
)

grants = Table(
    "grants",
    metadata,
    # One sign-in on one device.
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=False),
    Column("address", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("revoked_at", UtcDateTime),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", Serial, primary_key=True),
    # The SHA-256 of the token: whoever reads the database cannot use it.
    Column("digest", Text, nullable=False, unique=True),
    Column("grant_id", Text, nullable=False, index=True),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("replaces", Text, nullable=False),
    ForeignKeyConstraint(["grant_id"], ["grants.id"], ondelete="CASCADE"),
)

service_tokens = Table(
    "service_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("scopes", JsonObject, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
)
