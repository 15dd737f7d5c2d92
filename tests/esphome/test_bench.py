"""The bench itself, and the command that runs it for a person."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from bench import cli
from bench.bench import Bench, Car, Contactor
from bench.pzem import Pzem, PzemLine, crc16
from bench.scenarios import SCENARIOS

from scripts.rig.broker import Broker as SiteBroker
from scripts.rig.ports import free_port

from .broker import ROOT, Broker


def test_pzem_answers_in_the_meters_own_format() -> None:
    """Registers come low word first, scaled, with a right CRC."""
    line = PzemLine(Pzem(1, voltage_v=231.4, current_a=70.0, energy_wh=70001.9))
    request = bytes([1, 4, 0, 0, 0, 10])
    answer = line.answer(request + crc16(request))
    assert answer is not None
    assert crc16(answer[:-2]) == answer[-2:]
    registers = [int.from_bytes(answer[3 + 2 * i : 5 + 2 * i]) for i in range(10)]
    assert registers[:7] == [
        2314,
        70000 & 0xFFFF,
        1,
        161980 & 0xFFFF,
        2,
        70001 & 0xFFFF,
        1,
    ]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(bytes([1, 4, 0, 0, 0, 10, 0, 0]), id="wrong-crc"),
        pytest.param(
            bytes([9, 4, 0, 0, 0, 10]) + crc16(bytes([9, 4, 0, 0, 0, 10])), id="nobody"
        ),
    ],
)
def test_pzem_is_silent_to_what_is_not_for_it(request_: bytes) -> None:
    """A wrong CRC or another address gets no answer."""
    assert PzemLine(Pzem(1)).answer(request_) is None


def test_a_pzem_lives_on_the_line_that_it_measures() -> None:
    """Below 80 V it says nothing at all."""
    request = bytes([1, 4, 0, 0, 0, 10])
    meter = Pzem(1, voltage_v=79.0)
    line = PzemLine(meter)
    assert line.answer(request + crc16(request)) is None
    meter.voltage_v = 80.0
    assert line.answer(request + crc16(request)) is not None


def test_contactor_takes_its_time_and_can_bounce() -> None:
    """A contact follows its coil after a delay; a bounce closes it again for a moment."""
    contactor = Contactor()
    contactor.drive(True, 0.0)
    seen = []
    for now in (0.02, 0.04):
        contactor.step(now)
        seen.append(contactor.closed)
    contactor.bounces = 1
    contactor.drive(False, 1.0)
    for now in (1.03, 1.05, 1.07, 1.09):
        contactor.step(now)
        seen.append(contactor.closed)
    assert seen == [False, True, False, True, False, False]


def test_car_follows_the_pilot() -> None:
    """A car draws what is offered, and stops a moment after the offer ends."""
    car = Car(plugged=True)
    car.step(0.0, 16 / 60, 230.0)
    assert car.current_a == pytest.approx(16.0)
    car.step(1.0, 1.0, 230.0)
    assert car.current_a > 0
    car.step(1.3, 1.0, 230.0)
    assert car.current_a == 0


@pytest.mark.parametrize("name", SCENARIOS)
async def test_scenario_plugs_a_car_in(name: str) -> None:
    """Each scenario begins without a car and says in a sentence what it shows."""
    bench = Bench()
    task = asyncio.create_task(SCENARIOS[name](bench))
    await asyncio.sleep(0)
    assert not bench.car.plugged
    assert SCENARIOS[name].__doc__
    task.cancel()


@pytest.mark.parametrize(
    ("arguments", "host", "port"),
    [
        ([], "127.0.0.1", 1883),
        (["--broker", "homeassistant.local"], "homeassistant.local", 1883),
        (["--broker", "10.1.2.3:18830"], "10.1.2.3", 18830),
        (["--broker", "[fd00::7]:1884"], "fd00::7", 1884),
        (["--broker", "[::1]"], "::1", 1883),
    ],
)
def test_broker_may_be_any_host(arguments: list[str], host: str, port: int) -> None:
    """A host with or without a port, by name or by address of either family."""
    options = cli.parse(arguments)
    assert (options.host, options.port) == (host, port)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--broker", "host:0"], "port 0 is not between 1 and 65535"),
        (["--broker", "host:99999"], "port 99999 is not between 1 and 65535"),
        (["--broker", "host:mqtt"], "is not HOST or HOST:PORT"),
        (["--broker", "mqtt://host"], "is not HOST or HOST:PORT"),
        (["--broker", "fd00::7"], "an IPv6 address stands in brackets"),
        (["--broker", ""], "is not HOST or HOST:PORT"),
        (["--ca", "/no/such/file"], "/no/such/file is no certificate in PEM"),
        (["--ca", __file__], "is no certificate in PEM"),
        (["--station", "Garage 1"], "'Garage 1' is not 1 to 32 of a-z, 0-9, _ and -"),
        (["--prefix", "ev/#"], "'ev/#' is not levels of A-Z, a-z, 0-9, _ and -"),
        (["--plug-in-after", "-1"], "'-1' is no time in seconds"),
        (["--session-length", "nan"], "'nan' is no time in seconds"),
        (["--session-length", "soon"], "'soon' is no time in seconds"),
    ],
)
def test_what_is_no_option_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says what was given and what would be right."""
    with pytest.raises(SystemExit):
        cli.parse(arguments)
    assert message in capsys.readouterr().err


async def test_a_broker_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is built for a broker that cannot be reached, and the error says which."""
    port = free_port()
    monkeypatch.setattr(sys, "argv", ["twin", "--broker", f"localhost:{port}"])
    assert await asyncio.to_thread(cli.main) == 1
    said = capsys.readouterr()
    assert f"no broker for the twin at localhost, port {port}" in said.err
    assert "Connect call failed" in said.err
    assert said.out == ""


async def test_a_home_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder for flash and card that cannot be made is told before anything is built."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sys, "argv", ["twin", "--home", str(tmp_path / "file")])
    assert await asyncio.to_thread(cli.main) == 1
    said = capsys.readouterr()
    assert f"--home {tmp_path / 'file'} cannot be used" in said.err
    assert said.out == ""


async def test_a_broker_that_refuses_the_user_is_named(tmp_path: Path) -> None:
    """The right password is taken; a wrong one is told as such."""
    port = free_port()
    broker = SiteBroker(tmp_path / "mosquitto", tmp_path / "log", port, "ev")
    login = broker.logins["station"]
    options = cli.parse(["--broker", f"localhost:{port}", "--username", login.username])
    await broker.start()
    try:
        await cli.reach(options, login.password)
        with pytest.raises(cli.BrokerError, match=r"[Nn]ot authori[sz]ed"):
            await cli.reach(options, "wrong")
    finally:
        await broker.stop()


async def test_twin_command_runs_until_interrupted(
    twin_program: Path, tmp_path: Path
) -> None:
    """The command brings a station to the broker that charges, and ends cleanly with Ctrl-C."""
    assert twin_program.exists()
    async with Broker(tmp_path) as broker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.cli",
            "--broker",
            f"localhost:{broker.port}",
            "--station",
            "bench-1",
            "--home",
            tmp_path / "home",
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "PYTHONPATH": str(ROOT / "esphome"),
            },
            stdout=asyncio.subprocess.PIPE,
        )
        await broker.until(
            lambda ear: any(
                frame["station"] == "bench-1" and frame["P"] > 1000
                for frame in ear.frames()
            ),
            120,
        )
        process.send_signal(signal.SIGINT)
        said, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, said
        assert b"solar contact closed" in said
        await broker.until(lambda ear: ear.of("status")[-1] == "offline")
        assert broker.ear.wrong == []
