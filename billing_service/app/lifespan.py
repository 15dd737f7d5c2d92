"""Starts all that serves one installation, and stops it at the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from billing_service.adapters.db import migrate
from billing_service.adapters.db.alone import alone_on
from billing_service.adapters.db.leases import RETIRING, PostgresLeases
from billing_service.adapters.db.live import PostgresLiveBus
from billing_service.adapters.mqtt import MqttCommands
from billing_service.adapters.passwords import Argon2Passwords
from billing_service.adapters.pdf import PdfBillRenderer
from billing_service.api.deps import Services
from billing_service.app.background import (
    kept_up,
    maintain,
    retire_ingest,
    settle_updates,
    stop,
)
from billing_service.app.checks import Check, check_broker, check_database
from billing_service.app.configured import broker_of
from billing_service.app.wiring import (
    live_bus,
    maintenance,
    meter_loop,
    mqtt_client_id,
    mqtt_ingest,
    open_database,
    wire,
)
from billing_service.services.ports import Clock
from billing_service.settings import Settings


@asynccontextmanager
async def running(settings: Settings, clock: Clock) -> AsyncIterator[Services]:
    """Migrate the database, start what works in the background, and stop it all at the end.

    Raises DatabaseInUse, MigrationFailed, KeyUnusable, StoreUnavailable, SettingsInvalid.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, clock))
        stack.enter_context(alone_on(database.url))
        await migrate(database.engine, timescaledb=settings.timescaledb)
        news = asyncio.Event()
        news.set()  # what an earlier run left behind
        bus = live_bus(settings, database, news)
        broker = broker_of(settings)
        commands = MqttCommands(broker, clock)
        parts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("commands", commands.run),
            ("maintenance", lambda: maintain(maintenance(settings, database, clock))),
        ]
        checks: dict[str, Check] = {"database": lambda: check_database(database)}
        client_id = await mqtt_client_id(settings, database)
        ingest = mqtt_ingest(
            settings, database, clock, identifier=client_id, stored=bus
        )
        if settings.ingest:
            meter = meter_loop(settings, database, clock, bus, news, stack)
            checks["broker"] = lambda: check_broker(ingest)
            checks["metering"] = meter.check
            parts += [("ingest", ingest.run), ("metering", meter.run)]
        else:
            checks["broker"] = lambda: check_broker(commands)
            leases = None
            if settings.is_postgresql:
                leases = PostgresLeases(database.engine, RETIRING)
                stack.push_async_callback(leases.close)
            parts.append(("retiring", lambda: retire_ingest(ingest, client_id, leases)))
        if isinstance(bus, PostgresLiveBus):
            parts.append(("live", bus.run))
        services = wire(
            settings,
            clock,
            database,
            bus=bus,
            commands=commands,
            passwords=Argon2Passwords(),
            render=PdfBillRenderer(settings.locale),
            checks=checks,
            stored=bus.stored,
        )
        commands.outcome = services.updates.outcome
        parts.append(("updates", lambda: settle_updates(services.updates)))
        for name, run in parts:
            stack.push_async_callback(stop, asyncio.create_task(kept_up(name, run)))
        yield services
