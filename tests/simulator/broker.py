"""A real Mosquitto to publish to, and an independent subscriber that misses nothing."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from scripts.rig.broker import Broker as Mosquitto
from scripts.rig.ports import free_port
from simulator.publisher import Broker

PREFIX = "home/ev"
WITHIN_S = 60.0


def mosquitto(folder: Path) -> Mosquitto:
    """A broker on a free port, not started; it keeps its sessions over a restart."""
    return Mosquitto(folder, folder / "log", free_port(), PREFIX)


def as_station(server: Mosquitto) -> Broker:
    """How a station signs in."""
    login = server.logins["station"]
    return Broker("127.0.0.1", server.port, login.username, login.password)


class Subscriber:
    """Hears everything under the prefix at QoS 1, in a session that outlives the broker."""

    def __init__(self, server: Mosquitto) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._server = server
        self._news = asyncio.Condition()
        self.listening = asyncio.Event()

    @contextlib.asynccontextmanager
    async def listen(self) -> AsyncIterator[Subscriber]:
        """Subscribe, and stay subscribed until the end of the block."""
        task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(WITHIN_S):
                await self.listening.wait()
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        for_ever = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
        for_ever.SessionExpiryInterval = 0xFFFFFFFF
        login = self._server.logins["recorder"]
        while True:
            client = aiomqtt.Client(
                "127.0.0.1",
                self._server.port,
                identifier="subscriber",
                username=login.username,
                password=login.password,
                protocol=aiomqtt.ProtocolVersion.V5,
                clean_start=False,
                properties=for_ever,
            )
            try:
                async with client:
                    await client.subscribe(f"{PREFIX}/#", qos=1)
                    self.listening.set()
                    async for message in client.messages:
                        await self._heard(message)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)

    async def _heard(self, message: aiomqtt.Message) -> None:
        topic = str(message.topic).removeprefix(f"{PREFIX}/")
        async with self._news:
            self.messages.append((topic, message.payload, message.retain))
            self._news.notify_all()

    async def until(self, condition: Callable[[], object]) -> None:
        """Return once `condition` holds after some message; fail when it takes too long."""
        async with asyncio.timeout(WITHIN_S), self._news:
            await self._news.wait_for(lambda: bool(condition()))

    def of(self, topic: str) -> list[Any]:
        """Payloads of one topic, in order; JSON parsed, status as text."""
        return [
            payload.decode() if topic.endswith("status") else json.loads(payload)
            for heard, payload, _ in self.messages
            if heard == topic
        ]

    def frames(self, station: str) -> list[dict[str, Any]]:
        """Frames of a station, live and backlog, as they came."""
        out: list[dict[str, Any]] = []
        for topic, payload, _ in self.messages:
            if topic == f"{station}/telemetry":
                out.append(json.loads(payload))
            elif topic == f"{station}/backlog":
                out.extend(json.loads(payload))
        return out
