"""Stations that nobody registered: kept apart, with all they send, until an admin accepts them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from billing_service.adapters.db import tables
from billing_service.domain.errors import NotFound
from billing_service.domain.session import SessionStatus
from billing_service.services.audit import Console
from billing_service.services.ingest import Batch, News
from billing_service.services.metering import rounds
from billing_service.services.ports import Role, Station, Viewer
from billing_service.services.stations import Stations
from billing_service.settings import Settings
from tests.adapters.frames import make_frame
from tests.databases import KINDS
from tests.services.site import ADMIN, STATION, Site, open_site


@pytest_asyncio.fixture(params=KINDS)
async def site(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """Yield a site of each kind of database that does not know its station."""
    async with open_site(tmp_path, kind=request.param) as made:
        made.unknown = {STATION}
        yield made


def stations(site: Site) -> Stations:
    """Return the use case."""
    return Stations(site.database.write, site.database.read, site.clock)


async def station(site: Site) -> Station:
    """Return the station."""
    return await stations(site).one(STATION, ADMIN)


async def test_what_it_sent_meanwhile_becomes_its_sessions(site: Site) -> None:
    """Nobody sees anything of it before; nothing of it is lost after."""
    for seq in range(6):
        await site.receive([make_frame(seq)])
    await site.receive([make_frame(6, session="")])
    assert await site.sessions() == []
    assert await stations(site).visible(ADMIN) == []
    with pytest.raises(NotFound):
        await stations(site).one(STATION, Viewer("u", Role.USER))
    assert [each.id for each in await stations(site).pending(ADMIN)] == [STATION]
    for _ in range(2):
        await stations(site).accept(Console(), STATION)
    await site.metering.run_once()
    session = await site.session()
    assert (session.frames, session.status) == (6, SessionStatus.COMPLETED)
    assert [each.id for each in await stations(site).visible(ADMIN)] == [STATION]


async def test_a_station_that_waits_for_long_fills_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is to be metered later is one note for each session, and tells the same in the end."""
    monkeypatch.setattr(rounds, "MARKS_AT_MOST", 5)
    frames = [make_frame(seq) for seq in range(30)]
    frames += [make_frame(seq, session="1-2") for seq in range(30, 60)]
    for frame in frames:
        await site.receive([frame])
    async with site.database.engine.connect() as connection:
        marks = await connection.scalar(select(func.count()).select_from(tables.marks))
    assert marks is not None
    assert 2 <= marks <= 6
    await stations(site).accept(Console(), STATION)
    await site.metering.run_once()
    assert [each.frames for each in await site.sessions()] == [30, 30]


async def test_what_an_admin_set_holds_against_what_the_station_says(
    site: Site,
) -> None:
    """Name and rating are the station's own only until somebody sets them."""
    info = {"name": "Wallbox", "phases": 3, "voltage_v": 230, "max_current_a": 16}
    batch = Batch(news={STATION: News(info=info, online=True)})
    await site.ingest.store(batch)
    assert (await station(site)).name == "Wallbox"
    assert (await station(site)).max_power_w == 11_040
    before = await station(site)
    async with site.database.write() as uow:
        await uow.stations.set_up(
            replace(before, name="Carport", max_power_w=3_700, rating_set=True)
        )
        await uow.commit()
    later = replace(before, online=False, last_seen_at=site.clock())
    async with site.database.write() as uow:
        # Read before the admin's change, stored after it.
        await uow.stations.hear(later)
        await uow.commit()
    now = await station(site)
    assert (now.name, now.max_power_w, now.online) == ("Carport", 3_700, False)


async def test_ingest_does_not_undo_an_acceptance(site: Site) -> None:
    """A batch that was begun before and is stored after leaves it accepted."""
    await site.receive([make_frame(0)])
    before = await station(site)
    await stations(site).accept(Console(), STATION)
    async with site.database.write() as uow:
        await uow.stations.hear(replace(before, last_seen_at=site.clock()))
        await uow.commit()
    assert (await station(site)).accepted


def test_the_station_that_the_settings_name_needs_no_admin() -> None:
    """The plain topic's station was asked for; so is every one where the owner says so."""
    settings = Settings(_env_file=None, default_station="wallbox")  # type: ignore[call-arg]
    assert settings.accepts_station("wallbox")
    assert not settings.accepts_station("stranger")
    open_house = settings.model_copy(update={"accept_stations": "all"})
    assert open_house.accepts_station("stranger")
