"""Versions of tariffs, which never change, and which of them covers a session."""

from datetime import datetime

from sqlalchemy import func, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_service.adapters.db import documents
from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import tariffs
from billing_service.domain.errors import Conflict
from billing_service.domain.tariff import Tariff
from billing_service.services.ports import Clock


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
        """Return the tariff that covers a session which starts then.

        Of each tariff the newest version that holds then; of several tariffs the one that took
        effect last, and of those the one stored last. Every tariff covers all stations and users.
        """
        holding = (
            select(tariffs.c.id, func.max(tariffs.c.version).label("version"))
            .where(
                or_(
                    tariffs.c.effective_from.is_(None),
                    tariffs.c.effective_from <= at,
                ),
            )
            .group_by(tariffs.c.id)
            .subquery()
        )
        text = await self._connection.scalar(
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
            .limit(1)
        )
        return None if text is None else documents.load(Tariff, text)

    async def all(self) -> list[Tariff]:
        """Return the newest version of each, by id."""
        result = await self._connection.execute(
            select(tariffs.c.id, tariffs.c.document).order_by(
                tariffs.c.id, tariffs.c.version
            )
        )
        newest: dict[str, str] = {row.id: row.document for row in result}
        return [documents.load(Tariff, text) for text in newest.values()]
