"""How the twin ends and begins again: on command, by an update, by a loop that hangs."""

import asyncio
import signal
from pathlib import Path

import pytest
from bench.bench import WITHIN_S, Bench
from bench.twin import Twin

from .broker import ROOT, Broker, charge

pytestmark = pytest.mark.asyncio


async def test_reboots_when_told(broker: Broker, station: Twin) -> None:
    """The reboot is answered, then done; a limit that was set just before, for the second time, outlives it."""
    for current_a in (10, 12):
        await broker.command(
            id=f"limit-{current_a}", command="set_current_limit", value=current_a
        )
    boot = broker.ear.of("info")[-1]["boot"]
    assert (await broker.command(id="reboot", command="reboot"))["ok"]
    assert await asyncio.wait_for(station.process.wait(), 20) == 0
    await broker.until(lambda ear: ear.of("status")[-1] == "offline")
    await station.start()
    await broker.until(lambda ear: ear.of("info")[-1]["boot"] == boot + 1)
    assert broker.ear.of("info")[-1]["reset_reason"] == "software"
    await broker.until(lambda ear: ear.of("state")[-1]["boot"] == boot + 1)
    assert broker.ear.of("state")[-1]["current_limit_a"] == 12


async def upload(station: Twin, image: Path) -> str:
    """Send a firmware image with ESPHome's own uploader and give back what it said."""
    script = (
        "import sys; from pathlib import Path; from esphome.espota2 import run_ota; from esphome.core import CORE; "
        "code, _ = run_ota('127.0.0.1', int(sys.argv[1]), None, Path(sys.argv[2])); sys.exit(code)"
    )
    process = await asyncio.create_subprocess_exec(
        ROOT / ".venv-esphome" / "bin" / "python",
        "-c",
        script,
        str(station.ota_port),
        image,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    return f"{process.returncode} {said.decode()}"


async def test_an_update_opens_the_contactor_first(
    broker: Broker, bench: Bench, station: Twin, twin_program: Path
) -> None:
    """A new image over the air: outputs off before it is taken, then the new program is up."""
    await charge(broker, bench)
    closed_at = len(bench.history)
    boot = broker.ear.of("info")[-1]["boot"]
    said = await upload(station, twin_program)
    assert said.startswith("0 "), said
    await broker.until(lambda ear: ear.of("info")[-1]["boot"] == boot + 1)
    assert broker.ear.of("info")[-1]["reset_reason"] == "software"
    first = bench.history[closed_at]
    assert (first.what, first.closed) == ("coil", False)
    await bench.until(lambda: bench.closed() == "grid")


async def test_an_image_that_is_none_is_refused(
    broker: Broker, bench: Bench, station: Twin, tmp_path: Path
) -> None:
    """Garbage is not taken for firmware; the station goes on, and charges again."""
    await charge(broker, bench)
    image = tmp_path / "garbage.bin"
    image.write_bytes(bytes(range(256)) * 1000)
    said = await upload(station, image)
    assert not said.startswith("0 "), said
    await bench.until(lambda: bench.closed() == "grid")
    assert len({info["boot"] for info in broker.ear.of("info")}) == 1
    assert station.process.returncode is None


async def test_a_stalled_loop_is_told(
    broker: Broker, bench: Bench, station: Twin
) -> None:
    """A main loop that stood still for two seconds is a fault in the state."""
    await charge(broker, bench)
    station.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(2)
    station.process.send_signal(signal.SIGCONT)
    await broker.until(lambda ear: "loop_stall" in ear.of("state")[-1]["faults"])
    await broker.until(
        lambda ear: any(event.get("fault") == "loop_stall" for event in ear.of("event"))
    )
