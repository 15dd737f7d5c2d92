"""What routes ask for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
from fastapi import Depends, Path, Query, Request
from fastapi.routing import APIRoute
from fastapi.security import OAuth2PasswordBearer
from pydantic import AfterValidator, AwareDatetime
from starlette.requests import HTTPConnection

from billing_service import patterns
from billing_service.domain.cdr import Cdr
from billing_service.domain.errors import NotAllowed, NotSignedIn
from billing_service.domain.tariff import Tariff
from billing_service.domain.usage import UsedSession
from billing_service.services.audit import Actor, AuditLog
from billing_service.services.auth import Auth
from billing_service.services.billing import Billing
from billing_service.services.bills import Bills
from billing_service.services.charging_tokens import ChargingTokens
from billing_service.services.corrections import Corrections
from billing_service.services.customers import Customers
from billing_service.services.exports import BilledCdr, Exports
from billing_service.services.months import Months
from billing_service.services.ports import Clock, LiveBus, OpenReadUnitOfWork
from billing_service.services.privacy import Privacy
from billing_service.services.service_tokens import SCOPES, ServiceTokens
from billing_service.services.sessions import Sessions
from billing_service.services.stations import Stations
from billing_service.services.suppliers import Suppliers
from billing_service.services.tariff_assignments import TariffAssignments
from billing_service.services.tariffs import Tariffs
from billing_service.services.updates import Updates
from billing_service.services.uploads import LogUploads
from billing_service.services.users import Users
from billing_service.services.verifying import Verifying

MAX_PAGE = 200
MAX_OFFSET = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The use cases behind the API, and the formats of documents that it speaks.

    ``checks`` are asked whether the service is ready: each returns None, or what is wrong.
    """

    auth: Auth
    users: Users
    privacy: Privacy
    service_tokens: ServiceTokens
    stations: Stations
    uploads: LogUploads
    charging_tokens: ChargingTokens
    updates: Updates
    tariffs: Tariffs
    tariff_assignments: TariffAssignments
    audit: AuditLog
    sessions: Sessions
    billing: Billing
    bills: Bills
    months: Months
    corrections: Corrections
    verifying: Verifying
    exports: Exports
    customers: Customers
    suppliers: Suppliers
    bus: LiveBus
    open_read: OpenReadUnitOfWork
    clock: Clock
    read_tariff: Callable[[object], Tariff]
    write_tariff: Callable[[Tariff], dict[str, Any]]
    export_cdr: Callable[[BilledCdr], dict[str, Any]]
    read_session: Callable[[object], UsedSession]
    write_cdr: Callable[[Cdr], dict[str, Any]]
    checks: dict[str, Callable[[], Awaitable[str | None]]]
    allowed_origins: tuple[str, ...] = ()
    public_url: str | None = None


def get_services(connection: HTTPConnection) -> Services:
    """Return what the lifespan has wired."""
    services: Services = connection.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]

SCOPE_KEY = "x-service-token-scope"

_bearer = OAuth2PasswordBearer(
    tokenUrl="auth/token", refreshUrl="auth/token", auto_error=False
)


def address_of(connection: HTTPConnection) -> str:
    """Return the client's network address."""
    return connection.client.host if connection.client else "unknown"


async def signed_in(
    request: Request,
    services: ServicesDep,
    token: Annotated[str | None, Depends(_bearer)],
) -> Actor:
    """Return who asks. Raises NotSignedIn, and NotAllowed for a service token without scope."""
    if not token:
        raise NotSignedIn("Sign in first.")
    actor = (await services.auth.recognise(token, address_of(request))).actor
    # What is logged while answering tells for whom, and about which session.
    structlog.contextvars.bind_contextvars(user_id=actor.user_id)
    if (session_id := request.path_params.get("session_id")) is not None:
        structlog.contextvars.bind_contextvars(session_id=session_id)
    check_scope(actor, scope_of(request.scope.get("route"), request.method))
    return actor


def scope_of(route: object, method: str) -> str | None:
    """Return what a service token needs for a route; None: no service token may use it.

    A route names its scope with ``scope``, below. Otherwise reading needs the scope of the
    route's tag, and anything else is for people only: a new route is closed until it is opened.
    """
    if not isinstance(route, APIRoute):
        return None
    named = (route.openapi_extra or {}).get(SCOPE_KEY)
    if named is not None:
        return str(named)
    by_tag = f"{route.tags[0]}:read" if route.tags else ""
    return by_tag if method == "GET" and by_tag in SCOPES else None


def scope(name: str) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that service tokens with a scope may use."""
    assert name in SCOPES
    return {SCOPE_KEY: name}


def check_scope(actor: Actor, needed: str | None) -> None:
    """Raise NotAllowed for a service token that lacks what is needed."""
    if actor.scopes is None:
        return
    if needed is None:
        raise NotAllowed("Service tokens may not do this.")
    if needed not in actor.scopes:
        raise NotAllowed(f"The service token lacks the scope {needed}.")


CurrentActor = Annotated[Actor, Depends(signed_in)]


async def admin(actor: CurrentActor) -> Actor:
    """Return the admin who asks. Raises NotSignedIn, NotAllowed."""
    if not actor.viewer.is_admin:
        raise NotAllowed("Only an admin may do this.")
    return actor


AdminActor = Annotated[Actor, Depends(admin)]


def _in_utc(moment: datetime | None) -> datetime | None:
    """Return it in UTC, where the first and the last days of the calendar may not exist."""
    try:
        return moment and moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


ServiceTokenId = Annotated[str, Path(pattern=patterns.ID)]
TokenUid = Annotated[str, Path(pattern=patterns.CARD_UID)]
SessionId = Annotated[str, Path(pattern=patterns.ID)]
UserId = Annotated[str, Path(pattern=patterns.ID)]
StationId = Annotated[str, Path(pattern=patterns.STATION_ID)]
TariffId = Annotated[str, Path(pattern=patterns.TARIFF_ID)]
IdFilter = Annotated[str | None, Query(pattern=patterns.ID)]
MomentFilter = Annotated[AwareDatetime | None, AfterValidator(_in_utc)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET)]
