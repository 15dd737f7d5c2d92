"""Gives the use cases and the background parts what they work with."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

from billing_service.adapters.bill_json import bill_to_dict
from billing_service.adapters.db import Database
from billing_service.adapters.db.leases import PostgresLeases
from billing_service.adapters.db.live import PostgresLiveBus
from billing_service.adapters.esp_image import read_image
from billing_service.adapters.keys import KeyRing
from billing_service.adapters.live import InProcessLiveBus
from billing_service.adapters.mqtt import MqttIngest
from billing_service.adapters.ocpi import (
    CdrExport,
    cdr_to_ocpi,
    session_from_ocpi,
    tariff_from_dict,
    tariff_to_dict,
)
from billing_service.adapters.offline_log import LogLimits, read_log
from billing_service.adapters.tokens import JwtSigner
from billing_service.api.deps import Services
from billing_service.app.background import MeterLoop
from billing_service.app.checks import Check
from billing_service.app.configured import (
    billing_settings,
    broker_of,
    metering_settings,
    site_of,
)
from billing_service.services.audit import AuditLog
from billing_service.services.auth import Auth, PasswordHasher
from billing_service.services.billing import Billing
from billing_service.services.bills import Bills
from billing_service.services.charging_tokens import ChargingTokens
from billing_service.services.corrections import Corrections
from billing_service.services.customers import Customers
from billing_service.services.documents import BillDocuments
from billing_service.services.exports import Exports
from billing_service.services.ingest import Ingest
from billing_service.services.issuing import Issuer, NewMetering
from billing_service.services.metering import Metering
from billing_service.services.months import Months
from billing_service.services.ports import BillRenderer, Clock, CommandSender, LiveBus
from billing_service.services.privacy import Privacy
from billing_service.services.retention import Maintenance
from billing_service.services.service_tokens import ServiceTokens
from billing_service.services.sessions import Sessions
from billing_service.services.stations import Stations
from billing_service.services.suppliers import Suppliers
from billing_service.services.tariff_assignments import TariffAssignments
from billing_service.services.tariffs import Tariffs
from billing_service.services.updates import Updates
from billing_service.services.uploads import LogUploads
from billing_service.services.users import Users
from billing_service.services.verifying import Verifying
from billing_service.settings import Settings


def utc_now() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_database(settings: Settings, clock: Clock) -> AsyncIterator[Database]:
    """Open the database and close it at the end. Raises SettingsInvalid."""
    settings.make_database_folder()
    database = Database(settings.effective_database_url, clock)
    try:
        yield database
    finally:
        await database.dispose()


async def mqtt_client_id(settings: Settings, database: Database) -> str:
    """Return our name at the broker: what was set, or the one that the installation made itself.

    Raises StoreUnavailable.
    """
    if settings.mqtt_client_id is not None:
        return settings.mqtt_client_id
    async with database.write() as uow:
        made = await uow.installation.mqtt_client_id()
        await uow.commit()
    return made


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
    settings.make_data_dir()
    signer = JwtSigner(KeyRing(settings.signing_keys_file, clock))
    issuer = issuer_of(settings, database, clock)
    documents = BillDocuments(write, read, render)
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
        billing=Billing(write, read, issuer, documents),
        bills=Bills(write, read, clock, issuer, documents),
        months=Months(write, read, issuer),
        verifying=Verifying(read, render),
        exports=Exports(read),
        customers=Customers(write, read, clock),
        suppliers=Suppliers(write, read, clock, issuer),
        export_cdr=CdrExport(site_of(settings)),
        corrections=Corrections(
            write,
            read,
            clock,
            issuer,
            metering_of(settings, database, clock),
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


def metering_of(settings: Settings, database: Database, clock: Clock) -> NewMetering:
    """Return what makes the metering of sessions that are being billed."""
    return lambda: Metering(
        database.write, clock, InProcessLiveBus(), metering_settings(settings)
    )


def issuer_of(settings: Settings, database: Database, clock: Clock) -> Issuer:
    """Return what issues bills."""
    metering = metering_of(settings, database, clock)
    return Issuer(clock, billing_settings(settings), metering)


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


class News(InProcessLiveBus):
    """The live bus of a single process, which also wakes its metering."""

    def __init__(self, news: asyncio.Event) -> None:
        super().__init__()
        self.stored = news.set


def live_bus(
    settings: Settings, database: Database, news: asyncio.Event
) -> News | PostgresLiveBus:
    """Return what carries live updates and wakes metering, also across processes."""
    if settings.is_postgresql:
        return PostgresLiveBus(database.engine, news.set)
    return News(news)


def mqtt_ingest(
    settings: Settings,
    database: Database,
    clock: Clock,
    *,
    identifier: str,
    stored: News | PostgresLiveBus,
    group: str | None = None,
) -> MqttIngest:
    """Return what reads frames from the broker and stores them."""
    return MqttIngest(
        broker_of(settings),
        ingest_into(settings, database, clock),
        clock,
        identifier=identifier,
        default_station=settings.default_station,
        group=group,
        stored=stored.stored,
    )


def meter_loop(
    settings: Settings,
    database: Database,
    clock: Clock,
    bus: LiveBus,
    news: asyncio.Event,
    stack: AsyncExitStack,
) -> MeterLoop:
    """Return what meters, with PostgreSQL only what no other process holds.

    What it holds itself is let go when the stack is left.
    """
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
    return MeterLoop(metering, news)
