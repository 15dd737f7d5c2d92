"""Stations, and who has asked one to charge."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, or_, select

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import station_claims, stations
from billing_service.domain.errors import NotFound
from billing_service.services.ports import Station, Viewer


class StationRepository(Repository):
    """The ``Stations`` port."""

    async def get(self, station_id: str) -> Station | None:
        """Return one, or None."""
        result = await self._connection.execute(
            select(stations).where(stations.c.id == station_id)
        )
        row = result.first()
        return None if row is None else _station(row)

    async def one(self, station_id: str, viewer: Viewer) -> Station:
        """Return one the viewer may use. Raises NotFound, also for another's station."""
        result = await self._connection.execute(
            _visible(select(stations), viewer).where(stations.c.id == station_id)
        )
        row = result.first()
        if row is None:
            raise NotFound(f"there is no station {station_id}")
        return _station(row)

    async def visible(self, viewer: Viewer) -> list[Station]:
        """Return those the viewer may use: theirs and those that are no one's, by id."""
        result = await self._connection.execute(
            _visible(select(stations), viewer).order_by(stations.c.id)
        )
        return [_station(row) for row in result]

    async def save(self, station: Station) -> None:
        """Insert or replace."""
        row: dict[str, Any] = {
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
        }
        statement = self._insert(stations).values(row)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["id"], set_=_others(row))
        )

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


def _visible(query: Select[Any], viewer: Viewer) -> Select[Any]:
    if viewer.is_admin:
        return query
    return query.where(
        or_(stations.c.user_id.is_(None), stations.c.user_id == viewer.user_id)
    )


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
    )
