"""Stations and commands to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from billing_service.services.ports.people import Viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A station that was heard or registered. ``info`` and ``state`` are its last messages.

    ``user_id`` is the user whose it is: what nobody else is known to charge there is theirs, and
    others need a StationAccess. One that is not ``accepted`` is kept apart: what it sends is stored, and metered once an admin accepts it.
    ``rating_set``: an admin has set ``max_power_w``, and what the station says of it is ignored.
    """

    id: str
    name: str
    time_zone: str
    max_power_w: int
    first_seen_at: datetime
    last_seen_at: datetime | None = None
    online: bool | None = None
    user_id: str | None = None
    info: dict[str, Any] | None = None
    state: dict[str, Any] | None = None
    accepted: bool = True
    rating_set: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StationAccess:
    """Who may use a station, beside the user whose it is and admins: ids of users, and groups.

    ``everyone`` who may sign in, unless it is one user's.
    """

    everyone: bool = True
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class Stations(Protocol):
    """Stations heard or registered."""

    async def get(self, station_id: str) -> Station | None:
        """Return one, or None."""

    async def held(self, station_ids: Iterable[str]) -> dict[str, Station]:
        """Return those that are known, by id; nobody else changes them until the commit."""

    async def seen(self, station_ids: Iterable[str], at: datetime) -> None:
        """Note that stations gave a sign of life, and nothing else."""

    async def save(self, station: Station) -> None:
        """Insert or replace."""

    async def hear(self, station: Station) -> None:
        """Insert, or replace what the station itself says; what an admin set stays."""

    async def set_up(self, station: Station) -> None:
        """Replace what an admin sets; what the station says stays."""

    async def pending(self) -> list[Station]:
        """Return those that wait to be accepted, by when they were first heard."""

    async def one(self, station_id: str, viewer: Viewer) -> Station:
        """Return one the viewer may use. Raises NotFound, also for another's station.

        For an admin also one that is not accepted.
        """

    async def visible(self, viewer: Viewer) -> list[Station]:
        """Return the accepted ones that the viewer may use, by id."""

    async def access(self, station_id: str) -> StationAccess:
        """Return who may use a station, beside its user and admins."""

    async def set_access(self, station_id: str, access: StationAccess) -> None:
        """Replace who may use a station."""

    async def naming(self, user_id: str) -> list[str]:
        """Return the stations that name a user as one who may use them, by id."""

    async def claim(self, station_id: str, user_id: str, at: datetime) -> None:
        """Remember who started a charge there until its session appears; the last one counts."""

    async def take_claim(self, station_id: str, since: datetime) -> str | None:
        """Return and forget who started a charge there since then, None if no one did.

        Whoever stores a new session asks this for its driver.
        """


class CommandSender(Protocol):
    """Sends a command of the contract to a station and waits for its result."""

    async def send(
        self,
        station_id: str,
        command: str,
        value: object = None,
        *,
        command_id: str | None = None,
    ) -> None:
        """Return when the station said ok. Raises CommandRefused or StationSilent."""
