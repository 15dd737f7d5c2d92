"""The installation itself."""

from sqlalchemy import CheckConstraint, Column, Integer, Table, Text

from billing_service.adapters.db.tables.base import metadata

installation = Table(
    "installation",
    metadata,
    # One row, once a process has needed it: what tells this installation from all others.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("mqtt_client_id", Text, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
