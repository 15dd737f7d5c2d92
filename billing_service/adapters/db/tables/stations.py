"""Stations, who may use them, their cards and their firmware."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
    true,
)
from sqlalchemy.types import BigInteger

from billing_service.adapters.db.tables.base import metadata
from billing_service.adapters.db.types import JsonObject, UtcDateTime

stations = Table(
    "stations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("max_power_w", Integer, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime),
    Column("online", Boolean),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("info", JsonObject),
    Column("state", JsonObject),
    Column("accepted", Boolean, nullable=False, server_default=true()),
    Column("rating_set", Boolean, nullable=False, server_default=false()),
    # Only its user and whom these two tables name may use it; nobody, should they be gone.
    Column("restricted", Boolean, nullable=False, server_default=false()),
)

station_users = Table(
    "station_users",
    metadata,
    Column("station_id", Text, ForeignKey("stations.id"), nullable=False),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    PrimaryKeyConstraint("station_id", "user_id"),
)

station_groups = Table(
    "station_groups",
    metadata,
    Column("station_id", Text, ForeignKey("stations.id"), nullable=False),
    Column("group_name", Text, nullable=False),
    PrimaryKeyConstraint("station_id", "group_name"),
)

station_claims = Table(
    "station_claims",
    metadata,
    Column("station_id", Text, ForeignKey("stations.id"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

charging_tokens = Table(
    "charging_tokens",
    metadata,
    # In upper case: OCPI compares uids without it.
    Column("uid", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("visual_number", Text, nullable=False),
    Column("valid", Boolean, nullable=False),
    Column("last_updated", UtcDateTime, nullable=False),
    CheckConstraint(
        "type IN ('AD_HOC_USER', 'APP_USER', 'OTHER', 'RFID')", name="type"
    ),
)

firmware_images = Table(
    "firmware_images",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("chip", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("uploaded_at", UtcDateTime, nullable=False),
    Column("content", LargeBinary, nullable=False),
    # Updates still say what they brought; the content is empty then.
    Column("deleted_at", UtcDateTime),
)

firmware_updates = Table(
    "firmware_updates",
    metadata,
    # The id of the command too.
    Column("id", Text, primary_key=True),
    Column("station_id", Text, ForeignKey("stations.id"), nullable=False),
    Column("sha256", Text, ForeignKey("firmware_images.sha256"), nullable=False),
    Column("version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("boot_before", BigInteger),
    Column("downloaded_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("error", Text),
    Column("message", Text, nullable=False),
    # A digest: who has the ticket may fetch the image.
    Column("ticket", Text, nullable=False, unique=True),
    Index("ix_firmware_updates_station_id_requested_at", "station_id", "requested_at"),
)
