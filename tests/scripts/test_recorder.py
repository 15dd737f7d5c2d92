"""The demo's recorder goes on, whatever anyone publishes."""

import asyncio
from pathlib import Path

import aiomqtt
import pytest

from scripts.rig.broker import Broker
from scripts.rig.ports import HOST, free_port
from scripts.rig.recorder import Recorder

NOT_FRAMES = [b"", b"{", b"\xff", b"null", b"[]", b"[" * 60_000]
FRAME = b'{"V":231.4,"I":13.9,"P":3215.0,"source":"solar","timestamp":"2026-11-23T09:30:00.000Z"}'


@pytest.mark.parametrize("topic", ["ev/telemetry", "ev/garage/event"])
async def test_what_is_no_message_does_not_end_it(tmp_path: Path, topic: str) -> None:
    """It is kept as it was sent if it is on a frame's topic, and what follows is read."""
    broker = Broker(tmp_path / "broker", tmp_path / "log", free_port(), "ev")
    await broker.start()
    recorder = Recorder(broker, tmp_path / "frames.jsonl")
    try:
        await recorder.start()
        station = broker.logins["station"]
        async with aiomqtt.Client(
            HOST,
            broker.port,
            username=station.username,
            password=station.password,
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as client:
            for payload in NOT_FRAMES:
                await client.publish(topic, payload, qos=1)
            await client.publish("ev/telemetry", FRAME, qos=1)
        async with asyncio.timeout(10):
            frame = await recorder.idle_frame("2026-11-23T09:30:00.000Z")
        assert frame["P"] == 3215.0
    finally:
        await recorder.stop()
        await broker.stop()
    assert (tmp_path / "frames.jsonl").read_bytes().endswith(FRAME + b"\n")
