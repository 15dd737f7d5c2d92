"""The twin on MQTT: the contract, on a real Mosquitto, to the letter."""

import itertools
import secrets
from pathlib import Path

import aiomqtt
import pytest
from bench.bench import Bench
from bench.twin import Twin

from scripts.rig.ports import free_port

from .broker import Broker, charge, stamps

pytestmark = pytest.mark.asyncio


class NamingBroker(Broker):
    """A broker with a listener as `solarrally mqtt-access` makes it for stations."""

    def listeners(self) -> str:
        """The client id is the user's name there."""
        self.naming_port = free_port()
        return f"listener {self.naming_port} 127.0.0.1\nuse_username_as_clientid true\n"


async def test_says_who_it_is_then_that_it_is_there(
    broker: Broker, station: Twin
) -> None:
    """After connecting: info, state, status, in this order and retained."""
    first = [message.leaf for message in broker.ear.messages][:3]
    assert first == ["info", "state", "status"]
    info = broker.ear.of("info")[0]
    assert info["station"] == "twin"
    assert info["capabilities"] == [
        "solar",
        "grid",
        "control_pilot",
        "sd_log",
        "ota",
        "reboot",
    ]
    async with Broker(station.home) as _:
        pass
    await broker.until(lambda ear: bool(ear.of("event")))
    assert broker.ear.of("event")[0]["type"] == "rebooted"
    assert broker.ear.of("event")[0]["boot"] == info["boot"]


async def test_home_assistant_discovery(broker: Broker, twin: Twin) -> None:
    """With discovery on, one retained message makes entities of the station's own topics."""
    twin.environment["SOLARRALLY_DISCOVERY_PREFIX"] = "ev/homeassistant"
    async with twin:
        await broker.until(lambda ear: bool(ear.of("config")))
    config = broker.ear.of("config")[0]
    assert config["availability_topic"] == "ev/twin/status"
    entities = config["components"]
    assert len({entity["unique_id"] for entity in entities.values()}) == len(entities)
    assert entities["mode"]["options"] == ["off", "solar", "grid", "auto"]
    assert (entities["current_limit"]["min"], entities["current_limit"]["max"]) == (
        6,
        32,
    )
    for entity in entities.values():
        assert {"platform", "name", "state_topic", "value_template"} <= set(entity)


async def test_power_loss_is_announced_by_the_will(
    broker: Broker, station: Twin
) -> None:
    """The broker says offline when the station's supply is cut."""
    await station.cut_power()
    await broker.until(lambda ear: ear.of("status")[-1] == "offline")


async def test_a_wanted_end_says_goodbye(broker: Broker, station: Twin) -> None:
    """The station itself says offline before it goes."""
    await station.stop()
    await broker.until(lambda ear: ear.of("status")[-1] == "offline")


async def test_a_session_from_plug_to_unplug(
    broker: Broker, bench: Bench, station: Twin
) -> None:
    """Frames number without a gap, meters add up, and the session's energy is what the car got."""
    await charge(broker, bench, "auto")
    await broker.until(lambda ear: len(ear.of("telemetry")) >= 10)
    bench.car.plugged = False
    await broker.until(
        lambda ear: any(event["type"] == "session_ended" for event in ear.of("event"))
    )
    events = {event["type"]: event for event in broker.ear.of("event")}
    started, ended = events["session_started"], events["session_ended"]
    boot = broker.ear.of("info")[0]["boot"]
    assert started["session"] == ended["session"] == f"{boot}-1"
    assert ended["reason"] == "unplugged"
    assert (
        ended["meter_stop_wh"] - ended["meter_start_wh"]
        == ended["solar_wh"] + ended["grid_wh"]
    )
    assert ended["solar_wh"] == pytest.approx(bench.delivered_wh, abs=1.5)
    frames = broker.ear.frames()
    assert [frame["seq"] for frame in frames] == list(range(len(frames)))
    assert {frame["boot"] for frame in frames} == {boot}
    for frame in frames:
        meters = [frame[source] for source in ("solar", "grid") if source in frame]
        assert frame["P"] == pytest.approx(
            sum(meter["P"] for meter in meters), abs=0.01
        )
        if all("E" in meter for meter in meters) and len(meters) == 2:
            assert frame["E"] == sum(meter["E"] for meter in meters)
        assert frame["source"] != "none" or frame["P"] <= 50
    assert stamps(frames) == sorted(stamps(frames))
    assert any(frame["session"] == f"{boot}-1" for frame in frames)


async def test_a_change_is_told_at_once(
    broker: Broker, bench: Bench, station: Twin
) -> None:
    """An idle station does not wait ten seconds to tell of a car."""
    await broker.until(lambda ear: bool(ear.of("telemetry")))
    before = len(broker.ear.of("telemetry"))
    bench.car.plugged = True
    await broker.until(
        lambda ear: any(
            frame.get("pilot") == "B" for frame in ear.of("telemetry")[before:]
        ),
        5,
    )


async def test_charging_is_told_each_second(
    broker: Broker, bench: Bench, station: Twin
) -> None:
    """While charging, frames are a second apart."""
    await charge(broker, bench)
    before = len(broker.ear.of("telemetry"))
    await broker.until(lambda ear: len(ear.of("telemetry")) >= before + 6)
    times = stamps(broker.ear.of("telemetry")[before:])
    gaps = [
        (later - earlier).total_seconds()
        for earlier, later in itertools.pairwise(times)
    ]
    assert all(0.95 <= gap <= 1.5 for gap in gaps), gaps


async def test_the_state_is_told_when_it_changes(
    broker: Broker, bench: Bench, station: Twin
) -> None:
    """A session that goes on as it began is no news, whatever the clock reads to the millisecond."""
    await charge(broker, bench)
    frames = len(broker.ear.of("telemetry"))
    await broker.until(lambda ear: len(ear.of("telemetry")) >= frames + 2)
    before = len(broker.ear.of("state"))
    await broker.until(lambda ear: len(ear.of("telemetry")) >= frames + 8)
    assert len(broker.ear.of("state")) == before


async def test_works_where_the_broker_calls_it_by_its_user(
    twin_program: Path, tmp_path: Path, bench: Bench
) -> None:
    """With ``use_username_as_clientid`` it is heard and obeys, and another user cannot end that."""
    home = tmp_path / "home"
    async with NamingBroker(tmp_path) as broker:
        environment = {
            **bench.environment,
            "SOLARRALLY_BROKER_PORT": str(broker.naming_port),
            "SOLARRALLY_BROKER_USERNAME": "twin",
            "SOLARRALLY_BROKER_PASSWORD": secrets.token_hex(8),
        }
        async with Twin(twin_program, home, environment):
            await broker.until(lambda ear: "online" in ear.of("status"))
            serial = broker.ear.of("info")[0]["serial"]
            for identifier in ("twin", f"solarrally-twin-{serial}"):
                async with aiomqtt.Client(
                    "127.0.0.1",
                    broker.naming_port,
                    username="garage",
                    identifier=identifier,
                ):
                    pass
            result = await broker.command(id="here", command="set_mode", value="grid")
            assert result["ok"]
            assert broker.ear.of("status") == ["online"]
