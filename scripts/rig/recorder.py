"""Keeps what the stations publish, exactly as sent."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import aiomqtt

from scripts.rig.broker import Broker
from scripts.rig.ports import HOST
from scripts.rig.process import RigError


class Recorder:
    """Writes each frame that is published to a file, one a line, byte for byte.

    Also listens to the stations' events and states, so that a person can be told what goes on.
    """

    def __init__(self, broker: Broker, file: Path) -> None:
        self.frames = 0
        self.last_frame: dict[str, Any] = {}
        self._broker = broker
        self._file = file
        self._task: asyncio.Task[None] | None = None
        self._subscribed = asyncio.Event()
        self._news = asyncio.Condition()
        self._events: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Subscribe. Whatever is published from now on is kept."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._task = asyncio.create_task(self._record(), name="recorder")
        subscribed = asyncio.ensure_future(self._subscribed.wait())
        await asyncio.wait(
            {self._task, subscribed}, return_when=asyncio.FIRST_COMPLETED
        )
        if self._task.done():
            subscribed.cancel()
            self._task.result()

    async def stop(self) -> None:
        """Close the file."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, RigError):
                await self._task

    async def event(self, kind: str) -> dict[str, Any]:
        """Wait for the first event of this type; return it."""
        async with self._news:
            await self._news.wait_for(
                lambda: any(it.get("type") == kind for it in self._events)
            )
        return next(it for it in self._events if it.get("type") == kind)

    async def idle_frame(self, timestamp: str) -> dict[str, Any]:
        """Wait for a frame without a session, taken at `timestamp` or later; return it."""
        async with self._news:
            await self._news.wait_for(
                lambda: (
                    self.last_frame.get("timestamp", "") >= timestamp
                    and self.last_frame.get("session") is None
                )
            )
            return self.last_frame

    async def _record(self) -> None:
        login = self._broker.logins["recorder"]
        prefix = self._broker.prefix
        try:
            async with aiomqtt.Client(
                HOST,
                self._broker.port,
                username=login.username,
                password=login.password,
                protocol=aiomqtt.ProtocolVersion.V5,
            ) as client:
                with self._file.open("wb") as file:
                    for topic in ("telemetry", "+/telemetry", "+/event"):
                        await client.subscribe(f"{prefix}/{topic}", qos=1)
                    self._subscribed.set()
                    async for message in client.messages:
                        payload = bytes(message.payload)
                        said = _object(payload)
                        if message.topic.matches(f"{prefix}/+/event"):
                            self._events.append(said)
                        else:
                            file.write(payload + b"\n")
                            file.flush()
                            self.frames += 1
                            self.last_frame = said or self.last_frame
                        async with self._news:
                            self._news.notify_all()
        except aiomqtt.MqttError as error:
            raise RigError(f"the recorder lost the broker: {error}") from error


def _object(payload: bytes) -> dict[str, Any]:
    """Read a JSON object. What is none, as anyone may publish, is an empty one."""
    try:
        said = json.loads(payload)
    except ValueError, RecursionError:
        return {}
    return said if isinstance(said, dict) else {}
