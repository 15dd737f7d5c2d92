"""Where everything meets: the database, the broker, the use cases and the API."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

import aiomqtt
import structlog
import uvicorn
from fastapi import FastAPI

from billing_service.adapters.bill_json import bill_to_dict
from billing_service.adapters.db import Database, migrate
from billing_service.adapters.db.leases import RETIRING, PostgresLeases
from billing_service.adapters.db.live import PostgresLiveBus
from billing_service.adapters.db.migrate import current, head
from billing_service.adapters.esp_image import read_image
from billing_service.adapters.keys import KeyRing
from billing_service.adapters.live import InProcessLiveBus
from billing_service.adapters.mqtt import Broker, MqttCommands, MqttIngest
from billing_service.adapters.ocpi import (
    CdrExport,
    Site,
    cdr_to_ocpi,
    session_from_ocpi,
    tariff_from_dict,
    tariff_to_dict,
)
from billing_service.adapters.offline_log import LogLimits, read_log
from billing_service.adapters.passwords import Argon2Passwords
from billing_service.adapters.pdf import PdfBillRenderer
from billing_service.adapters.tokens import JwtSigner
from billing_service.api.application import create_api
from billing_service.api.deps import Services
from billing_service.domain.bill import Party, Terms
from billing_service.domain.errors import StoreUnavailable
from billing_service.services.audit import AuditLog
from billing_service.services.auth import Auth, PasswordHasher
from billing_service.services.billing import Billing
from billing_service.services.bills import Bills
from billing_service.services.charging_tokens import ChargingTokens
from billing_service.services.corrections import Corrections
from billing_service.services.customers import Customers
from billing_service.services.exports import Exports
from billing_service.services.ingest import Ingest
from billing_service.services.issuing import BillingSettings, Issuer
from billing_service.services.metering import Metering, MeteringSettings
from billing_service.services.months import Months
from billing_service.services.ports import (
    BillRenderer,
    Clock,
    CommandSender,
    LiveBus,
)
from billing_service.services.privacy import Privacy
from billing_service.services.retention import Maintenance
from billing_service.services.service_tokens import ServiceTokens
from billing_service.services.sessions import Sessions
from billing_service.services.stations import Stations
from billing_service.services.tariff_assignments import TariffAssignments
from billing_service.services.tariffs import Tariffs
from billing_service.services.updates import Updates
from billing_service.services.uploads import LogUploads
from billing_service.services.users import Users
from billing_service.services.verifying import Verifying
from billing_service.settings import Settings

IDLE_CHECK_S = 5.0
"""How often sessions of silent stations are looked at when nothing else happens."""

MAINTENANCE_EVERY_S = 300.0
"""How often frames are summed up and old ones dropped."""

UPDATES_EVERY_S = 5.0

METER_AGAIN_AFTER_S = 0.5
"""Metering takes a third of the time at most, as long as that is enough to wait."""

RESTART_AFTER_S = 2.0
SHUTDOWN_WITHIN_S = 10
WS_MESSAGE_BYTES = 64 * 1024

log = structlog.get_logger(__name__)

type Check = Callable[[], Awaitable[str | None]]


def utc_now() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


async def serve(
    settings: Settings, started: Callable[[Services], Awaitable[None]]
) -> None:
    """Run API, ingest and metering in one process until it is told to end.

    ``started`` is called once everything is wired, before the first request. Raises what
    ``running`` raises, and AddressUnusable.
    """
    with _bind(settings.host, settings.port) as bound:
        await _serve(settings, started, bound)


async def _serve(
    settings: Settings,
    started: Callable[[Services], Awaitable[None]],
    bound: socket.socket,
) -> None:
    async with running(settings, utc_now) as services:
        await started(services)
        server = _Server(
            uvicorn.Config(
                api(services),
                host=settings.host,
                port=settings.port,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=settings.trusted_proxies,
                ws_max_size=WS_MESSAGE_BYTES,
                timeout_graceful_shutdown=SHUTDOWN_WITHIN_S,
            )
        )
        with _signals(server):
            await server.serve([bound])


class AddressUnusable(Exception):
    """The service cannot listen there; the sentence says why."""


def _bind(host: str, port: int) -> socket.socket:
    """Take the address before anything is started; nobody gets in before all is.

    Raises AddressUnusable.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # A port whose last connections still linger is free.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise AddressUnusable(
            f"cannot listen on {host} port {port}: {error.strerror or error}"
        ) from error
    return bound


class _Server(uvicorn.Server):
    """Leaves signals alone: uvicorn would raise them again before all parts are stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextmanager
def _signals(server: uvicorn.Server) -> Iterator[None]:
    """End the server on SIGINT and SIGTERM; a second SIGINT does not wait for requests."""
    loop = asyncio.get_running_loop()
    handled = (signal.SIGINT, signal.SIGTERM)
    for each in handled:
        loop.add_signal_handler(each, server.handle_exit, each, None)
    try:
        yield
    finally:
        for each in handled:
            loop.remove_signal_handler(each)


def api(services: Services) -> FastAPI:
    """Return the API on top of wired use cases."""
    app = create_api()
    app.state.services = services
    return app


@asynccontextmanager
async def running(settings: Settings, clock: Clock) -> AsyncIterator[Services]:
    """Migrate the database, start what works in the background, and stop it all at the end.

    Raises MigrationFailed, KeyUnusable, StoreUnavailable, SettingsInvalid.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, clock))
        await migrate(database.engine, timescaledb=settings.timescaledb)
        news = asyncio.Event()
        news.set()  # what an earlier run left behind
        bus = _bus(settings, database, news)
        broker = broker_of(settings)
        commands = MqttCommands(broker, clock)
        parts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("commands", commands.run),
            ("maintenance", lambda: _maintain(maintenance(settings, database, clock))),
        ]
        checks: dict[str, Check] = {"database": lambda: check_database(database)}
        ingest = _ingest(
            settings, database, clock, identifier=settings.mqtt_client_id, stored=bus
        )
        if settings.ingest:
            meter = _meter(settings, database, clock, bus, news, stack)
            checks["broker"] = lambda: _check_broker(ingest)
            checks["metering"] = meter.check
            parts += [("ingest", ingest.run), ("metering", meter.run)]
        else:
            checks["broker"] = lambda: _check_broker(commands)
            leases = None
            if settings.is_postgresql:
                leases = PostgresLeases(database.engine, RETIRING)
                stack.push_async_callback(leases.close)
            parts.append(
                ("retiring", lambda: _retire(ingest, settings.mqtt_client_id, leases))
            )
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
        parts.append(("updates", lambda: _settle_updates(services.updates)))
        for name, run in parts:
            stack.push_async_callback(_stop, asyncio.create_task(_kept_up(name, run)))
        yield services


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
        ingest = worker_ingest(settings, database, clock, name, bus)
        meter = _meter(settings, database, clock, bus, news, stack)
        for part, run in (
            ("ingest", ingest.run),
            ("metering", meter.run),
            ("live", bus.run),
        ):
            stack.push_async_callback(_stop, asyncio.create_task(_kept_up(part, run)))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()


async def retire(settings: Settings, name: str, clock: Clock = utc_now) -> int:
    """Take a worker out of service: store what the broker keeps for it; return how many frames.

    Raises what ``work`` raises, and BrokerUnavailable.
    """
    if not settings.is_postgresql:
        raise WorkersNeedPostgres
    async with open_database(settings, clock) as database:
        await migrate(database.engine, timescaledb=settings.timescaledb)
        ingest = worker_ingest(
            settings, database, clock, name, PostgresLiveBus(database.engine)
        )
        try:
            await ingest.retire()
        except aiomqtt.MqttError as error:
            raise BrokerUnavailable(f"the broker cannot be reached: {error}") from error
        return ingest.frames


class WorkersNeedPostgres(Exception):
    """Workers share a database that takes several writers."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "workers need PostgreSQL: set SOLARRALLY_DATABASE_URL, or run solarrally serve"
        )


class BrokerUnavailable(Exception):
    """The broker could not be reached; the sentence says why."""


def worker_ingest(
    settings: Settings,
    database: Database,
    clock: Clock,
    name: str,
    bus: PostgresLiveBus,
) -> MqttIngest:
    """Return a worker's share of the ingest."""
    return _ingest(
        settings,
        database,
        clock,
        identifier=f"{settings.mqtt_client_id}-{name}",
        group=settings.mqtt_client_id,
        stored=bus,
    )


def _ingest(
    settings: Settings,
    database: Database,
    clock: Clock,
    *,
    identifier: str,
    stored: _News | PostgresLiveBus,
    group: str | None = None,
) -> MqttIngest:
    return MqttIngest(
        broker_of(settings),
        ingest_into(settings, database, clock),
        clock,
        identifier=identifier,
        default_station=settings.default_station,
        group=group,
        stored=stored.stored,
    )


def broker_of(settings: Settings) -> Broker:
    """Return where the broker is. Raises SettingsInvalid."""
    return Broker(
        host=settings.mqtt_host,
        port=settings.mqtt_port,
        username=settings.mqtt_username,
        password=settings.read_mqtt_password(),
        prefix=settings.mqtt_topic_prefix,
        tls=settings.mqtt_tls,
        ca_file=str(settings.mqtt_ca_file) if settings.mqtt_ca_file else None,
    )


class _News(InProcessLiveBus):
    """The live bus of a single process, which also wakes its metering."""

    def __init__(self, news: asyncio.Event) -> None:
        super().__init__()
        self.stored = news.set


def _bus(
    settings: Settings, database: Database, news: asyncio.Event
) -> _News | PostgresLiveBus:
    if settings.is_postgresql:
        return PostgresLiveBus(database.engine, news.set)
    return _News(news)


def _meter(
    settings: Settings,
    database: Database,
    clock: Clock,
    bus: LiveBus,
    news: asyncio.Event,
    stack: AsyncExitStack,
) -> _MeterLoop:
    leases = None
    if settings.is_postgresql:
        leases = PostgresLeases(database.engine)
        stack.push_async_callback(leases.close)
    metering = Metering(
        database.write,
        clock,
        bus,
        metering_settings(settings),
        leases,
    )
    return _MeterLoop(metering, news)


async def _retire(
    ingest: MqttIngest, client_id: str, leases: PostgresLeases | None
) -> None:
    """Take in what the broker kept for this process when it still had its own ingest.

    Processes that start together take turns: the broker lets only one use the client id.
    """
    while True:
        try:
            if leases is None or await leases.hold(client_id):
                await ingest.retire()
                break
        except (aiomqtt.MqttError, StoreUnavailable) as error:
            log.debug("retires_later", error=str(error))
        await asyncio.sleep(RESTART_AFTER_S)
    if leases is not None:
        await leases.close()
    await asyncio.Event().wait()


@asynccontextmanager
async def open_database(settings: Settings, clock: Clock) -> AsyncIterator[Database]:
    """Open the database and close it at the end."""
    database = Database(settings.effective_database_url, clock)
    try:
        yield database
    finally:
        await database.dispose()


def maintenance(settings: Settings, database: Database, clock: Clock) -> Maintenance:
    """Return what sums frames up and drops old ones."""
    return Maintenance(
        database.write,
        clock,
        keep=timedelta(days=settings.frames_kept_days)
        if settings.frames_kept_days
        else None,
        max_gap=timedelta(seconds=settings.max_gap_s),
    )


async def _settle_updates(updates: Updates) -> None:
    """Look now and then for updates whose outcome was not heard, until cancelled."""
    while True:
        try:
            if ended := await updates.settle():
                log.info("updates_settled", updates=ended)
        except StoreUnavailable as error:
            log.warning("updates_wait", error=error.message)
        await asyncio.sleep(UPDATES_EVERY_S)


async def _maintain(work: Maintenance) -> None:
    """Run now and then until cancelled. What was not finished is taken up by the next run."""
    while True:
        try:
            done = await work.run_once()
        except StoreUnavailable as error:
            log.warning("maintenance_waits", error=error.message)
        else:
            if done.settled or done.dropped != 0:
                log.info("frames_dropped", sessions=done.settled, frames=done.dropped)
        await asyncio.sleep(MAINTENANCE_EVERY_S)


def wire(
    settings: Settings,
    clock: Clock,
    database: Database,
    *,
    bus: LiveBus,
    commands: CommandSender,
    passwords: PasswordHasher,
    render: BillRenderer,
    checks: dict[str, Check],
    stored: Callable[[], None] = lambda: None,
) -> Services:
    """Give every use case what it works with. Raises KeyUnusable.

    ``stored`` is called when the API stored frames, so that they are metered at once.
    """
    write, read = database.write, database.read
    signer = JwtSigner(KeyRing(settings.signing_keys_file, clock))
    issuer = Issuer(clock, billing_settings(settings))
    return Services(
        auth=Auth(write, read, clock, passwords, signer),
        users=Users(write, read, clock, passwords),
        privacy=Privacy(write, read, clock, bill_to_dict),
        audit=AuditLog(read),
        tariff_assignments=TariffAssignments(write, read, clock),
        service_tokens=ServiceTokens(write, read, clock),
        stations=Stations(
            write, read, clock, time_zone=settings.time_zone, stored=stored
        ),
        charging_tokens=ChargingTokens(write, read, clock),
        updates=Updates(write, read, clock, commands, read_image),
        public_url=settings.public_url or None,
        uploads=uploads(settings, clock, database, stored=stored),
        tariffs=Tariffs(
            write,
            read,
            clock,
            currency=settings.currency,
            time_zone=settings.time_zone,
        ),
        sessions=Sessions(write, read, clock, commands),
        billing=Billing(write, read, issuer, render),
        bills=Bills(write, read, clock, issuer, render),
        months=Months(write, read, issuer),
        verifying=Verifying(read, render),
        exports=Exports(read),
        customers=Customers(write, read, clock),
        export_cdr=CdrExport(site_of(settings)),
        corrections=Corrections(
            write,
            read,
            clock,
            issuer,
            Metering(write, clock, bus, metering_settings(settings)),
        ),
        bus=bus,
        open_read=read,
        clock=clock,
        read_tariff=tariff_from_dict,
        write_tariff=tariff_to_dict,
        read_session=session_from_ocpi,
        write_cdr=cdr_to_ocpi,
        checks=checks,
        allowed_origins=settings.allowed_origins,
    )


def ingest_into(settings: Settings, database: Database, clock: Clock) -> Ingest:
    """Return what stores frames, and keeps stations apart that nobody asked for."""
    return Ingest(
        database.write,
        clock,
        time_zone=settings.time_zone,
        accepts=settings.accepts_station,
    )


def uploads(
    settings: Settings,
    clock: Clock,
    database: Database,
    *,
    stored: Callable[[], None] = lambda: None,
) -> LogUploads:
    """Return what takes in log files."""
    megabytes = settings.upload_max_mb * 1024 * 1024
    limits = LogLimits(bytes=megabytes, unpacked_bytes=8 * megabytes)
    return LogUploads(
        database.write,
        database.read,
        clock,
        ingest_into(settings, database, clock),
        lambda chunks, station_id, now_ms: read_log(chunks, station_id, limits, now_ms),
        stored=stored,
    )


def metering_settings(settings: Settings) -> MeteringSettings:
    """Return what an installation set of metering."""
    return MeteringSettings(
        max_gap=timedelta(seconds=settings.max_gap_s),
        idle=timedelta(seconds=settings.idle_time_s),
        tolerance=settings.tolerance,
    )


def site_of(settings: Settings) -> Site:
    """Return who operates the stations and where, as OCPI wants to know."""
    return Site(
        country_code=settings.ocpi_country_code,
        party_id=settings.ocpi_party_id,
        address=settings.site_address,
        postal_code=settings.site_postal_code,
        city=settings.site_city,
        country=settings.site_country,
        latitude=settings.site_latitude,
        longitude=settings.site_longitude,
    )


def billing_settings(settings: Settings) -> BillingSettings:
    """Return what bills say of who issues them."""
    return BillingSettings(
        supplier=Party(
            name=settings.supplier_name,
            address=settings.supplier_address,
            vat_id=settings.supplier_vat_id,
            email=settings.supplier_email,
        ),
        series=settings.bill_series,
        credit_series=settings.credit_series,
        time_zone=settings.time_zone,
        terms=Terms(
            locale=settings.locale,
            verify_at=settings.effective_public_url,
            co2_g_per_kwh=settings.co2_g_per_kwh,
            vat_note=settings.vat_note,
            payment_days=settings.payment_days,
            payment_info=settings.payment_info,
        ),
    )


class _MeterLoop:
    """Meters whenever something was stored, and looks for silent stations in between."""

    def __init__(self, metering: Metering, news: asyncio.Event) -> None:
        self._metering = metering
        self._news = news
        self._failed: str | None = None

    async def run(self) -> None:
        """Run until cancelled. What fails is tried again: its marks are still there."""
        while True:
            try:
                async with asyncio.timeout(IDLE_CHECK_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            began = asyncio.get_running_loop().time()
            try:
                await self._metering.run_once()
                await self._metering.end_idle()
            except StoreUnavailable as error:
                self._failed = "the database cannot be reached"
                log.warning("metering_waits", error=error.message)
                await self._again()
            except Exception:
                self._failed = "metering failed; the log says why"
                log.exception("metering_failed")
                await self._again()
            else:
                self._failed = None
                # A round costs by the station: in a burst fewer rounds leave room for ingest.
                took = asyncio.get_running_loop().time() - began
                await asyncio.sleep(min(2 * took, METER_AGAIN_AFTER_S))

    async def check(self) -> str | None:
        """Return what went wrong the last time."""
        return self._failed

    async def _again(self) -> None:
        await asyncio.sleep(RESTART_AFTER_S)
        self._news.set()


async def check_database(database: Database) -> str | None:
    """Return what is wrong with the database, None when all is well."""
    try:
        await database.ping()
        revision = await current(database.engine)
    except StoreUnavailable:
        return "cannot be reached"
    if revision != head():
        return f"is at schema {revision}, not {head()}: run solarrally migrate"
    return None


async def _check_broker(client: MqttIngest | MqttCommands) -> str | None:
    return None if client.connected else "not connected"


async def _kept_up(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Start a part again should it ever fall over: the others must not go on without it."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("part_failed", part=name)
        await asyncio.sleep(RESTART_AFTER_S)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
