"""The stations, as people see and set them."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from billing_service.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from billing_service.domain.tariff import Tariff
from billing_service.services.audit import Actor, Author, plain
from billing_service.services.ingest import DEFAULT_MAX_POWER_W
from billing_service.services.ports import (
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    Station,
    StationAccess,
    UnitOfWork,
    Viewer,
)
from billing_service.services.users import UNSET, Unset


@dataclass(frozen=True, slots=True, kw_only=True)
class StationChanges:
    """What to change of a station; UNSET stays as it is. ``user_id`` None: nobody's own."""

    name: str | Unset = UNSET
    time_zone: str | Unset = UNSET
    max_power_w: int | Unset = UNSET
    user_id: str | Unset | None = UNSET


class Stations:
    """Lists stations and changes what an admin may change of them."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        *,
        time_zone: str = "UTC",
        stored: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what it works with.

        ``time_zone`` is that of new stations unless one is given; ``stored`` is called when there
        is something to meter.
        """
        self._stored = stored
        self._time_zone = time_zone
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock

    async def visible(self, viewer: Viewer) -> list[Station]:
        """Return those the viewer may use."""
        async with self._open_read() as read:
            return await read.stations.visible(viewer)

    async def pending(self, viewer: Viewer) -> list[Station]:
        """Return those that were heard and wait for an admin, by when. Raises NotAllowed."""
        if not viewer.is_admin:
            raise NotAllowed("Only an admin may do this.")
        async with self._open_read() as read:
            return await read.stations.pending()

    async def tariffs(
        self, stations: Iterable[Station], viewer: Viewer
    ) -> dict[str, Tariff]:
        """Return by station the tariff that covers a session of the viewer starting now."""
        now = self._clock()
        found: dict[str, Tariff] = {}
        async with self._open_read() as read:
            for station in stations:
                tariff = await read.tariffs.in_force(
                    now, station_id=station.id, user_id=viewer.user_id
                )
                if tariff is not None:
                    found[station.id] = tariff
        return found

    async def one(self, station_id: str, viewer: Viewer) -> Station:
        """Return one. Raises NotFound, also for another's."""
        async with self._open_read() as read:
            return await read.stations.one(station_id, viewer)

    async def register(
        self,
        actor: Author,
        station_id: str,
        *,
        name: str | None = None,
        time_zone: str | None = None,
        max_power_w: int | None = None,
        user_id: str | None = None,
    ) -> Station:
        """Make a station known before it has spoken. Raises Conflict, InvalidInput."""
        zone = time_zone or self._time_zone
        _check_zone(zone)
        station = Station(
            id=station_id,
            name=name or station_id,
            time_zone=zone,
            max_power_w=max_power_w or DEFAULT_MAX_POWER_W,
            rating_set=max_power_w is not None,
            first_seen_at=self._clock(),
            user_id=user_id,
        )
        async with self._open_uow() as uow:
            known = await uow.stations.get(station_id)
            if known is not None:
                raise Conflict(
                    f"There is a station {station_id} already."
                    if known.accepted
                    else f"The station {station_id} was heard already: accept it."
                )
            await _check_user(uow, user_id)
            await uow.stations.save(station)
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="station.register",
                subject=f"station:{station_id}",
                after=_facts(station),
                address=actor.address,
            )
            await uow.commit()
        return station

    async def accept(self, actor: Author, station_id: str) -> Station:
        """Let a station be used that was kept apart; what it sent meanwhile is metered now.

        Doing it again changes nothing. Raises NotFound.
        """
        async with self._open_uow() as uow:
            before = await uow.stations.get(station_id)
            if before is None:
                raise NotFound(f"there is no station {station_id}")
            if before.accepted:
                return before
            after = replace(before, accepted=True)
            await uow.stations.set_up(after)
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="station.accept",
                subject=f"station:{station_id}",
                after=_facts(after),
                address=actor.address,
            )
            await uow.commit()
        self._stored()
        return after

    async def change(
        self, actor: Actor, station_id: str, changes: StationChanges
    ) -> Station:
        """Change a station. Raises NotFound, InvalidInput."""
        async with self._open_uow() as uow:
            before = await uow.stations.one(station_id, actor.viewer)
            after = _changed(before, changes)
            await _check_user(uow, after.user_id)
            await uow.stations.set_up(after)
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="station.change",
                subject=f"station:{station_id}",
                before=_facts(before),
                after=_facts(after),
                address=actor.address,
            )
            await uow.commit()
        return after

    async def access(self, station_id: str) -> tuple[Station, StationAccess]:
        """Return a station and who may use it. Raises NotFound."""
        async with self._open_read() as read:
            station = await read.stations.get(station_id)
            if station is None:
                raise NotFound(f"there is no station {station_id}")
            return station, await read.stations.access(station_id)

    async def set_access(
        self, author: Author, station_id: str, access: StationAccess
    ) -> tuple[Station, StationAccess]:
        """Say who may use a station. Raises NotFound, InvalidInput."""
        access = replace(
            access,
            users=tuple(sorted(set(access.users))),
            groups=tuple(sorted(set(access.groups))),
        )
        async with self._open_uow() as uow:
            station = (await uow.stations.held([station_id])).get(station_id)
            if station is None:
                raise NotFound(f"there is no station {station_id}")
            before = await uow.stations.access(station_id)
            await _check_access(uow, station, access)
            await uow.stations.set_access(station_id, access)
            await uow.audit.add(
                at=self._clock(),
                actor=author.label,
                action="station.access",
                subject=f"station:{station_id}",
                before=plain(asdict(before)),
                after=plain(asdict(access)),
                address=author.address,
            )
            await uow.commit()
        return station, access


async def _check_access(
    uow: UnitOfWork, station: Station, access: StationAccess
) -> None:
    problems = []
    if access.everyone and (access.users or access.groups):
        problems.append(("everyone", "leave users and groups empty, or say false"))
    if access.everyone and station.user_id is not None:
        problems.append(
            ("everyone", "it is one user's station: set its user_id to null first")
        )
    for number, user_id in enumerate(access.users):
        user = await uow.users.get(user_id)
        if user is None or not user.active:
            problems.append((f"users.{number}", f"there is no active user {user_id}"))
    if problems:
        raise InvalidInput(*problems)


def _changed(station: Station, changes: StationChanges) -> Station:
    if not isinstance(changes.name, Unset):
        station = replace(station, name=changes.name)
    if not isinstance(changes.time_zone, Unset):
        _check_zone(changes.time_zone)
        station = replace(station, time_zone=changes.time_zone)
    if not isinstance(changes.max_power_w, Unset):
        station = replace(station, max_power_w=changes.max_power_w, rating_set=True)
    if not isinstance(changes.user_id, Unset):
        station = replace(station, user_id=changes.user_id)
    return station


async def _check_user(uow: UnitOfWork, user_id: str | None) -> None:
    if user_id is not None and await uow.users.get(user_id) is None:
        raise InvalidInput(("user_id", "there is no such user"))


def _check_zone(time_zone: str) -> None:
    try:
        ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidInput(
            ("time_zone", "is no IANA time zone such as Europe/Vienna")
        ) from error


_SET_BY_ADMINS = ("name", "time_zone", "max_power_w", "user_id", "accepted")


def _facts(station: Station) -> dict[str, Any]:
    """Return what an admin sets; what the station says changes by itself."""
    facts = asdict(station)
    return plain({name: facts[name] for name in _SET_BY_ADMINS})
