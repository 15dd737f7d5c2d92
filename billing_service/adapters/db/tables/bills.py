"""Bills, who they are from and to, what they stand on, and what corrects them."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from billing_service.adapters.db.tables.base import metadata
from billing_service.adapters.db.types import ExactDecimal, JsonObject, UtcDateTime

customers = Table(
    "customers",
    metadata,
    # How a user is named on bills, where it differs.
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("address", JsonObject, nullable=False),
    Column("vat_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("locale", Text, nullable=False),
)

supplier = Table(
    "supplier",
    metadata,
    # One row, once an admin has set it: what new bills say of who issues them.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("address", JsonObject, nullable=False),
    Column("vat_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("bill_series", Text, nullable=False),
    Column("credit_series", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("vat_note", Text, nullable=False),
    Column("payment_days", Integer),
    Column("payment_info", Text, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

bill_counters = Table(
    "bill_counters",
    metadata,
    Column("series", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    PrimaryKeyConstraint("series", "year"),
)

bills = Table(
    "bills",
    metadata,
    Column("number", Text, primary_key=True),
    Column("series", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("currency", Text, nullable=False),
    Column("total", ExactDecimal, nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("series", "year", "ordinal"),
    Index("ix_bills_user_id", "user_id"),
)

bill_payments = Table(
    "bill_payments",
    metadata,
    # A bill is paid once, and whole.
    Column("bill_number", Text, ForeignKey("bills.number"), primary_key=True),
    Column("paid_on", Date, nullable=False),
    Column("reference", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

bill_credits = Table(
    "bill_credits",
    metadata,
    # Which credit note, itself a row of bills, took back which bill.
    Column("bill_number", Text, ForeignKey("bills.number"), primary_key=True),
    Column(
        "credit_number", Text, ForeignKey("bills.number"), nullable=False, unique=True
    ),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("session_id", Text, ForeignKey("sessions.id"), nullable=False),
    Column("bill_number", Text, ForeignKey("bills.number"), nullable=False),
    Column("status", Text, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("late_from", UtcDateTime, nullable=False),
    Column("late_to", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("credit_number", Text, ForeignKey("bills.number")),
    Column("new_bill_number", Text, ForeignKey("bills.number")),
    CheckConstraint(
        "status IN ('open', 'confirmed', 'dismissed', 'overtaken')", name="status"
    ),
    Index("ix_corrections_bill_number", "bill_number"),
    Index("ix_corrections_status_opened_at", "status", "opened_at"),
    # A session has one open correction at most.
    Index(
        "uq_corrections_open",
        "session_id",
        unique=True,
        sqlite_where=text("status = 'open'"),
        postgresql_where=text("status = 'open'"),
    ),
)

bill_evidence = Table(
    "bill_evidence",
    metadata,
    # What a bill rests on, as text: its SHA-256 stands on the bill, and in a chain.
    Column("bill_number", Text, ForeignKey("bills.number"), primary_key=True),
    Column("ordinal", Integer, nullable=False, unique=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("previous", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

bill_files = Table(
    "bill_files",
    metadata,
    # The SHA-256 of each PDF of a bill that was given out, whatever version laid it out.
    Column("bill_number", Text, ForeignKey("bills.number"), nullable=False),
    Column("sha256", Text, nullable=False),
    Column("given_out_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("bill_number", "sha256"),
)
