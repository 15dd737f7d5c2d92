"""How the twin ends and begins again: on command, by an update, by a loop that hangs."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aioesphomeapi.client import APIClient
from bench.bench import WITHIN_S, Bench, Change
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


async def command_a_reboot(broker: Broker, _station: Twin) -> None:
    """Over MQTT; what comes after it is refused."""
    results = await asyncio.gather(
        broker.command(id="reboot", command="reboot"),
        broker.command(id="again", command="reboot"),
        broker.command(id="stop", command="stop"),
    )
    assert [result.get("error") for result in results] == [None, "busy", "busy"]


async def press_restart(_broker: Broker, station: Twin) -> None:
    """ESPHome's own button, over the native API."""
    client = APIClient("127.0.0.1", station.api_port, None)
    await client.connect(login=True)
    entities, _ = await client.list_entities_services()
    client.button_command(next(e.key for e in entities if e.name == "Restart"))
    await asyncio.wait_for(station.process.wait(), WITHIN_S)
    await client.disconnect(force=True)


def opening(bench: Bench, closed_at: int) -> Change:
    """The first move since then: a coil that was put off."""
    first = bench.history[closed_at]
    assert (first.what, first.closed) == ("coil", False)
    return first


@pytest.mark.parametrize("ask", [command_a_reboot, press_restart])
async def test_a_car_is_stopped_before_a_restart(
    broker: Broker,
    bench: Bench,
    station: Twin,
    ask: Callable[[Broker, Twin], Awaitable[None]],
) -> None:
    """The offer goes first, the contactor when the current is gone; the session goes on in the next boot."""
    await charge(broker, bench)
    await broker.until(lambda ear: ear.frames()[-1]["session"] is not None)
    session = broker.ear.frames()[-1]["session"]
    closed_at = len(bench.history)
    await ask(broker, station)
    assert await asyncio.wait_for(station.process.wait(), WITHIN_S) == 0
    assert opening(bench, closed_at).current_a == 0
    await broker.until(lambda ear: ear.of("status")[-1] == "offline")
    frames = len(broker.ear.frames())
    await station.start()
    await broker.until(
        lambda ear: any(frame["P"] > 1000 for frame in ear.frames()[frames:])
    )
    assert broker.ear.frames()[-1]["session"] == session
    assert "session_ended" not in [event["type"] for event in broker.ear.of("event")]


async def test_a_car_that_goes_on_drawing_delays_no_restart(
    broker: Broker, bench: Bench, station: Twin
) -> None:
    """Who takes no notice of the pilot is cut off when his time is over."""
    bench.car.ignores_pilot = True
    await charge(broker, bench)
    closed_at = len(bench.history)
    assert (await broker.command(id="reboot", command="reboot"))["ok"]
    assert await asyncio.wait_for(station.process.wait(), WITHIN_S) == 0
    assert opening(bench, closed_at).current_a > 0


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
    """A new image over the air: the car stops and outputs are off before it is taken, then the new program is up."""
    await charge(broker, bench)
    closed_at = len(bench.history)
    boot = broker.ear.of("info")[-1]["boot"]
    said = await upload(station, twin_program)
    assert said.startswith("0 "), said
    await broker.until(lambda ear: ear.of("info")[-1]["boot"] == boot + 1)
    assert broker.ear.of("info")[-1]["reset_reason"] == "software"
    assert opening(bench, closed_at).current_a == 0
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
