"""The tables. Rows are mapped to domain values by the repositories, never used as such.

Kept in step with ``migrations/``: a test compares both.
"""

from billing_service.adapters.db.tables.audit import audit_log, audit_personal
from billing_service.adapters.db.tables.base import metadata
from billing_service.adapters.db.tables.bills import (
    bill_counters,
    bill_credits,
    bill_evidence,
    bill_files,
    bill_payments,
    bills,
    corrections,
    customers,
    supplier,
)
from billing_service.adapters.db.tables.frames import (
    FRAME_KEY,
    energy_daily,
    energy_hourly,
    frame_blocks,
    frame_evidence,
    frame_summaries,
    frames,
    marks,
    rejected_messages,
    retention,
    session_events,
)
from billing_service.adapters.db.tables.installation import installation
from billing_service.adapters.db.tables.people import (
    grants,
    refresh_tokens,
    service_tokens,
    sign_in_attempts,
    users,
)
from billing_service.adapters.db.tables.sessions import (
    cdrs,
    charging_periods,
    sessions,
    tariff_assignments,
    tariffs,
)
from billing_service.adapters.db.tables.stations import (
    charging_tokens,
    firmware_images,
    firmware_updates,
    station_claims,
    station_groups,
    station_users,
    stations,
)

IMMUTABLE = (
    "bills",
    "cdrs",
    "bill_payments",
    "bill_credits",
    "bill_evidence",
    "bill_files",
    "tariffs",
    "audit_log",
    "frame_evidence",
)
"""Tables whose rows triggers protect against any change."""

__all__ = [
    "FRAME_KEY",
    "IMMUTABLE",
    "audit_log",
    "audit_personal",
    "bill_counters",
    "bill_credits",
    "bill_evidence",
    "bill_files",
    "bill_payments",
    "bills",
    "cdrs",
    "charging_periods",
    "charging_tokens",
    "corrections",
    "customers",
    "energy_daily",
    "energy_hourly",
    "firmware_images",
    "firmware_updates",
    "frame_blocks",
    "frame_evidence",
    "frame_summaries",
    "frames",
    "grants",
    "installation",
    "marks",
    "metadata",
    "refresh_tokens",
    "rejected_messages",
    "retention",
    "service_tokens",
    "session_events",
    "sessions",
    "sign_in_attempts",
    "station_claims",
    "station_groups",
    "station_users",
    "stations",
    "supplier",
    "tariff_assignments",
    "tariffs",
    "users",
]
