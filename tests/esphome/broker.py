"""A real Mosquitto, and everything that is said on it."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import aiomqtt
from bench.bench import WITHIN_S, Bench
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from scripts.rig.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "docs" / "protocol" / "schemas"


def validators() -> dict[str, Draft202012Validator]:
    """A validator for each kind of message of the contract."""
    schemas = {
        path.name: json.loads(path.read_text())
        for path in SCHEMAS.glob("*.schema.json")
    }
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(schema)) for name, schema in schemas.items()
    )
    return {
        name.removesuffix(".schema.json"): Draft202012Validator(
            schema, registry=registry
        )
        for name, schema in schemas.items()
    }


VALIDATORS = validators()
KIND_OF_TOPIC = {"telemetry": "frame"}


@dataclass
class Heard:
    """One message from the station."""

    leaf: str
    payload: Any
    retained: bool


@dataclass
class Ear:
    """All that a station has said, each message checked against the contract as it comes in."""

    messages: list[Heard] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def of(self, leaf: str) -> list[Any]:
        """Payloads on one topic, in order."""
        return [message.payload for message in self.messages if message.leaf == leaf]

    def frames(self) -> list[dict[str, Any]]:
        """All frames, live or from the backlog, in the order in which they came."""
        frames: list[dict[str, Any]] = []
        for message in self.messages:
            if message.leaf == "telemetry":
                frames.append(message.payload)
            elif message.leaf == "backlog":
                frames.extend(message.payload)
        return frames

    def take(self, topic: str, payload: bytes, retained: bool) -> None:
        """Check and keep one message."""
        leaf = topic.rsplit("/", 1)[1]
        if leaf in ("status", "command"):
            self.messages.append(
                Heard(leaf, payload.decode(errors="replace"), retained)
            )
            return
        value = json.loads(payload)
        if leaf == "config":
            # Home Assistant's discovery is not of our contract.
            self.messages.append(Heard(leaf, value, retained))
            return
        kind = KIND_OF_TOPIC.get(leaf, leaf)
        self.wrong.extend(
            f"{topic}: {error.message}: {payload!r}"
            for error in VALIDATORS[kind].iter_errors(value)
        )
        self.messages.append(Heard(leaf, value, retained))


class Broker:
    """Mosquitto on a free port; can be stopped and started again on the same one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.ear = Ear()
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._client: aiomqtt.Client | None = None
        self._changed = asyncio.Condition()

    async def start(self) -> None:
        """Start the broker and listen to all of it."""
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\n{self.listeners()}allow_anonymous true\n"
        )
        self._process = await asyncio.create_subprocess_exec(
            "/usr/sbin/mosquitto",
            "-c",
            config,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        listening = asyncio.Event()
        self._listener = asyncio.create_task(self._listen(listening))
        await asyncio.wait_for(listening.wait(), 10)

    def listeners(self) -> str:
        """Further listeners, as lines of the broker's configuration."""
        return ""

    async def stop(self) -> None:
        """Stop both; nothing is lost of what was heard."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await self._listener
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _listen(self, listening: asyncio.Event) -> None:
        while True:
            try:
                async with aiomqtt.Client("127.0.0.1", self.port) as client:
                    await client.subscribe("ev/#", qos=1)
                    self._client = client
                    listening.set()
                    async for message in client.messages:
                        assert isinstance(message.payload, bytes)
                        self.ear.take(
                            str(message.topic), message.payload, bool(message.retain)
                        )
                        async with self._changed:
                            self._changed.notify_all()
            except aiomqtt.MqttError:
                if listening.is_set():
                    raise
                await asyncio.sleep(0.05)

    async def say(
        self, topic: str, payload: bytes | str, *, retain: bool = False
    ) -> None:
        """Publish something."""
        assert self._client is not None
        await self._client.publish(topic, payload, qos=1, retain=retain)

    async def command(self, **command: Any) -> Any:
        """Send a command to the twin and give back its result."""
        await self.say("ev/twin/command", json.dumps(command))
        return await self.result(command["id"])

    async def result(self, identifier: str) -> Any:
        """The result of a command, once it is there."""
        await self.until(
            lambda ear: any(result["id"] == identifier for result in ear.of("result"))
        )
        return next(
            result for result in self.ear.of("result") if result["id"] == identifier
        )

    async def until(
        self, condition: Callable[[Ear], bool], timeout_s: float = WITHIN_S
    ) -> None:
        """Wait until something has been heard.

        Raises:
            TimeoutError: it was not.
        """
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: condition(self.ear))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def charge(broker: Broker, bench: Bench, mode: str = "grid") -> None:
    """Plug a car in and wait until it charges."""
    result = await broker.command(id=f"charge-{mode}", command="set_mode", value=mode)
    assert result["ok"]
    bench.car.plugged = True
    await broker.until(lambda ear: any(frame["P"] > 1000 for frame in ear.frames()))


def stamps(frames: list[dict[str, Any]]) -> list[datetime]:
    """The frames' times."""
    return [datetime.fromisoformat(frame["timestamp"]) for frame in frames]
