"""Commands to the twin: each has one result, and what is refused changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from bench.bench import Bench
from bench.twin import Twin

from .broker import Broker, charge

pytestmark = pytest.mark.asyncio


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
