"""The twin on MQTT: the contract, on a real Mosquitto, to the letter."""

import asyncio
import itertools
import json
import secrets
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio
from bench.bench import WITHIN_S, Bench
from bench.twin import Twin

from scripts.rig.ports import free_port

from .broker import ROOT, Broker, charge

pytestmark = pytest.mark.asyncio


class NamingBroker(Broker):
    """A broker with a listener as `solarrally mqtt-access` makes it for stations."""

    def listeners(self) -> str:
        """The client id is the user's name there."""
        self.naming_port = free_port()
        return f"listener {self.naming_port} 127.0.0.1\nuse_username_as_clientid true\n"


@pytest.fixture
def twin(twin_program: Path, tmp_path: Path, bench: Bench, broker: Broker) -> Twin:
    """A station that was never switched on before; it has a card."""
    card = tmp_path / "card"
    card.mkdir()
    return Twin(
        twin_program,
        tmp_path / "home",
        {
            **bench.environment,
            "SOLARRALLY_BROKER_PORT": str(broker.port),
            "SOLARRALLY_CARD": str(card),
        },
    )


@pytest_asyncio.fixture
async def station(twin: Twin, broker: Broker) -> AsyncIterator[Twin]:
    """A station that is on and connected."""
    async with twin:
        await broker.until(lambda ear: "online" in ear.of("status"))
        yield twin


def stamps(frames: list[dict[str, Any]]) -> list[datetime]:
    """The frames' times."""
    return [datetime.fromisoformat(frame["timestamp"]) for frame in frames]


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


COMMANDS: list[tuple[dict[str, Any], str | None]] = [
    ({"command": "set_mode", "value": "solar"}, None),
    ({"command": "set_mode", "value": "turbo"}, "out_of_range"),
    ({"command": "set_mode"}, "malformed"),
    ({"command": "set_mode", "value": 3}, "malformed"),
    ({"command": "set_current_limit", "value": 10}, None),
    ({"command": "set_current_limit", "value": 5.9}, "out_of_range"),
    ({"command": "set_current_limit", "value": 32.1}, "out_of_range"),
    ({"command": "set_current_limit", "value": "10"}, "malformed"),
    ({"command": "start"}, "no_vehicle"),
    ({"command": "stop", "value": None}, "no_vehicle"),
    ({"command": "reset_faults"}, None),
    ({"command": "reset_faults", "value": 1}, "malformed"),
    ({"command": "explode"}, "unknown_command"),
    ({"command": 7}, "malformed"),
    ({}, "malformed"),
    (
        {"command": "set_mode", "value": "grid", "timestamp": "2020-01-01T00:00:00Z"},
        "stale",
    ),
    ({"command": "set_mode", "value": "grid", "timestamp": "yesterday"}, "malformed"),
    (
        {
            "command": "update_firmware",
            "value": {
                "url": "https://x.invalid/f.bin",
                "sha256": "ab" * 32,
                "version": "9",
            },
        },
        "out_of_range",
    ),
]


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


async def test_each_command_has_one_result(broker: Broker, station: Twin) -> None:
    """Good and bad commands in one burst: each id gets exactly one result, a refused one changes nothing."""
    for number, (command, _) in enumerate(COMMANDS):
        await broker.say("ev/twin/command", json.dumps({"id": f"c{number}", **command}))
    for number, (command, error) in enumerate(COMMANDS):
        result = await broker.result(f"c{number}")
        assert (result["ok"], result.get("error")) == (error is None, error), command
    again = await broker.command(id="c0-again", command="reset_faults")
    assert again["ok"]
    answered = [result["id"] for result in broker.ear.of("result")]
    assert len(answered) == len(set(answered))
    await broker.until(lambda ear: ear.of("state")[-1]["current_limit_a"] == 10)
    assert broker.ear.of("state")[-1]["mode"] == "solar"


async def test_a_repeated_id_is_refused(broker: Broker, station: Twin) -> None:
    """The second command with the same id changes nothing."""
    assert (await broker.command(id="same", command="set_mode", value="grid"))["ok"]
    await broker.say(
        "ev/twin/command",
        json.dumps({"id": "same", "command": "set_mode", "value": "off"}),
    )
    await broker.until(lambda ear: len(ear.of("result")) == 2)
    assert broker.ear.of("result")[1]["error"] == "duplicate"
    assert broker.ear.of("state")[-1]["mode"] == "grid"


GARBAGE = [
    b"",
    b"\xff\xfe\x00",
    b"{",
    b"[]",
    b"null",
    b'{"id":7,"command":"start"}',
    b'{"command":"start"}',
    b'{"id":"has space","command":"start"}',
    b'{"id":"x","command":"set_mode","value":"grid"}garbage',
    b"[" * 10000,
    b'{"id":"big","command":"' + b"A" * 70000 + b'"}',
    b'{"id":"\xc0\xaf","command":"start"}',
]


async def test_garbage_is_ignored(broker: Broker, station: Twin) -> None:
    """Garbage on every topic does no harm and is not answered."""
    for payload in GARBAGE:
        await broker.say("ev/twin/command", payload)
    result = await broker.command(id="still-here", command="set_mode", value="grid")
    assert result["ok"]
    assert [result["id"] for result in broker.ear.of("result")] == ["still-here"]
    assert station.process.returncode is None


GOLDEN = Path(__file__).resolve().parents[1] / "contract" / "golden" / "command"


async def test_golden_commands(broker: Broker, station: Twin) -> None:
    """Every golden command is understood or refused with the reason that it was made for."""
    invalid = sorted((GOLDEN / "invalid").iterdir())
    valid = [
        path for path in sorted((GOLDEN / "valid").iterdir()) if path.stem != "reboot"
    ]
    assert len(invalid) > 5
    assert len(valid) > 4
    for path in [*invalid, *valid]:
        await broker.say("ev/twin/command", path.read_bytes())
    await broker.command(id="last", command="reset_faults")
    results = {result["id"]: result for result in broker.ear.of("result")}
    for path in invalid:
        try:
            identifier = json.loads(path.read_bytes())["id"]
        except ValueError, TypeError, KeyError:
            continue
        if path.name.startswith("too_large"):
            assert identifier not in results, path.name
        elif isinstance(identifier, str):
            assert results[identifier]["error"] == path.name.split("--")[0], path.name
    for path in valid:
        error = results[json.loads(path.read_bytes())["id"]].get("error")
        # The golden command with a timestamp is as old as its date; this station has no car, and the update's host is
        # not on its list.
        assert error in (None, "stale", "no_vehicle", "out_of_range"), path.name


async def test_a_retained_command_is_stale(broker: Broker, twin: Twin) -> None:
    """A command that was waiting at the broker is refused, or each reboot would obey it again."""
    await broker.say(
        "ev/twin/command",
        json.dumps({"id": "old", "command": "set_mode", "value": "grid"}),
        retain=True,
    )
    async with twin:
        result = await broker.result("old")
        assert result["error"] == "stale"
        await broker.until(lambda ear: bool(ear.of("state")))
        assert broker.ear.of("state")[-1]["mode"] == "off"


async def test_stop_and_start(broker: Broker, bench: Bench, station: Twin) -> None:
    """Stop opens the contactor and start closes it again."""
    await charge(broker, bench)
    assert (await broker.command(id="stop", command="stop"))["ok"]
    await bench.until(lambda: bench.closed() == "none")
    await broker.until(lambda ear: ear.of("state")[-1]["enabled"] is False)
    assert (await broker.command(id="start", command="start"))["ok"]
    await bench.until(lambda: bench.closed() == "grid")


async def test_start_is_refused_with_a_latched_fault(
    broker: Broker, bench: Bench, station: Twin
) -> None:
    """A latched fault is told, forbids a start, and its reset needs the cause gone."""
    bench.contactors["grid"].stuck_open = True
    await broker.command(id="mode", command="set_mode", value="grid")
    bench.car.plugged = True
    await broker.until(
        lambda ear: (
            bool(ear.of("state"))
            and "grid_contactor_failed" in ear.of("state")[-1]["faults"]
        )
    )
    assert (await broker.command(id="start", command="start"))[
        "error"
    ] == "fault_active"
    assert any(event["type"] == "fault_raised" for event in broker.ear.of("event"))
    bench.contactors["grid"].stuck_open = False
    assert (await broker.command(id="reset", command="reset_faults"))["ok"]
    await bench.until(lambda: bench.closed() == "grid")


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
