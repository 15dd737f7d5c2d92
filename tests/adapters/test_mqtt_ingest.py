"""From a real broker into a real database: nothing lost, nothing twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from billing_service.adapters.mqtt import MqttCommands, MqttIngest
from billing_service.domain.errors import (
    CommandRefused,
    StationSilent,
    StoreUnavailable,
)
from billing_service.services.ingest import Batch, Ingest, Stored
from scripts.rig.broker import Broker as Mosquitto
from tests.adapters.mosquitto import billing_at, mosquitto, station_at
from tests.contract.golden import golden_bytes
from tests.services.site import Site, open_site

pytestmark = pytest.mark.asyncio


def frame(seq: int) -> bytes:
    """Make one full frame of the garage, 10 s and 10 Wh after the one before."""
    meter = {"V": 230.0, "I": 15.7, "P": 3600.0, "E": 3000 + 10 * seq}
    idle = {"V": 230.0, "I": 0.0, "P": 0.0, "E": 2000}
    at = datetime(2026, 11, 23, 9, seq // 6, seq % 6 * 10, tzinfo=UTC)
    return json.dumps({
        "station": "garage", "boot": 1, "seq": seq, "timestamp": at.isoformat(), **meter,
        "E": 5000 + 10 * seq, "source": "solar", "solar": meter, "grid": idle, "pilot": "C",
        "session": "1-1", "clock": "synced",
    }).encode()  # fmt: skip


@asynccontextmanager
async def running(ingest: MqttIngest | MqttCommands) -> AsyncIterator[None]:
    """Run in the background for the block."""
    task = asyncio.create_task(ingest.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def ingest_of(
    broker: Mosquitto, site: Site, ingest: Ingest | None = None
) -> MqttIngest:
    """Wire the broker to the site's database."""
    return MqttIngest(
        billing_at(broker), ingest or site.ingest, site.clock, identifier="billing-test"
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something that happens in the background has happened."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def stored(site: Site) -> list[int]:
    """Return the seq of every stored frame of the session, in order."""
    async with site.database.read() as uow:
        return [frame.seq async for frame in uow.frames.of_session("garage", "1-1")]


async def publish(broker: Mosquitto, *messages: tuple[str, bytes]) -> None:
    """Publish as a station, each acknowledged by the broker."""
    async with station_at(broker) as station:
        for topic, payload in messages:
            await station.publish(f"ev/{topic}", payload, qos=1)


async def test_a_broker_restart_in_mid_session_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    """Half a session, restart, the other half with a repetition: each frame is stored once."""
    async with mosquitto(tmp_path) as broker, open_site(tmp_path) as site:
        ingest = ingest_of(broker, site)
        async with running(ingest):
            await until(lambda: ingest.connected)
            await publish(
                broker, *(("garage/telemetry", frame(seq)) for seq in range(20))
            )
            await broker.stop()
            await until(lambda: not ingest.connected)
            await broker.start()
            await publish(
                broker, *(("garage/telemetry", frame(seq)) for seq in range(15, 40))
            )
            await until(lambda: ingest.frames == 40)
        await site.metering.run_once()
        assert await stored(site) == list(range(40))
        assert (await site.session()).energy_wh == 390


async def test_what_came_while_the_service_was_away_is_waiting(tmp_path: Path) -> None:
    """The broker keeps frames for a service that is down."""
    async with mosquitto(tmp_path) as broker, open_site(tmp_path) as site:
        first = ingest_of(broker, site)
        async with running(first):
            await until(lambda: first.connected)
        await publish(broker, *(("garage/telemetry", frame(seq)) for seq in range(30)))
        second = ingest_of(broker, site)
        async with running(second):
            await until(lambda: second.frames == 30)
        assert await stored(site) == list(range(30))


class Flaky:
    """Stands before the real ingest: the database is away for the first calls."""

    def __init__(self, ingest: Ingest, error: Exception, failures: int) -> None:
        """Fail so often before the real one is asked."""
        self.ingest, self.error, self.failures = ingest, error, failures

    async def store(self, batch: Batch) -> Stored:
        """Fail or store."""
        if self.failures > 0 and batch.frames:
            self.failures -= 1
            raise self.error
        return await self.ingest.store(batch)


async def test_a_database_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """Nothing is acknowledged or lost while the database cannot write."""
    async with mosquitto(tmp_path) as broker, open_site(tmp_path) as site:
        flaky: Any = Flaky(site.ingest, StoreUnavailable("away"), 3)
        ingest = ingest_of(broker, site, flaky)
        async with running(ingest):
            await until(lambda: ingest.connected)
            await publish(
                broker, *(("garage/telemetry", frame(seq)) for seq in range(10))
            )
            await until(lambda: ingest.frames == 10)
        assert await stored(site) == list(range(10))


async def test_one_message_the_store_refuses_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    """What cannot be stored for good is kept aside; its neighbours are stored."""

    class Picky(Flaky):
        async def store(self, batch: Batch) -> Stored:
            if any(frame.seq == 4 for frame in batch.frames):
                raise ValueError("not this one")
            return await self.ingest.store(batch)

    async with mosquitto(tmp_path) as broker, open_site(tmp_path) as site:
        picky: Any = Picky(site.ingest, ValueError(), 0)
        ingest = ingest_of(broker, site, picky)
        async with running(ingest):
            await until(lambda: ingest.connected)
            await publish(
                broker, *(("garage/telemetry", frame(seq)) for seq in range(8))
            )
            await until(lambda: ingest.frames == 7 and ingest.rejected == 1)
        assert await stored(site) == [0, 1, 2, 3, 5, 6, 7]


async def test_garbage_is_counted_kept_and_harmless(tmp_path: Path) -> None:
    """Messages that break the contract are kept with their reason; good ones go on."""
    async with mosquitto(tmp_path) as broker, open_site(tmp_path) as site:
        ingest = ingest_of(broker, site)
        async with running(ingest):
            await until(lambda: ingest.connected)
            await publish(
                broker,
                ("garage/telemetry", b"\xff\xfe"),
                ("garage/telemetry", b'{"V":1}'),
                ("carport/telemetry", frame(0)),
                ("Gärage/telemetry", frame(0)),
                ("garage/status", b"maybe"),
                ("garage/state", b"[]"),
                ("garage/backlog", b"[%s,{}]" % frame(1)),
                ("garage/event", b'{"type":"plugged"}'),
                ("telemetry", frame(2)),
            )
            await until(lambda: ingest.frames == 2 and ingest.rejected == 8)
        async with site.database.read() as uow:
            assert await uow.rejected.counts() == {
                "not_json": 1,
                "missing_field": 3,
                "wrong_station": 1,
                "bad_value": 2,
                "wrong_type": 1,
            }
        assert await stored(site) == [1, 2]


async def test_state_info_and_status_tell_of_the_station(tmp_path: Path) -> None:
    """A station's own name, rating and status are taken from its messages, but not from unsound ones."""
    info, state = golden_bytes("info", "full"), golden_bytes("state", "idle")
    async with mosquitto(tmp_path) as broker, open_site(tmp_path) as site:
        ingest = ingest_of(broker, site)
        async with running(ingest):
            await until(lambda: ingest.connected)
            await publish(
                broker,
                ("garage/info", info),
                ("garage/state", state),
                ("garage/status", b"online"),
                ("garage/info", b"{}"),
                ("garage/state", b'{"mode":"auto"}'),
                ("carport/info", info),
                ("garage/telemetry", frame(0)),
            )
            await until(lambda: ingest.frames == 1)
        async with site.database.read() as uow:
            station = await uow.stations.get("garage")
            assert await uow.stations.get("carport") is None
        assert station is not None
        assert (station.name, station.max_power_w, station.online) == (
            "Garage",
            7_360,
            True,
        )
        assert (station.info, station.state) == (json.loads(info), json.loads(state))


async def test_a_removed_station_is_no_complaint(tmp_path: Path) -> None:
    """An empty message clears a retained topic: nothing is rejected, what was known stays."""
    info = golden_bytes("info", "full")
    async with mosquitto(tmp_path) as broker, open_site(tmp_path) as site:
        ingest = ingest_of(broker, site)
        async with running(ingest):
            await until(lambda: ingest.connected)
            await publish(
                broker,
                ("garage/info", info),
                *((f"garage/{topic}", b"") for topic in ("info", "state", "status")),
                ("garage/telemetry", frame(0)),
            )
            await until(lambda: ingest.frames == 1)
        assert ingest.rejected == 0
        async with site.database.read() as uow:
            station = await uow.stations.get("garage")
        assert station is not None
        assert station.info == json.loads(info)


@asynccontextmanager
async def answering(
    broker: Mosquitto, answer: dict[str, object] | None
) -> AsyncIterator[None]:
    """Answer commands to the garage for the block, each with its own id."""

    async def answer_all(station: aiomqtt.Client) -> None:
        async for message in station.messages:
            assert isinstance(message.payload, bytes)
            command = json.loads(message.payload)
            assert not message.retain
            if answer is not None:
                await station.publish(
                    "ev/garage/result",
                    json.dumps({"id": command["id"], **answer}),
                    qos=1,
                )

    async with station_at(broker) as station:
        await station.subscribe("ev/+/command", qos=1)
        task = asyncio.create_task(answer_all(station))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_command_returns_when_the_station_said_ok(tmp_path: Path) -> None:
    """The result with the command's own id ends the wait."""
    async with mosquitto(tmp_path) as broker:
        commands = MqttCommands(billing_at(broker), lambda: datetime.now(UTC))
        async with answering(broker, {"ok": True}), running(commands):
            await commands.send("garage", "start")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("nothing there", "No vehicle is connected to the station. (nothing there)"),
        ("no vehicle is connected", "No vehicle is connected to the station."),
    ],
)
async def test_a_refusal_says_why(tmp_path: Path, message: str, said: str) -> None:
    """The station's error becomes a sentence for people; its own words follow if they add to it."""
    answer: dict[str, object] = {
        "ok": False,
        "error": "no_vehicle",
        "message": message,
    }
    async with mosquitto(tmp_path) as broker:
        commands = MqttCommands(billing_at(broker), lambda: datetime.now(UTC))
        async with answering(broker, answer), running(commands):
            with pytest.raises(CommandRefused) as refused:
                await commands.send("garage", "start")
        assert (refused.value.error, refused.value.message) == ("no_vehicle", said)


async def test_a_silent_station_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No result within the contract's time is an error, and so is a broker that is away."""
    monkeypatch.setattr("billing_service.adapters.mqtt.commands.RESULT_WITHIN_S", 0.3)
    async with mosquitto(tmp_path) as broker:
        commands = MqttCommands(billing_at(broker), lambda: datetime.now(UTC))
        async with answering(broker, None), running(commands):
            with pytest.raises(StationSilent, match="did not answer"):
                await commands.send("garage", "start")
    away = MqttCommands(billing_at(broker), lambda: datetime.now(UTC))
    async with running(away):
        with pytest.raises(StationSilent, match="cannot be reached"):
            await away.send("garage", "start")
