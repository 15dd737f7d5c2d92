"""The simulator at a real Mosquitto."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from scripts.rig.broker import Broker as Mosquitto
from simulator.controller import Mode
from simulator.memory import StationMemory
from simulator.outbox import BACKLOG_CHUNK
from simulator.publisher import Broker, CredentialsRefused, Publisher
from simulator.runner import Runner
from simulator.station import Station, StationConfig
from tests.simulator.broker import PREFIX, WITHIN_S, Subscriber, as_station, mosquitto

SCRIPT = Path(__file__).parents[2] / "scripts" / "mock_publisher.py"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A running Mosquitto of this test's own."""
    server = mosquitto(tmp_path / "mosquitto")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def subscriber(server: Mosquitto) -> AsyncIterator[Subscriber]:
    """Somebody who hears everything from the start."""
    async with Subscriber(server).listen() as subscriber:
        yield subscriber


class Simulation:
    """One station in this process, `garage`, at a speed."""

    def __init__(
        self,
        broker: Broker,
        *,
        speed: float,
        plain: bool = False,
        past_s: float = 86_400,
        **config: Any,
    ) -> None:
        start = datetime.now(UTC) - timedelta(
            seconds=config.get("duration_s") or past_s
        )
        self.station = Station(StationConfig(station="garage", start=start, **config))
        self.publisher = Publisher(self.station, broker, PREFIX, plain=plain)
        self.runner = Runner([self.publisher], [None], start, speed)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[bool]]:
        """Run it through the block; end it then."""
        task = asyncio.create_task(self.runner.run())
        try:
            yield task
        finally:
            self.runner.stop()
            async with asyncio.timeout(WITHIN_S):
                await task


async def send(
    server: Mosquitto, command: dict[str, Any], *, retain: bool = False
) -> None:
    """Send a command as Home Assistant does."""
    login = server.logins["homeassistant"]
    async with aiomqtt.Client(
        "127.0.0.1", server.port, username=login.username, password=login.password
    ) as client:
        await client.publish(f"{PREFIX}/garage/command", json.dumps(command), 1, retain)


async def test_it_introduces_itself_before_it_speaks(
    server: Mosquitto, subscriber: Subscriber
) -> None:
    """info, state, status, and only then frames; the three stay with the broker."""
    simulation = Simulation(as_station(server), speed=10, duration_s=30)
    async with simulation.running() as task:
        assert await task
    await subscriber.until(
        lambda: subscriber.of("garage/status") == ["online", "offline"]
    )
    assert [topic for topic, _, _ in subscriber.messages[:4]] == [
        "garage/info", "garage/state", "garage/status", "garage/event",
    ]  # fmt: skip
    late = Subscriber(server)
    login = server.logins["billing"]
    async with aiomqtt.Client(
        "127.0.0.1", server.port, username=login.username, password=login.password
    ) as client:
        await client.subscribe(f"{PREFIX}/#")
        retained = {}
        async with asyncio.timeout(WITHIN_S):
            async for message in client.messages:
                retained[str(message.topic).removeprefix(f"{PREFIX}/")] = (
                    message.payload
                )
                if len(retained) == 3:
                    break
    assert retained["garage/status"] == b"offline"
    assert json.loads(retained["garage/state"])["session"] is None
    assert json.loads(retained["garage/info"])["station"] == "garage"
    assert not late.messages


async def test_a_broker_restart_loses_and_renumbers_nothing(
    server: Mosquitto, subscriber: Subscriber
) -> None:
    """Cut in mid-session: every (boot, seq) arrives, what was missed as backlog, oldest first."""
    simulation = Simulation(
        as_station(server),
        speed=200,
        duration_s=2000,
        session_length_s=1900,
        mode=Mode.GRID,
    )
    async with simulation.running() as task:
        await subscriber.until(lambda: len(subscriber.of("garage/telemetry")) > 300)
        await server.stop()
        async with asyncio.timeout(WITHIN_S):
            while simulation.publisher.outbox.waiting_frames < 2 * BACKLOG_CHUNK:
                await asyncio.sleep(0.01)
        await server.start()
        assert await task
    sent = simulation.publisher.frames
    await subscriber.until(lambda: subscriber.of("garage/status")[-1:] == ["offline"])
    arrived = subscriber.frames("garage")
    assert {(frame["boot"], frame["seq"]) for frame in arrived} == {
        (1, n) for n in range(sent)
    }
    texts = {frame["seq"]: frame for frame in arrived}
    assert all(texts[frame["seq"]] == frame for frame in arrived), (
        "a frame sent twice is the same"
    )
    chunks = subscriber.of("garage/backlog")
    assert sum(map(len, chunks)) >= 2 * BACKLOG_CHUNK
    assert max(map(len, chunks)) <= BACKLOG_CHUNK
    # The broker may deliver again what it had not seen acknowledged: the first time counts.
    late = [*dict.fromkeys(frame["seq"] for chunk in chunks for frame in chunk)]
    assert late == sorted(late)
    live = [*dict.fromkeys(frame["seq"] for frame in subscriber.of("garage/telemetry"))]
    assert live == sorted(live)
    kinds = [event["type"] for event in subscriber.of("garage/event")]
    assert [kind for kind in kinds if kind.startswith("session")] == [
        "session_started", "session_ended",
    ]  # fmt: skip
    assert subscriber.of("garage/state")[-1]["backlog"] == 0


async def test_it_waits_for_a_broker_that_is_not_there_yet(tmp_path: Path) -> None:
    """Started before the broker it keeps trying, and its time begins with the connection."""
    server = mosquitto(tmp_path / "mosquitto")
    simulation = Simulation(as_station(server), speed=50, duration_s=40)
    async with simulation.running() as task:
        await server.start()
        async with Subscriber(server).listen() as subscriber:
            assert await task
            await subscriber.until(
                lambda: subscriber.of("garage/status")[-1:] == ["offline"]
            )
    await server.stop()
    assert simulation.publisher.outbox.empty


async def test_refused_credentials_are_not_tried_again(server: Mosquitto) -> None:
    """A wrong password ends it with an error that says so."""
    broker = Broker("127.0.0.1", server.port, "station", "wrong")
    simulation = Simulation(broker, speed=1)
    with pytest.raises(ExceptionGroup) as failed:
        await simulation.runner.run()
    assert isinstance(failed.value.exceptions[0], CredentialsRefused)


async def test_a_command_is_obeyed_and_answered(
    server: Mosquitto, subscriber: Subscriber
) -> None:
    """The result names the command, and the state shows what has changed."""
    simulation = Simulation(as_station(server), speed=20)
    async with simulation.running():
        await subscriber.until(
            lambda: any(s["charging"] for s in subscriber.of("garage/state"))
        )
        await send(server, {"id": "a", "command": "set_current_limit", "value": 9})
        await subscriber.until(
            lambda: subscriber.of("garage/result") == [{"id": "a", "ok": True}]
        )
        await subscriber.until(
            lambda: (
                subscriber.of("garage/state")[-1]["current_limit_a"] == 9
                and 8.9 < subscriber.of("garage/telemetry")[-1]["I"] < 9.1
            )
        )
        await send(server, {"id": "b", "command": "set_current_limit", "value": 99})
        await subscriber.until(lambda: len(subscriber.of("garage/result")) == 2)
    refused = subscriber.of("garage/result")[1]
    assert (refused["id"], refused["ok"], refused["error"]) == (
        "b",
        False,
        "out_of_range",
    )


async def test_a_retained_command_is_stale(
    server: Mosquitto, subscriber: Subscriber
) -> None:
    """What waits at the broker from before is refused."""
    await send(
        server, {"id": "old", "command": "set_mode", "value": "off"}, retain=True
    )
    simulation = Simulation(as_station(server), speed=1)
    async with simulation.running():
        await subscriber.until(lambda: subscriber.of("garage/result"))
    assert subscriber.of("garage/result")[0]["error"] == "stale"
    assert simulation.station.snapshot().mode is Mode.AUTO


async def test_a_reboot_is_seen_from_outside(
    server: Mosquitto, subscriber: Subscriber
) -> None:
    """Answered first; then offline, online, a new boot number and frames from 0."""
    simulation = Simulation(as_station(server), speed=20, plug_in_after_s=5000)
    async with simulation.running():
        await subscriber.until(lambda: len(subscriber.of("garage/telemetry")) > 2)
        await send(server, {"id": "r", "command": "reboot"})
        await subscriber.until(
            lambda: any(f["boot"] == 2 for f in subscriber.frames("garage"))
        )
    assert subscriber.of("garage/result") == [{"id": "r", "ok": True}]
    assert subscriber.of("garage/status")[:3] == ["online", "offline", "online"]
    assert [info["boot"] for info in subscriber.of("garage/info")] == [1, 2]
    assert subscriber.of("garage/info")[1]["reset_reason"] == "software"
    seqs = {frame["seq"] for frame in subscriber.frames("garage") if frame["boot"] == 2}
    assert 0 in seqs


async def test_the_plain_form_is_frames_and_nothing_else(
    server: Mosquitto, subscriber: Subscriber
) -> None:
    """Only `telemetry`, only the five fields, each time only once."""
    simulation = Simulation(as_station(server), speed=60, plain=True, duration_s=300)
    async with simulation.running() as task:
        assert await task
    sent = simulation.publisher.frames
    await subscriber.until(lambda: len(subscriber.messages) == sent)
    assert {topic for topic, _, _ in subscriber.messages} == {"telemetry"}
    frames = subscriber.of("telemetry")
    assert {tuple(frame) for frame in frames} == {
        ("V", "I", "P", "source", "timestamp")
    }
    assert len({frame["timestamp"] for frame in frames}) == sent


async def test_the_plain_form_survives_a_broker_restart(
    server: Mosquitto, subscriber: Subscriber
) -> None:
    """What was missed comes later on the same topic, frame by frame."""
    simulation = Simulation(
        as_station(server), speed=100, plain=True, duration_s=900, mode=Mode.GRID
    )
    async with simulation.running() as task:
        await subscriber.until(lambda: len(subscriber.messages) > 100)
        await server.stop()
        async with asyncio.timeout(WITHIN_S):
            while simulation.publisher.outbox.waiting_frames < BACKLOG_CHUNK:
                await asyncio.sleep(0.01)
        await server.start()
        assert await task
    sent = simulation.publisher.frames
    await subscriber.until(
        lambda: len({f["timestamp"] for f in subscriber.of("telemetry")}) == sent
    )


async def test_what_could_not_be_delivered_at_the_end_is_said(
    server: Mosquitto,
    subscriber: Subscriber,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Told to stop while the broker is gone, it gives up after a while and admits it."""
    monkeypatch.setattr("simulator.runner.DRAIN_AFTER_SIGNAL_S", 0.1)
    simulation = Simulation(as_station(server), speed=50)
    async with simulation.running() as task:
        await subscriber.until(lambda: len(subscriber.of("garage/telemetry")) > 20)
        await server.stop()
        simulation.runner.stop()
        async with asyncio.timeout(WITHIN_S):
            assert not await task
    assert "could not be delivered" in caplog.text


async def test_time_stops_at_the_clock(
    server: Mosquitto, subscriber: Subscriber
) -> None:
    """A fast run that has caught up goes on at the clock's pace: no timestamp is ahead of it."""
    past_s = 600.0
    simulation = Simulation(
        as_station(server), speed=1e5, past_s=past_s, plug_in_after_s=past_s + 2
    )
    async with simulation.running():
        await subscriber.until(
            lambda: any(e["type"] == "plugged" for e in subscriber.of("garage/event"))
        )
        heard = datetime.now(UTC)
    plugged = next(e for e in subscriber.of("garage/event") if e["type"] == "plugged")
    assert timedelta() <= heard - datetime.fromisoformat(plugged["timestamp"])
    newest = max(
        datetime.fromisoformat(f["timestamp"]) for f in subscriber.frames("garage")
    )
    assert newest <= datetime.now(UTC)


class Process:
    """scripts/mock_publisher.py as somebody starts it."""

    def __init__(self, server: Mosquitto, state_dir: Path) -> None:
        login = server.logins["station"]
        self._env = {**os.environ, "SOLARRALLY_MQTT_PASSWORD": login.password}
        self._arguments = [
            f"--broker=127.0.0.1:{server.port}",
            f"--prefix={PREFIX}",
            "--station=garage",
            f"--username={login.username}",
            f"--state-dir={state_dir}",
        ]

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start it; errors go to a pipe."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            *self._arguments,
            *arguments,
            stderr=asyncio.subprocess.PIPE,
            env=self._env,
        )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Wait for the end; exit status and what it said."""
    async with asyncio.timeout(2 * WITHIN_S):
        _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_killed_it_leaves_its_last_will(
    server: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    """Without a farewell the broker says `offline`, and the next run repeats and lowers nothing."""
    garage = Process(server, tmp_path / "state")
    process = await garage.start("--speed=60")
    await subscriber.until(lambda: len(subscriber.of("garage/telemetry")) > 50)
    process.kill()
    await ended(process)
    await subscriber.until(
        lambda: subscriber.of("garage/status") == ["online", "offline"]
    )
    before = subscriber.frames("garage")
    process = await garage.start("--duration=20", "--speed=10")
    assert (await ended(process))[0] == 0
    await subscriber.until(
        lambda: subscriber.of("garage/status")[2:] == ["online", "offline"]
    )
    after = [frame for frame in subscriber.frames("garage") if frame["boot"] == 2]
    assert len(before) + len(after) == len(subscriber.frames("garage"))
    assert after[0]["E"] >= max(frame["E"] for frame in before)
    names = {
        event["session"]
        for event in subscriber.of("garage/event")
        if "session" in event
    }
    assert all(name.startswith(("1-", "2-")) for name in names)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly(
    server: Mosquitto, subscriber: Subscriber, tmp_path: Path, number: signal.Signals
) -> None:
    """In mid-session: unplugged, everything delivered, `offline`, exit status 0."""
    process = await Process(server, tmp_path / "state").start("--speed=30")
    await subscriber.until(lambda: len(subscriber.of("garage/telemetry")) > 30)
    process.send_signal(number)
    status, said = await ended(process)
    assert status == 0, said
    await subscriber.until(
        lambda: subscriber.of("garage/status") == ["online", "offline"]
    )
    kinds = [event["type"] for event in subscriber.of("garage/event")]
    assert kinds[-2:] == ["session_ended", "unplugged"]
    assert subscriber.of("garage/state")[-1]["pilot"] == "A"
    seqs = [frame["seq"] for frame in subscriber.frames("garage")]
    assert seqs == list(range(len(seqs)))
    assert f"{len(seqs)} frames" in said
    assert subscriber.messages[-1][0] == "garage/status"


async def test_the_command_line_says_refused_credentials_in_one_line(
    server: Mosquitto, tmp_path: Path
) -> None:
    """Exit status 2 and one line that names the broker; the memory is let go."""
    server.logins["station"] = type(server.logins["station"])("station", "wrong")
    status, said = await ended(await Process(server, tmp_path).start())
    assert status == 2
    assert said.splitlines()[-1].startswith(f"error: 127.0.0.1:{server.port} refused")
    assert "Traceback" not in said
    StationMemory(tmp_path, PREFIX, "garage", seed=1).close()
