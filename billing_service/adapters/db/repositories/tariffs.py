"""Versions of tariffs, which never change, and which of them covers a session."""

from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_service.adapters.db import documents
from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.repositories.stations import may_use
from billing_service.adapters.db.tables import (
    stations,
    tariff_assignments,
    tariffs,
    users,
)
from billing_service.domain.errors import Conflict
from billing_service.domain.tariff import Tariff
from billing_service.domain.tariff_choice import Assignment, in_order
from billing_service.services.ports import Clock, Viewer


class TariffRepository(Repository):
    """The ``Tariffs`` port."""

    def __init__(self, connection: AsyncConnection, clock: Clock) -> None:
        """Keep the clock that says when a version was stored."""
        super().__init__(connection)
        self._clock = clock

    async def add(self, tariff: Tariff) -> None:
        """Store a new version. Raises Conflict when (id, version) exists.

        A version holds from its ``valid_from``. Without one a tariff's first version holds for
        ever back, and a later one from now on: old sessions keep theirs.
        """
        now = self._clock()
        since = tariff.valid_from or (None if tariff.version == 1 else now)
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(
                    insert(tariffs).values(
                        id=tariff.id,
                        version=tariff.version,
                        currency=tariff.currency,
                        effective_from=since,
                        valid_until=tariff.valid_until,
                        created_at=now,
                        document=documents.dump(tariff),
                    )
                )
        except IntegrityError as error:
            raise Conflict(
                f"tariff {tariff.id} has a version {tariff.version} already"
            ) from error

    async def latest(self, tariff_id: str) -> Tariff | None:
        """Return the newest version."""
        text = await self._connection.scalar(
            select(tariffs.c.document)
            .where(tariffs.c.id == tariff_id)
            .order_by(tariffs.c.version.desc())
            .limit(1)
        )
        return None if text is None else documents.load(Tariff, text)

    async def versions(self, tariff_id: str) -> list[Tariff]:
        """Return all versions, the newest first."""
        found = await self._connection.scalars(
            select(tariffs.c.document)
            .where(tariffs.c.id == tariff_id)
            .order_by(tariffs.c.version.desc())
        )
        return [documents.load(Tariff, text) for text in found]

    async def in_force(
        self, at: datetime, *, station_id: str, user_id: str | None
    ) -> Tariff | None:
        """Return the tariff that covers a session which starts then; see ``tariff_choice``.

        Of each tariff the newest version that holds then counts.
        """
        every = await self.assignments()
        if every:
            group = None
            if user_id is not None:
                group = await self._connection.scalar(
                    select(users.c.group_name).where(users.c.id == user_id)
                )
            for assignment in in_order(
                every, at, user_id=user_id, group=group, station_id=station_id
            ):
                found = await self._holding(
                    at, tariffs.c.id == assignment.tariff_id, most=1
                )
                if found:
                    return found[0]
        unassigned = await self._unassigned(at, every, most=1)
        return unassigned[0] if unassigned else None

    async def unassigned(self, at: datetime) -> list[Tariff]:
        """Return those that hold then and were never assigned; the first covers everyone."""
        return await self._unassigned(at, await self.assignments())

    async def _unassigned(
        self, at: datetime, every: list[Assignment], most: int | None = None
    ) -> list[Tariff]:
        assigned = {each.tariff_id for each in every}
        return await self._holding(at, tariffs.c.id.not_in(assigned), most=most)

    async def _holding(
        self, at: datetime, which: ColumnElement[bool], *, most: int | None
    ) -> list[Tariff]:
        """Return several tariffs, first the one that took effect last, then that stored last."""
        holding = (
            select(tariffs.c.id, func.max(tariffs.c.version).label("version"))
            .where(
                which,
                or_(
                    tariffs.c.effective_from.is_(None),
                    tariffs.c.effective_from <= at,
                ),
            )
            .group_by(tariffs.c.id)
            .subquery()
        )
        found = await self._connection.scalars(
            select(tariffs.c.document)
            .join(
                holding,
                (tariffs.c.id == holding.c.id)
                & (tariffs.c.version == holding.c.version),
            )
            .where(or_(tariffs.c.valid_until.is_(None), tariffs.c.valid_until > at))
            .order_by(
                tariffs.c.effective_from.desc().nulls_last(),
                tariffs.c.created_at.desc(),
                tariffs.c.id,
            )
            .limit(most)
        )
        return [documents.load(Tariff, text) for text in found]

    async def assignments(self) -> list[Assignment]:
        """Return all, ended ones too, the last begun first."""
        result = await self._connection.execute(
            select(tariff_assignments).order_by(
                tariff_assignments.c.from_at.desc().nulls_last(),
                tariff_assignments.c.id,
            )
        )
        return [
            Assignment(
                id=row.id,
                tariff_id=row.tariff_id,
                user_id=row.user_id,
                group=row.group_name,
                station_id=row.station_id,
                from_at=row.from_at,
                until_at=row.until_at,
            )
            for row in result
        ]

    async def save_assignment(self, assignment: Assignment) -> None:
        """Insert or replace."""
        row = {
            "id": assignment.id,
            "tariff_id": assignment.tariff_id,
            "user_id": assignment.user_id,
            "group_name": assignment.group,
            "station_id": assignment.station_id,
            "from_at": assignment.from_at,
            "until_at": assignment.until_at,
        }
        await self._connection.execute(
            self._insert(tariff_assignments)
            .values(row)
            .on_conflict_do_update(index_elements=["id"], set_=row)
        )

    async def hidden_from(self, viewer: Viewer) -> set[str]:
        """Return the tariffs that were never meant for the viewer; none for an admin."""
        if viewer.is_admin:
            return set()
        group = await self._connection.scalar(
            select(users.c.group_name).where(users.c.id == viewer.user_id)
        )
        usable = set(
            await self._connection.scalars(
                select(stations.c.id).where(may_use(viewer.user_id))
            )
        )
        every = await self.assignments()
        shown = {
            each.tariff_id
            for each in every
            if not each.never
            and each.user_id in (None, viewer.user_id)
            and each.group in (None, group)
            and (each.station_id is None or each.station_id in usable)
        }
        return {each.tariff_id for each in every} - shown

    async def all(self) -> list[Tariff]:
        """Return the newest version of each, by id."""
        result = await self._connection.execute(
            select(tariffs.c.id, tariffs.c.document).order_by(
                tariffs.c.id, tariffs.c.version
            )
        )
        newest: dict[str, str] = {row.id: row.document for row in result}
        return [documents.load(Tariff, text) for text in newest.values()]
