"""What the use cases need from the world. Adapters implement these; tests may too.

Everything that reads or writes happens inside a ``UnitOfWork``: one request or one ingest batch
is one transaction. Queries that a person makes take a ``Viewer``: what the person may not see is
not found, whatever id is asked for.

A ``ReadUnitOfWork`` cannot commit. Use it wherever nothing is written: readers never wait.
"""

from billing_service.services.ports.access import (
    Attempts,
    Grant,
    Grants,
    RefreshToken,
    ServiceToken,
    ServiceTokens,
    SignIns,
)
from billing_service.services.ports.audit import Audit, AuditEntry, AuditQuery
from billing_service.services.ports.bills import (
    BillQuery,
    BillRenderer,
    Bills,
    Supplier,
    Suppliers,
)
from billing_service.services.ports.charging_tokens import (
    ChargingToken,
    ChargingTokens,
    TokenType,
)
from billing_service.services.ports.common import Clock, Page
from billing_service.services.ports.corrections import Corrections
from billing_service.services.ports.firmware import (
    Firmware,
    FirmwareImage,
    FirmwareUpdate,
    UpdateStatus,
)
from billing_service.services.ports.frames import (
    Frames,
    Rejected,
    RejectedMessages,
    SessionEvents,
)
from billing_service.services.ports.live import LiveBus, LiveUpdate
from billing_service.services.ports.metering import (
    Leases,
    Mark,
    Marks,
    Span,
    Summaries,
)
from billing_service.services.ports.people import (
    NO_PASSWORD,
    Customer,
    Customers,
    Role,
    User,
    Users,
    Viewer,
)
from billing_service.services.ports.proofs import BillFile, Proofs
from billing_service.services.ports.sessions import SessionQuery, Sessions
from billing_service.services.ports.stations import (
    CommandSender,
    Station,
    StationAccess,
    Stations,
)
from billing_service.services.ports.tariffs import Tariffs
from billing_service.services.ports.unit_of_work import (
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    ReadUnitOfWork,
    UnitOfWork,
)

__all__ = [
    "NO_PASSWORD",
    "Attempts",
    "Audit",
    "AuditEntry",
    "AuditQuery",
    "BillFile",
    "BillQuery",
    "BillRenderer",
    "Bills",
    "ChargingToken",
    "ChargingTokens",
    "Clock",
    "CommandSender",
    "Corrections",
    "Customer",
    "Customers",
    "Firmware",
    "FirmwareImage",
    "FirmwareUpdate",
    "Frames",
    "Grant",
    "Grants",
    "Leases",
    "LiveBus",
    "LiveUpdate",
    "Mark",
    "Marks",
    "OpenReadUnitOfWork",
    "OpenUnitOfWork",
    "Page",
    "Proofs",
    "ReadUnitOfWork",
    "RefreshToken",
    "Rejected",
    "RejectedMessages",
    "Role",
    "ServiceToken",
    "ServiceTokens",
    "SessionEvents",
    "SessionQuery",
    "Sessions",
    "SignIns",
    "Span",
    "Station",
    "StationAccess",
    "Stations",
    "Summaries",
    "Supplier",
    "Suppliers",
    "Tariffs",
    "TokenType",
    "UnitOfWork",
    "UpdateStatus",
    "User",
    "Users",
    "Viewer",
]
