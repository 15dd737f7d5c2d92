"""Where everything meets: the database, the broker, the use cases and the API."""

from billing_service.app.checks import check_database
from billing_service.app.lifespan import running
from billing_service.app.serving import AddressUnusable, api, serve
from billing_service.app.wiring import (
    issuer_of,
    maintenance,
    open_database,
    uploads,
    utc_now,
    wire,
)
from billing_service.app.workers import (
    BrokerUnavailable,
    WorkersNeedPostgres,
    retire,
    work,
)

__all__ = [
    "AddressUnusable",
    "BrokerUnavailable",
    "WorkersNeedPostgres",
    "api",
    "check_database",
    "issuer_of",
    "maintenance",
    "open_database",
    "retire",
    "running",
    "serve",
    "uploads",
    "utc_now",
    "wire",
    "work",
]
