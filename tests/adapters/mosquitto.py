"""A real Mosquitto for one test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt

from billing_service.adapters.mqtt import Broker
from scripts.rig.broker import Broker as Mosquitto
from scripts.rig.ports import free_port

PREFIX = "ev"


@asynccontextmanager
async def mosquitto(folder: Path) -> AsyncIterator[Mosquitto]:
    """Start a Mosquitto with its files in a folder; end it with the block."""
    broker = Mosquitto(
        folder / "broker",
        folder / "broker.log",
        free_port(),
        PREFIX,
    )
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


def billing_at(broker: Mosquitto) -> Broker:
    """Return how the billing service connects there."""
    login = broker.logins["billing"]
    return Broker(
        port=broker.port,
        username=login.username,
        password=login.password,
        prefix=PREFIX,
    )


def station_at(broker: Mosquitto) -> aiomqtt.Client:
    """Return a station's client, not connected yet."""
    login = broker.logins["station"]
    return aiomqtt.Client(
        "127.0.0.1",
        broker.port,
        username=login.username,
        password=login.password,
        protocol=aiomqtt.ProtocolVersion.V5,
    )
