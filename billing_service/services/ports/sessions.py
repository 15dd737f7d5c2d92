"""Sessions and their charging periods."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing_service.domain.period import ChargingPeriod
from billing_service.domain.session import Session, SessionStatus
from billing_service.services.ports.common import Page
from billing_service.services.ports.people import Viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionQuery:
    """Filters and paging of the session list; newest first."""

    station_id: str | None = None
    status: SessionStatus | None = None
    user_id: str | None = None
    started_from: datetime | None = None
    started_to: datetime | None = None
    billed: bool | None = None
    limit: int = 50
    offset: int = 0


class Sessions(Protocol):
    """Sessions and their derived charging periods."""

    async def get(self, session_id: str, viewer: Viewer) -> Session:
        """Return one. Raises NotFound, also for another's session."""

    async def named(self, station_id: str, station_session: str) -> Session | None:
        """Return the session a station calls so."""

    async def open_at(self, station_id: str) -> list[Session]:
        """Return the station's sessions that are PENDING or ACTIVE, oldest first."""

    async def all_open(self) -> list[Session]:
        """Return all sessions that are PENDING or ACTIVE."""

    async def inferred_near(
        self, station_id: str, from_ms: int, to_ms: int
    ) -> list[Session]:
        """Return INFERRED sessions that overlap the stretch, oldest first."""

    async def ended_by_frames(self, station_id: str, from_ms: int) -> list[Session]:
        """Return named sessions that are PENDING or ACTIVE, or ended without an event since."""

    async def page(self, query: SessionQuery, viewer: Viewer) -> Page[Session]:
        """Return one page, newest first."""

    async def stretch(
        self,
        viewer: Viewer,
        *,
        started_from: datetime | None,
        started_to: datetime | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Session]:
        """Return the next of the viewer's sessions after (started_at, id), oldest first."""

    async def unbilled(
        self, started_from: datetime, started_to: datetime, *, user_id: str | None
    ) -> list[Session]:
        """Return sessions without a bill that began then (end excluded), oldest first.

        ``user_id`` None: everyone's, and those that nobody drove.
        """

    async def save(self, session: Session) -> None:
        """Insert or replace, the frozen tariff included.

        The driver and the bill of a stored session stay as they are: ``assign`` and
        ``Bills.issue`` change those, perhaps while a session is being metered.
        """

    async def assign(self, session_id: str, user_id: str | None) -> None:
        """Set whose session it is. The caller has checked that it may."""

    async def driverless(self, token: str) -> list[str]:
        """Return the ids of unbilled sessions that a token started and that are nobody's."""

    async def save_periods(
        self, session_id: str, periods: Sequence[ChargingPeriod], *, kept: int = 0
    ) -> None:
        """Replace the session's periods; the first ``kept`` are stored already."""

    async def periods(self, session_id: str) -> list[ChargingPeriod]:
        """Return the session's periods in order."""

    async def delete(self, session_id: str) -> None:
        """Remove a session and its periods; its frames stay. The caller has checked that it may."""
