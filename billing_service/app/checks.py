"""What the health check asks."""

from collections.abc import Awaitable, Callable

from billing_service.adapters.db import Database
from billing_service.adapters.db.migrate import current, head
from billing_service.adapters.mqtt import MqttCommands, MqttIngest
from billing_service.domain.errors import StoreUnavailable

type Check = Callable[[], Awaitable[str | None]]


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


async def check_broker(client: MqttIngest | MqttCommands) -> str | None:
    """Return what is wrong with the connection to the broker, None when all is well."""
    return None if client.connected else "not connected"
