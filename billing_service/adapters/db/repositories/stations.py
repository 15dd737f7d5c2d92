"""Stations, and who has asked one to charge."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    case,
    delete,
    insert,
    or_,
    select,
    update,
)

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import (
    station_claims,
    station_groups,
    station_users,
    stations,
    users,
)
from billing_service.domain.errors import NotFound
from billing_service.services.ports import Station, StationAccess, Viewer


class StationRepository(Repository):
    """The ``Stations`` port."""

    async def get(self, station_id: str) -> Station | None:
        """Return one, or None."""
        result = await self._connection.execute(
            select(stations).where(stations.c.id == station_id)
        )
        row = result.first()
        return None if row is None else _station(row)

    async def held(self, station_ids: Iterable[str]) -> dict[str, Station]:
        """Return those that are known, by id; nobody else changes them until the commit."""
        result = await self._connection.execute(
            select(stations)
            .where(stations.c.id.in_([*station_ids]))
            # In one order everywhere: two processes that wait for each other would wait for ever.
            .order_by(stations.c.id)
            .with_for_update(key_share=True)
        )
        return {row.id: _station(row) for row in result}

    async def seen(self, station_ids: Iterable[str], at: datetime) -> None:
        """Note that stations gave a sign of life, and nothing else."""
        await self._connection.execute(
            update(stations)
            .where(stations.c.id.in_([*station_ids]))
            .values(last_seen_at=at)
        )

    async def one(self, station_id: str, viewer: Viewer) -> Station:
        """Return one the viewer may use. Raises NotFound, also for another's station.

        For an admin also one that is not accepted.
        """
        result = await self._connection.execute(
            _usable(select(stations), viewer).where(stations.c.id == station_id)
        )
        row = result.first()
        if row is None:
            raise NotFound(f"there is no station {station_id}")
        return _station(row)

    async def visible(self, viewer: Viewer) -> list[Station]:
        """Return the accepted ones that the viewer may use, by id."""
        result = await self._connection.execute(
            _usable(select(stations), viewer)
            .where(stations.c.accepted)
            .order_by(stations.c.id)
        )
        return [_station(row) for row in result]

    async def pending(self) -> list[Station]:
        """Return those that wait to be accepted, by when they were first heard."""
        result = await self._connection.execute(
            select(stations)
            .where(~stations.c.accepted)
            .order_by(stations.c.first_seen_at, stations.c.id)
        )
        return [_station(row) for row in result]

    async def save(self, station: Station) -> None:
        """Insert or replace."""
        row = _row(station)
        statement = self._insert(stations).values(row)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["id"], set_=_others(row))
        )

    async def hear(self, station: Station) -> None:
        """Insert, or replace what the station itself says; what an admin set stays.

        Without reading first: an admin may be changing the station at this moment.
        """
        statement = self._insert(stations).values(_row(station))
        said = statement.excluded
        heard: dict[str, Any] = {name: said[name] for name in _SAID}
        heard["name"] = case(
            (stations.c.name == stations.c.id, said.name), else_=stations.c.name
        )
        heard["max_power_w"] = case(
            (stations.c.rating_set, stations.c.max_power_w), else_=said.max_power_w
        )
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["id"], set_=heard)
        )

    async def set_up(self, station: Station) -> None:
        """Replace what an admin sets; what the station says stays."""
        row = _row(station)
        await self._connection.execute(
            update(stations)
            .where(stations.c.id == station.id)
            .values({name: row[name] for name in _SET})
        )

    async def access(self, station_id: str) -> StationAccess:
        """Return who may use a station, beside its user and admins."""
        restricted = await self._connection.scalar(
            select(stations.c.restricted).where(stations.c.id == station_id)
        )
        named = await self._connection.scalars(
            select(station_users.c.user_id)
            .where(station_users.c.station_id == station_id)
            .order_by(station_users.c.user_id)
        )
        groups = await self._connection.scalars(
            select(station_groups.c.group_name)
            .where(station_groups.c.station_id == station_id)
            .order_by(station_groups.c.group_name)
        )
        return StationAccess(
            everyone=not restricted, users=tuple(named), groups=tuple(groups)
        )

    async def set_access(self, station_id: str, access: StationAccess) -> None:
        """Replace who may use a station."""
        run = self._connection.execute
        await run(
            update(stations)
            .where(stations.c.id == station_id)
            .values(restricted=not access.everyone)
        )
        for table, column, values in (
            (station_users, "user_id", access.users),
            (station_groups, "group_name", access.groups),
        ):
            await run(delete(table).where(table.c.station_id == station_id))
            if values:
                await run(
                    insert(table),
                    [{"station_id": station_id, column: value} for value in values],
                )

    async def naming(self, user_id: str) -> list[str]:
        """Return the stations that name a user as one who may use them, by id."""
        found = await self._connection.scalars(
            select(station_users.c.station_id)
            .where(station_users.c.user_id == user_id)
            .order_by(station_users.c.station_id)
        )
        return [*found]

    async def claim(self, station_id: str, user_id: str, at: datetime) -> None:
        """Remember who started a charge there, until its session appears; the last one counts."""
        row = {"station_id": station_id, "user_id": user_id, "at": at}
        statement = self._insert(station_claims).values(row)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["station_id"], set_={"user_id": user_id, "at": at}
            )
        )

    async def take_claim(self, station_id: str, since: datetime) -> str | None:
        """Return and forget who started a charge there since then, None if no one did."""
        result = await self._connection.execute(
            delete(station_claims)
            .where(station_claims.c.station_id == station_id)
            .returning(station_claims.c.user_id, station_claims.c.at)
        )
        row = result.first()
        if row is None or row.at < since:
            return None
        user_id: str = row.user_id
        return user_id


_SAID = ("last_seen_at", "online", "info", "state")
"""What a station says of itself; its name and rating too, until an admin sets them."""

_SET = ("name", "time_zone", "max_power_w", "rating_set", "user_id", "accepted")


def _usable(query: Select[Any], viewer: Viewer) -> Select[Any]:
    if viewer.is_admin:
        return query
    return query.where(stations.c.accepted, may_use(viewer.user_id))


def may_use(user_id: str) -> ColumnElement[bool]:
    """Return the condition that a user may use a station: theirs, everyone's, or named for them."""
    groups = (
        select(station_groups.c.station_id)
        .join(users, users.c.group_name == station_groups.c.group_name)
        .where(users.c.id == user_id)
    )
    named = select(station_users.c.station_id).where(station_users.c.user_id == user_id)
    return or_(
        stations.c.user_id == user_id,
        and_(stations.c.user_id.is_(None), ~stations.c.restricted),
        stations.c.id.in_(named),
        stations.c.id.in_(groups),
    )


def _row(station: Station) -> dict[str, Any]:
    return {
        "id": station.id,
        "name": station.name,
        "time_zone": station.time_zone,
        "max_power_w": station.max_power_w,
        "first_seen_at": station.first_seen_at,
        "last_seen_at": station.last_seen_at,
        "online": station.online,
        "user_id": station.user_id,
        "info": station.info,
        "state": station.state,
        "accepted": station.accepted,
        "rating_set": station.rating_set,
    }


def _others(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def _station(row: Row[Any]) -> Station:
    return Station(
        id=row.id,
        name=row.name,
        time_zone=row.time_zone,
        max_power_w=row.max_power_w,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        online=row.online,
        user_id=row.user_id,
        info=row.info,
        state=row.state,
        accepted=row.accepted,
        rating_set=row.rating_set,
    )
