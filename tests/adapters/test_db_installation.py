"""What tells an installation from all others."""

import asyncio
import re
from pathlib import Path

from billing_service.adapters.db.database import Database
from tests import databases
from tests.databases import database_url, utc_now


async def _asked(database: Database) -> str:
    async with database.write() as uow:
        name = await uow.installation.mqtt_client_id()
        await uow.commit()
    return name


async def test_all_processes_have_one_name_at_the_broker(
    tmp_path: Path, kind: str
) -> None:
    """Also when the first of them ask at once; and it stays when they have gone."""
    async with database_url(kind, tmp_path) as url:
        several = [Database(url, utc_now) for _ in range(4)]
        names = set(await asyncio.gather(*(_asked(each) for each in several)))
        for each in several:
            await each.dispose()
        later = Database(url, utc_now)
        names.add(await _asked(later))
        await later.dispose()
    assert len(names) == 1


async def test_no_two_installations_have_the_same_name(tmp_path: Path) -> None:
    """It cannot be guessed, and a broker takes it."""
    names = set()
    for _ in range(3):
        async with databases.open_database("sqlite", tmp_path) as database:
            names.add(await _asked(database))
    assert len(names) == 3
    assert all(re.fullmatch("solarrally-[0-9a-f]{32}", name) for name in names)
