"""Commands and their results, over a real broker."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from billing_service.adapters.mqtt import MqttCommands, commands
from billing_service.domain.errors import CommandRefused, StationSilent
from tests.adapters.mosquitto import PREFIX, billing_at, mosquitto, station_at

pytestmark = pytest.mark.asyncio

type Answer = Callable[[dict[str, Any]], list[object]]


@asynccontextmanager
async def garage(folder: Path, answer: Answer) -> AsyncIterator[MqttCommands]:
    """Yield a sender; a station named garage answers each command with what is returned."""
    async with mosquitto(folder) as broker, station_at(broker) as station:
        await station.subscribe(f"{PREFIX}/garage/command", qos=1)

        async def obey() -> None:
            async for message in station.messages:
                for result in answer(json.loads(bytes(message.payload))):
                    payload = (
                        result if isinstance(result, bytes) else json.dumps(result)
                    )
                    await station.publish(f"{PREFIX}/garage/result", payload, qos=1)

        sender = MqttCommands(billing_at(broker), lambda: datetime.now(UTC))
        tasks = [asyncio.create_task(obey()), asyncio.create_task(sender.run())]
        try:
            yield sender
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_command_is_answered(tmp_path: Path) -> None:
    """The result with its id ends the wait; garbage and others' results do not."""
    seen: list[dict[str, Any]] = []

    def answer(command: dict[str, Any]) -> list[object]:
        seen.append(command)
        return [
            b"\xff",
            [],
            {"id": "other", "ok": False},
            {"id": command["id"], "ok": True},
        ]

    async with garage(tmp_path, answer) as sender:
        await sender.send("garage", "set_current_limit", 10)
    (command,) = seen
    assert (command["command"], command["value"]) == ("set_current_limit", 10)


async def test_a_refusal_carries_the_station_s_reason(tmp_path: Path) -> None:
    """The contract's error, and a sentence with the station's own words."""

    def answer(command: dict[str, Any]) -> list[object]:
        return [
            {"id": command["id"], "ok": False, "error": "busy", "message": "closed"}
        ]

    async with garage(tmp_path, answer) as sender:
        with pytest.raises(CommandRefused, match="closed") as refused:
            await sender.send("garage", "reboot")
    assert refused.value.error == "busy"


async def test_nothing_is_sent_that_no_station_reads(tmp_path: Path) -> None:
    """Above 4 KiB a station would ignore it: the sender is told at once, and a station never sees it."""
    seen: list[object] = []

    def answer(command: dict[str, Any]) -> list[object]:
        seen.append(command["value"])
        return [{"id": command["id"], "ok": True}]

    async with garage(tmp_path, answer) as sender:
        with pytest.raises(CommandRefused, match="4096") as refused:
            await sender.send("garage", "update_firmware", {"url": "x" * 4096})
        await sender.send("garage", "update_firmware", {"url": "x" * 3900})
    assert refused.value.error == "malformed"
    assert seen == [{"url": "x" * 3900}]


async def test_a_station_that_is_silent_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the contract's time; here a shorter one."""
    monkeypatch.setattr(commands, "RESULT_WITHIN_S", 0.5)
    async with garage(tmp_path, lambda _: []) as sender:
        with pytest.raises(StationSilent, match="did not answer"):
            await sender.send("garage", "stop")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"ok": True}, (None, "")),
        (
            {"ok": False, "error": "failed", "message": "bad hash"},
            ("failed", "bad hash"),
        ),
        ({"ok": False, "error": "failed"}, ("failed", "")),
    ],
)
async def test_the_second_result_is_handed_on(
    tmp_path: Path, result: dict[str, Any], expected: tuple[str | None, str]
) -> None:
    """An update is accepted first; what became of it comes later, under the same id."""
    heard: asyncio.Queue[tuple[str, str, str | None, str]] = asyncio.Queue()

    async def outcome(*told: Any) -> None:
        await heard.put(told)

    def answer(command: dict[str, Any]) -> list[object]:
        done = {"id": command["id"], "done": True} | result
        return [{"id": command["id"], "ok": True}, done]

    async with garage(tmp_path, answer) as sender:
        sender.outcome = outcome
        await sender.send("garage", "update_firmware", {}, command_id="an-update")
        async with asyncio.timeout(10):
            assert await heard.get() == ("garage", "an-update", *expected)
