"""The live bus across processes, and who meters what: on a real PostgreSQL."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from billing_service.adapters.db import live
from billing_service.adapters.db.database import Database
from billing_service.adapters.db.leases import PostgresLeases
from billing_service.adapters.db.live import PostgresLiveBus
from billing_service.domain.cdr import Cdr
from billing_service.services.ports import LiveUpdate
from tests.adapters.database import cdr, frame, session
from tests.databases import database_url, utc_now


@asynccontextmanager
async def databases(folder: Path, count: int = 2) -> AsyncIterator[list[Database]]:
    """Yield engines of as many processes over one database."""
    async with database_url("postgresql", folder) as url:
        made = [Database(url, utc_now) for _ in range(count)]
        try:
            yield made
        finally:
            for each in made:
                await each.dispose()


@asynccontextmanager
async def running(*buses: PostgresLiveBus) -> AsyncIterator[None]:
    """Run them for the block."""
    tasks = [asyncio.create_task(bus.run()) for bus in buses]
    try:
        async with asyncio.timeout(20):
            for bus in buses:
                await bus.connected.wait()
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in the background."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def update(seq: int = 1, cost: Cdr | None = None) -> LiveUpdate:
    """Make an update in which every field is set."""
    return LiveUpdate(session=session(), frame=frame(seq), running_cost=cost or cdr())


def said(heard: LiveUpdate) -> dict[str, Any]:
    """Return an update's fields, for each update is equal to itself alone."""
    return {
        field.name: getattr(heard, field.name) for field in dataclasses.fields(heard)
    }


async def test_an_update_reaches_the_listener_in_another_process_whole(
    tmp_path: Path,
) -> None:
    """Every field, to the last digit; decimals, times and sets are what they were."""
    async with databases(tmp_path) as (one, two):
        metering, api = PostgresLiveBus(one.engine), PostgresLiveBus(two.engine)
        async with running(metering, api):
            assert not metering.wanted("s-1")
            async with api.listen("s-1") as updates:
                await until(lambda: metering.wanted("s-1"))
                metering.publish(update())
                assert said(await anext(updates)) == said(update())


async def test_an_update_larger_than_a_payload(tmp_path: Path) -> None:
    """8,000 bytes are the most; a session with a thousand lines comes in parts, in order."""
    line = cdr().lines[0]
    lines = tuple(
        replace(line, element=number, reason=f"{number * 7919 % 1009:x}" * 9)
        for number in range(1000)
    )
    large = update(cost=replace(cdr(), lines=lines))
    async with databases(tmp_path) as (one, two):
        metering, api = PostgresLiveBus(one.engine), PostgresLiveBus(two.engine)
        async with running(metering, api), api.listen("s-1") as updates:
            await until(lambda: metering.wanted("s-1"))
            for seq in range(3):
                metering.publish(replace(large, frame=frame(seq)))
            for seq in range(3):
                expected = replace(large, frame=frame(seq))
                assert said(await anext(updates)) == said(expected)


async def test_who_listens_in_the_same_process_needs_no_database(
    tmp_path: Path,
) -> None:
    """And hears each update once, not again by way of the database."""
    async with databases(tmp_path) as (one, _):
        bus = PostgresLiveBus(one.engine)
        async with running(bus), bus.listen("s-1") as updates:
            bus.publish(update(1))
            bus.publish(update(2))
            for seq in (1, 2):
                assert said(await anext(updates)) == said(update(seq))


async def test_a_process_that_starts_later_learns_who_listens(tmp_path: Path) -> None:
    """It asks; nobody has to wait for the next reminder."""
    async with databases(tmp_path) as (one, two):
        api, metering = PostgresLiveBus(one.engine), PostgresLiveBus(two.engine)
        async with running(api), api.listen("s-1"), running(metering):
            await until(lambda: metering.wanted("s-1"))


async def test_connections_that_were_cut_are_made_again(tmp_path: Path) -> None:
    """Listeners of before go on hearing; what was stored meanwhile is looked at."""
    wakes: list[int] = []
    async with databases(tmp_path, 3) as (one, two, admin):
        metering = PostgresLiveBus(one.engine, lambda: wakes.append(1))
        api = PostgresLiveBus(two.engine)
        async with running(metering, api), api.listen("s-1") as updates:
            await until(lambda: metering.wanted("s-1"))
            woken = len(wakes)
            async with admin.engine.connect() as connection:
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
            await until(lambda: len(wakes) > woken)
            await until(api.connected.is_set)
            got = asyncio.ensure_future(anext(updates))
            while not got.done():
                metering.publish(update())
                await asyncio.sleep(0.05)
            assert said(got.result()) == said(update())


async def test_stored_wakes_every_process(tmp_path: Path) -> None:
    """Whoever meters the station may be another process."""
    here, there = asyncio.Event(), asyncio.Event()
    async with databases(tmp_path) as (one, two):
        first = PostgresLiveBus(one.engine, here.set)
        second = PostgresLiveBus(two.engine, there.set)
        async with running(first, second):
            here.clear()
            there.clear()
            first.stored()
            async with asyncio.timeout(20):
                await here.wait()
                await there.wait()


async def test_messages_that_are_none_of_ours_are_ignored(tmp_path: Path) -> None:
    """Garbage, parts without a beginning, an update of another version: the next one is heard."""
    async with databases(tmp_path, 3) as (one, two, other):
        metering, api = PostgresLiveBus(one.engine), PostgresLiveBus(two.engine)
        async with running(metering, api), api.listen("s-1") as updates:
            await until(lambda: metering.wanted("s-1"))
            async with other.engine.begin() as connection:
                for payload in (
                    "",
                    "{",
                    "[]",
                    '{"from":"x"}',
                    '{"from":"x","kind":"wanted","sessions":5}',
                    '{"from":"x","kind":"update","id":"a","part":1,"of":2,"data":"eA=="}',
                    '{"from":"x","kind":"update","id":"b","part":0,"of":1,"data":"eA=="}',
                    '{"from":"x","kind":"update","id":"c","part":0,"of":1,"data":"eJyrrgUAAXUA+Q=="}',
                ):
                    await connection.execute(
                        text("SELECT pg_notify(:channel, :payload)"),
                        {"channel": live.CHANNEL, "payload": payload},
                    )
            metering.publish(update())
            assert said(await anext(updates)) == said(update())


async def test_one_process_meters_a_station_until_it_ends(tmp_path: Path) -> None:
    """Another takes over when its connection has gone, not before."""
    async with databases(tmp_path) as (one, two):
        lost: list[str] = []
        first = PostgresLeases(one.engine, lost=lambda: lost.append("first"))
        second = PostgresLeases(two.engine)
        assert await first.hold("garage")
        assert await first.hold("garage")
        assert not await second.hold("garage")
        assert await second.hold("carport")
        await first.close()
        assert lost == ["first"]
        async with asyncio.timeout(20):
            while not await second.hold("garage"):
                await asyncio.sleep(0.01)
        assert not await first.hold("garage")
        await first.close()
        await second.close()
