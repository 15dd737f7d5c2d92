"""The twin without its broker, its clock or its card: no frame is lost."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bench.bench import WITHIN_S, Bench
from bench.twin import Twin

from .broker import Broker, charge, stamps

pytestmark = pytest.mark.asyncio


async def test_no_frame_is_lost_in_an_outage(
    broker: Broker, bench: Bench, twin: Twin, tmp_path: Path
) -> None:
    """Broker away in mid-session, power cut in the outage: every seq arrives, and the session's energy is right."""
    async with twin:
        await broker.until(lambda ear: "online" in ear.of("status"))
        await charge(broker, bench)
        await broker.until(lambda ear: len(ear.of("telemetry")) >= 6)
        boot = broker.ear.of("info")[0]["boot"]
        await broker.stop()
        card = tmp_path / "card"
        async with asyncio.timeout(WITHIN_S):
            while (
                sum(file.read_bytes().count(b"\n") for file in card.glob("*.log")) < 8
            ):
                await asyncio.sleep(0.1)
        await twin.cut_power()
        on_card = [
            line
            for file in card.glob("*.log")
            for line in file.read_text().splitlines()
        ]
        # The cut tears the last line.
        torn = max(card.glob("*.log"))
        torn.write_bytes(torn.read_bytes()[:-30])
        await twin.start()
        async with asyncio.timeout(WITHIN_S):
            while len(list(card.glob("*.log"))) < 2:
                await asyncio.sleep(0.1)
        await broker.start()
        await broker.until(
            lambda ear: bool(ear.of("state")) and ear.of("state")[-1]["backlog"] == 0,
        )
        await broker.until(
            lambda ear: any(
                frame["boot"] == boot + 1 and frame["P"] > 1000
                for frame in ear.frames()
            ),
        )
        bench.car.plugged = False
        await broker.until(
            lambda ear: any(
                event["type"] == "session_ended" for event in ear.of("event")
            )
        )
    frames = broker.ear.frames()
    first = sorted({frame["seq"] for frame in frames if frame["boot"] == boot})
    last_on_card = json.loads(on_card[-1].split("\t")[0])["seq"]
    # The torn line is the one frame that a power cut may take.
    assert first == list(range(last_on_card))
    second = sorted({frame["seq"] for frame in frames if frame["boot"] == boot + 1})
    assert second == list(range(len(second)))
    ended = next(
        event for event in broker.ear.of("event") if event["type"] == "session_ended"
    )
    assert ended["session"] == f"{boot}-1", "the session goes on after the power cut"
    assert ended["meter_stop_wh"] - ended["meter_start_wh"] == pytest.approx(
        bench.delivered_wh, abs=1.5
    )
    by_key = {(frame["boot"], frame["seq"]): frame for frame in frames}
    registers = [by_key[key]["E"] for key in sorted(by_key) if "E" in by_key[key]]
    assert registers == sorted(registers)


async def test_frames_wait_for_the_clock(
    broker: Broker, bench: Bench, twin: Twin
) -> None:
    """Frames from before the clock was set are corrected when it is."""
    bench.clock_set = False
    began = datetime.now(UTC)
    async with twin:
        await broker.until(lambda ear: "online" in ear.of("status"))
        await broker.until(
            lambda ear: (
                bool(ear.of("state")) and ear.of("state")[-1]["clock"] == "estimated"
            )
        )
        bench.car.plugged = True
        await broker.until(lambda ear: ear.of("state")[-1].get("pilot") == "B")
        assert broker.ear.frames() == []
        bench.clock_set = True
        await broker.until(
            lambda ear: any(frame.get("pilot") == "B" for frame in ear.frames())
        )
    frames = broker.ear.frames()
    assert {frame["clock"] for frame in frames} == {"synced"}
    assert sorted(frame["seq"] for frame in frames) == list(range(len(frames)))
    for stamp in stamps(frames):
        assert (
            began - timedelta(seconds=1)
            <= stamp
            <= datetime.now(UTC) + timedelta(seconds=1)
        )


async def test_works_without_a_card(
    twin_program: Path, tmp_path: Path, bench: Bench, broker: Broker
) -> None:
    """A missing card is told, and is no reason to stop; memory bridges a short outage."""
    environment = {
        **bench.environment,
        "SOLARRALLY_BROKER_PORT": str(broker.port),
        "SOLARRALLY_CARD": str(tmp_path / "no-such-card"),
    }
    async with Twin(twin_program, tmp_path / "home", environment):
        await broker.until(
            lambda ear: bool(ear.of("state")) and ear.of("state")[-1]["sd"] == "missing"
        )
        await charge(broker, bench)
        await broker.stop()
        delivered_wh = bench.delivered_wh
        await bench.until(lambda: bench.delivered_wh > delivered_wh + 10)
        await broker.start()
        await broker.until(lambda ear: bool(ear.of("backlog")))
        heard = len(broker.ear.of("telemetry"))
        await broker.until(lambda ear: len(ear.of("telemetry")) > heard + 2)
    numbers = {frame["seq"] for frame in broker.ear.frames()}
    assert numbers == set(range(max(numbers) + 1))
