"""The process of ``solarrally ingest``: frames are stored and metered beside others."""

import asyncio
import signal
from contextlib import AsyncExitStack

import aiomqtt

from billing_service.adapters.db import Database, migrate
from billing_service.adapters.db.leases import KEEPING, PostgresLeases
from billing_service.adapters.db.live import PostgresLiveBus
from billing_service.adapters.mqtt import Keeper, MqttIngest
from billing_service.app.background import kept_up, stop
from billing_service.app.heap import set_start_up_aside
from billing_service.app.wiring import (
    meter_loop,
    mqtt_client_id,
    mqtt_ingest,
    open_database,
    utc_now,
)
from billing_service.services.ports import Clock
from billing_service.settings import Settings


class WorkersNeedPostgres(Exception):
    """Workers share a database that takes several writers."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "workers need PostgreSQL: set SOLARRALLY_DATABASE_URL, or run solarrally serve"
        )


class BrokerUnavailable(Exception):
    """The broker could not be reached; the sentence says why."""


async def work(settings: Settings, name: str, clock: Clock = utc_now) -> None:
    """Ingest and meter, without an API, until told to end; any number may do so at once.

    ``name`` tells this worker from the others and stays the same over restarts. Raises
    WorkersNeedPostgres, MigrationFailed, StoreUnavailable, SettingsInvalid.
    """
    if not settings.is_postgresql:
        raise WorkersNeedPostgres
    ended = asyncio.Event()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, clock))
        await migrate(database.engine, timescaledb=settings.timescaledb)
        news = asyncio.Event()
        news.set()
        bus = PostgresLiveBus(database.engine, news.set)
        group = await mqtt_client_id(settings, database)
        ingest = _worker_ingest(settings, database, clock, group, name, bus)
        meter = meter_loop(settings, database, clock, bus, news, stack)
        leases = PostgresLeases(database.engine, KEEPING)
        stack.push_async_callback(leases.close)
        keeper = _keeper(settings, database, clock, group, ingest, bus, leases)
        for part, run in (
            ("ingest", ingest.run),
            ("keeper", keeper.run),
            ("metering", meter.run),
            ("live", bus.run),
        ):
            stack.push_async_callback(stop, asyncio.create_task(kept_up(part, run)))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        set_start_up_aside()
        await ended.wait()


async def retire(settings: Settings, name: str, clock: Clock = utc_now) -> int:
    """Take a worker out of service: store what the broker keeps for it; return how many frames.

    Raises what ``work`` raises, and BrokerUnavailable.
    """
    if not settings.is_postgresql:
        raise WorkersNeedPostgres
    async with open_database(settings, clock) as database:
        await migrate(database.engine, timescaledb=settings.timescaledb)
        bus = PostgresLiveBus(database.engine)
        group = await mqtt_client_id(settings, database)
        ingest = _worker_ingest(settings, database, clock, group, name, bus)
        leases = PostgresLeases(database.engine, KEEPING)
        try:
            await ingest.retire()
            # The last to go takes the spare sessions along.
            if await leases.hold(group):
                keeper = _keeper(settings, database, clock, group, ingest, bus, leases)
                await keeper.retire()
        except aiomqtt.MqttError as error:
            raise BrokerUnavailable(f"the broker cannot be reached: {error}") from error
        finally:
            await leases.close()
        return ingest.frames


def _worker_ingest(
    settings: Settings,
    database: Database,
    clock: Clock,
    group: str,
    name: str,
    bus: PostgresLiveBus,
) -> MqttIngest:
    """Return a worker's share of the ingest."""
    return mqtt_ingest(
        settings,
        database,
        clock,
        identifier=f"{group}-{name}",
        group=group,
        stored=bus,
    )


def _keeper(
    settings: Settings,
    database: Database,
    clock: Clock,
    group: str,
    ingest: MqttIngest,
    bus: PostgresLiveBus,
    leases: PostgresLeases,
) -> Keeper:
    """Return what watches over the workers' shared subscription."""
    spares = [
        mqtt_ingest(
            settings,
            database,
            clock,
            identifier=f"{group}-spare-{number}",
            stored=bus,
        )
        for number in (1, 2)
    ]
    return Keeper(ingest, spares, lambda: leases.hold(group))
