"""A billing site in one process for tests: a real database, ingest and metering over it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from billing_service.adapters.db.database import Database
from billing_service.adapters.live import InProcessLiveBus
from billing_service.domain.frame import Frame, SessionEvent, to_ms
from billing_service.domain.period import Source
from billing_service.domain.session import Session
from billing_service.domain.tariff import (
    Dimension,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
)
from billing_service.services.ingest import Batch, Ingest, Stored
from billing_service.services.metering import Metering, MeteringSettings
from billing_service.services.ports import Role, SessionQuery, Viewer
from tests.databases import open_database

T0 = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
T0_MS = to_ms(T0)
ADMIN = Viewer("admin", Role.ADMIN)
STATION = "garage"

TARIFF = Tariff(
    id="home",
    version=1,
    name="Home",
    currency="EUR",
    elements=(
        TariffElement(
            price_components=(
                PriceComponent(type=Dimension.ENERGY, price=Decimal("0.10")),
            ),
            restrictions=Restrictions(source=Source.SOLAR),
        ),
        TariffElement(
            price_components=(
                PriceComponent(type=Dimension.ENERGY, price=Decimal("0.30")),
            ),
        ),
    ),
)


class Site:
    """Ingest and metering over one database; ``now`` is the site's clock.

    Stations in ``unknown`` are kept apart when they are heard for the first time.
    """

    def __init__(self, database: Database, bus: InProcessLiveBus) -> None:
        """Wire the use cases the way the service does."""
        self.database = database
        self.bus = bus
        self.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
        self.unknown: set[str] = set()
        self.ingest = Ingest(
            database.write,
            self.clock,
            time_zone="Europe/Berlin",
            accepts=lambda station_id: station_id not in self.unknown,
        )
        self.restart()

    def clock(self) -> datetime:
        """Return the site's time."""
        return self.now

    def restart(self) -> None:
        """Forget all that was in memory."""
        self.metering = Metering(
            self.database.write, self.clock, self.bus, MeteringSettings()
        )

    async def receive(
        self, frames: Iterable[Frame] = (), events: Sequence[SessionEvent] = ()
    ) -> Stored:
        """Store and meter."""
        stored = await self.ingest.store(Batch(frames=[*frames], events=[*events]))
        await self.metering.run_once()
        return stored

    async def sessions(self) -> list[Session]:
        """Return all sessions, oldest first."""
        async with self.database.read() as uow:
            page = await uow.sessions.page(SessionQuery(), ADMIN)
        return [*reversed(page.items)]

    async def session(self) -> Session:
        """Return the only session."""
        (only,) = await self.sessions()
        return only


@asynccontextmanager
async def open_site(
    folder: Path, *, tariff: Tariff | None = TARIFF, kind: str = "sqlite"
) -> AsyncIterator[Site]:
    """Yield a site with an empty, migrated database of a kind (see ``tests.databases``)."""
    made: list[Site] = []
    async with open_database(kind, folder, lambda: made[0].now) as database:
        site = Site(database, InProcessLiveBus())
        made.append(site)
        if tariff is not None:
            async with database.write() as uow:
                await uow.tariffs.add(tariff)
                await uow.commit()
        yield site
