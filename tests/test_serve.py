"""``solarrally serve`` as a process, with a real Mosquitto."""

import asyncio
import hashlib
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from billing_service.settings import PREFIX
from scripts.rig.broker import Broker as Mosquitto
from scripts.rig.ports import free_port
from scripts.rig.process import Program
from tests.adapters.mosquitto import PREFIX as TOPICS
from tests.adapters.mosquitto import mosquitto, station_at
from tests.esp_images import esp_image

WITHIN_S = 60
PASSWORD = "correct horse battery"


def _solarrally(folder: Path, name: str, *arguments: str, **settings: Any) -> Program:
    env = {f"{PREFIX}{key.upper()}": str(value) for key, value in settings.items()}
    command = [sys.executable, "-m", "billing_service", *arguments]
    repository = Path(__file__).parent.parent
    return Program(
        name,
        command,
        log=folder / f"{name}.log",
        cwd=folder,
        env={"PYTHONPATH": str(repository), f"{PREFIX}DATA_DIR": str(folder)} | env,
    )


@asynccontextmanager
async def _serving(
    folder: Path, broker_port: int, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Program]]:
    port = free_port()
    program = _solarrally(
        folder, "serve", "serve", port=port, mqtt_port=broker_port, **settings
    )
    await program.start()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False
    ) as client:
        try:
            await program.until_listening(port, WITHIN_S)
            yield client, program
        finally:
            await program.stop()


def _login(broker: Mosquitto) -> dict[str, Any]:
    login = broker.logins["billing"]
    return {"mqtt_username": login.username, "mqtt_password": login.password}


async def _until_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(WITHIN_S):
        while (await client.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.05)


async def _end(program: Program, number: signal.Signals) -> int:
    """Signal the process and return how it ended."""
    process = program._process
    assert process is not None
    process.send_signal(number)
    async with asyncio.timeout(WITHIN_S):
        return await process.wait()


async def test_from_a_frame_to_a_bill(tmp_path: Path) -> None:
    """First start without an admin says how to make one; then a session becomes a bill."""
    async with (
        mosquitto(tmp_path) as broker,
        _serving(tmp_path, broker.port, **_login(broker)) as (client, program),
    ):
        hint = "There is no admin yet. Make one: solarrally user add NAME --role admin"
        assert hint in program.log.read_text()
        await _until_ready(client)
        admin = await _signed_in(tmp_path, client)
        tariff = {
            "id": "home",
            "name": "Home",
            "currency": "EUR",
            "elements": [
                {"price_components": [{"type": "ENERGY", "price": 0.5, "vat": 20}]}
            ],
        }
        set_ = await client.post("/tariffs/", json=tariff, headers=admin)
        assert set_.status_code == 201
        await _charge(broker)
        session = await _completed(client, admin)
        assert session["energy_wh"] == "1000.000"
        path = f"/sessions/{session['id']}"
        me = (await client.get("/users/me", headers=admin)).json()["id"]
        await client.put(path, json={"user_id": me}, headers=admin)
        bill = (await client.post(f"{path}/bill", headers=admin)).json()
        assert (bill["net"], bill["vat"], bill["total"]) == ("0.50", "0.10", "0.60")
        pdf = await client.get(f"{path}/bill?format=pdf", headers=admin)
        assert pdf.content.startswith(b"%PDF-")
        assert await _end(program, signal.SIGTERM) == 0
    assert "Traceback" not in program.log.read_text()


async def test_the_smallest_frames_become_a_bill(tmp_path: Path) -> None:
    """`ev/telemetry` with five fields and nothing else: a session by power alone, priced by source.

    Half an hour of 1 kW from the sun and half an hour of 2 kW from the grid are 0.5 and 1 kWh.
    """
    async with (
        mosquitto(tmp_path) as broker,
        _serving(tmp_path, broker.port, **_login(broker)) as (client, _),
    ):
        await _until_ready(client)
        admin = await _signed_in(tmp_path, client)
        energy = [
            {
                "price_components": [{"type": "ENERGY", "price": 0.2}],
                "restrictions": {"source": "solar"},
            },
            {"price_components": [{"type": "ENERGY", "price": 0.4}]},
        ]
        tariff = {"id": "home", "name": "Home", "currency": "EUR", "elements": energy}
        set_ = await client.post("/tariffs/", json=tariff, headers=admin)
        assert set_.status_code == 201
        start = datetime.now(UTC) - timedelta(hours=2)
        async with station_at(broker) as station:
            for minute in range(80):
                # It goes on reporting when the vehicle has left, which ends the session.
                source, power = (
                    ("solar", 1000)
                    if minute < 30
                    else ("grid", 2000)
                    if minute < 60
                    else ("none", 0)
                )
                frame = {
                    "V": 230,
                    "I": round(power / 230, 2),
                    "P": power,
                    "source": source,
                    "timestamp": (start + timedelta(minutes=minute)).isoformat(),
                }
                await station.publish(f"{TOPICS}/telemetry", json.dumps(frame), qos=1)
        session = await _completed(client, admin)
        assert session["end_reason"] == "idle"
        assert session["station_id"] == "station"
        path = f"/sessions/{session['id']}"
        me = (await client.get("/users/me", headers=admin)).json()["id"]
        await client.put(path, json={"user_id": me}, headers=admin)
        bill = (await client.post(f"{path}/bill", headers=admin)).json()
        assert (bill["solar_wh"], bill["grid_wh"]) == ("500.000", "1000.000")
        assert bill["total"] == "0.50"


async def _signed_in(folder: Path, client: httpx.AsyncClient) -> dict[str, str]:
    process = await asyncio.create_subprocess_exec(
        *_solarrally(folder, "add", "user", "add", "root", "--role", "admin")._argv,
        "--password-stdin",
        cwd=folder,
        env=_solarrally(folder, "add").env,
        stdin=asyncio.subprocess.PIPE,
    )
    await process.communicate(f"{PASSWORD}\n".encode())
    assert process.returncode == 0
    form = {"username": "root", "password": PASSWORD}
    answer = await client.post("/auth/token", data=form)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def _charge(broker: Mosquitto) -> None:
    """Let a station charge 1 kWh in an hour, a frame a minute, and unplug."""
    start = datetime.now(UTC) - timedelta(hours=2)

    def stamp(minute: int) -> str:
        at = start + timedelta(minutes=minute)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async with station_at(broker) as station:
        for minute in range(61):
            frame = {
                "boot": 1,
                "seq": minute,
                "timestamp": stamp(minute),
                "V": 230,
                "I": 4.35,
                "P": 1000,
                "E": 5000 + 1000 * minute / 60,
                "source": "solar",
                "pilot": "C",
                "session": "1-1",
            }
            await station.publish(
                f"{TOPICS}/garage/telemetry", json.dumps(frame), qos=1
            )
        ended = {
            "type": "session_ended",
            "timestamp": stamp(60),
            "session": "1-1",
            "started_at": stamp(0),
            "meter_start_wh": 5000,
            "meter_stop_wh": 6000,
            "solar_wh": 1000,
            "grid_wh": 0,
            "reason": "unplugged",
        }
        await station.publish(f"{TOPICS}/garage/event", json.dumps(ended), qos=1)


async def _completed(client: httpx.AsyncClient, headers: dict[str, str]) -> Any:
    """Accept the station once it is heard, and return what becomes of its frames."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            await client.post("/stations/garage/accept", headers=headers)
            answer = await client.get("/sessions/?status=COMPLETED", headers=headers)
            if answer.json()["total"]:
                return answer.json()["items"][0]
            await asyncio.sleep(0.05)


async def test_its_name_at_the_broker_stays_over_restarts(tmp_path: Path) -> None:
    """It is random, and the broker keeps messages for it: a new one each time would lose them."""
    async with mosquitto(tmp_path) as broker:
        for _ in range(2):
            async with _serving(tmp_path, broker.port, **_login(broker)) as (client, _):
                await _until_ready(client)
        log = await asyncio.to_thread((tmp_path / "broker.log").read_text)
    names = re.findall(r" as (solarrally-\S+) \(p5, c0", log)
    assert len(names) == 2
    assert len(set(names)) == 1
    assert re.fullmatch("solarrally-[0-9a-f]{32}", names[0])


async def test_without_a_broker_it_serves_and_says_so(tmp_path: Path) -> None:
    """Bills can be read while the broker is away; Ctrl-C ends it well."""
    async with _serving(tmp_path, free_port()) as (client, program):
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {
            "database": "ok",
            "broker": "not connected",
            "metering": "ok",
        }
        assert (await client.get("/healthz")).status_code == 200
        assert await _end(program, signal.SIGINT) == 0
    assert "Traceback" not in program.log.read_text()


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """One line that says so, and exit code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = _solarrally(
            tmp_path, "serve", "serve", port=port, mqtt_port=free_port()
        )
        await program.start()
        process = program._process
        assert process is not None
        async with asyncio.timeout(WITHIN_S):
            assert await process.wait() == 1
    said = program.log.read_text()
    assert said.splitlines() == [
        f"error: cannot listen on 127.0.0.1 port {port}: Address already in use"
    ]


async def _ended(program: Program) -> int:
    """Start a program and return how it ended."""
    await program.start()
    async with asyncio.timeout(WITHIN_S):
        return await program.wait()


async def test_a_database_has_one_service(tmp_path: Path) -> None:
    """A second one does not start, by whichever name; after `kill -9` of the first, one does."""
    database = tmp_path / "solarrally.db"
    (tmp_path / "link.db").symlink_to(database)
    refused = (
        f"error: another solarrally serve runs on {database}: stop it first, or name another"
        " database (SOLARRALLY_DATA_DIR, SOLARRALLY_DATABASE_URL)\n"
    )
    async with mosquitto(tmp_path) as broker:
        async with _serving(tmp_path, broker.port, **_login(broker)) as (client, first):
            await _until_ready(client)
            for name in ("solarrally", "link"):
                second = _solarrally(
                    tmp_path,
                    f"second-{name}",
                    "serve",
                    port=free_port(),
                    mqtt_port=broker.port,
                    database_url=f"sqlite:///{tmp_path / name}.db",
                    **_login(broker),
                )
                assert await _ended(second) == 1
                assert second.log.read_text() == refused
            log = await asyncio.to_thread((tmp_path / "broker.log").read_text)
            assert len(re.findall(r" as solarrally-[0-9a-f]{32} \(p5, c0", log)) == 1
            assert (await client.get("/readyz")).status_code == 200
            assert await _end(first, signal.SIGKILL) == -signal.SIGKILL
        async with _serving(tmp_path, broker.port, **_login(broker)) as (client, _):
            await _until_ready(client)


async def test_commands_run_beside_the_service(tmp_path: Path) -> None:
    """What an admin does on the machine needs no stop of the service."""
    async with _serving(tmp_path, free_port()) as (client, _):
        for command in (
            ("backup", str(tmp_path / "all.gz")),
            ("bill", "month"),
            ("maintain",),
            ("station", "add", "garage"),
        ):
            beside = _solarrally(tmp_path, f"beside-{command[0]}", *command)
            assert await _ended(beside) == 0, beside.log.read_text()
        assert (await client.get("/healthz")).status_code == 200


async def test_a_station_is_updated_over_the_air(tmp_path: Path) -> None:
    """From the image that an admin keeps to the station's word, and past a restart in between."""
    image = esp_image("1.3.0")
    sha256 = hashlib.sha256(image).hexdigest()
    async with mosquitto(tmp_path) as broker, station_at(broker) as station:
        settings = _login(broker) | {"accept_stations": "all"}
        await station.subscribe(f"{TOPICS}/garage/command", qos=1)

        async def say(leaf: str, **message: Any) -> None:
            payload = json.dumps(message)
            retain = leaf == "info"
            await station.publish(f"{TOPICS}/garage/{leaf}", payload, 1, retain)

        async def obey() -> None:
            """Agree, and fetch the image as the station does."""
            command = json.loads(bytes((await anext(station.messages)).payload))
            await say("result", id=command["id"], ok=True)
            value = command["value"]
            async with httpx.AsyncClient(trust_env=False) as fetcher:
                fetched = await fetcher.get(value["url"])
            assert fetched.content == image
            assert (value["sha256"], value["version"]) == (sha256, "1.3.0")

        info = {
            "protocol": 1, "station": "garage", "model": "SR-32", "phases": 1,
            "voltage_v": 230, "min_current_a": 6, "max_current_a": 32,
            "capabilities": ["ota"],
        }  # fmt: skip
        await say("info", **info, firmware="1.2.0", boot=7)
        async with _serving(tmp_path, broker.port, **settings) as (client, _):
            headers = await _signed_in(tmp_path, client)
            await _until(client, headers, "/stations/garage", ("firmware", "1.2.0"))
            kept = await client.post("/firmware/", headers=headers, content=image)
            assert kept.status_code == 201
            obeying = asyncio.create_task(obey())
            asked = await client.post(
                "/stations/garage/update", headers=headers, json={"sha256": sha256}
            )
            assert (asked.status_code, asked.json()["status"]) == (202, "ACCEPTED")
            await obeying
        # The service is away when the station says what became of it.
        await say("result", id=asked.json()["id"], ok=True, done=True)
        await say("info", **info, firmware="1.3.0", boot=8)
        async with _serving(tmp_path, broker.port, **settings) as (client, _):
            path = "/stations/garage/updates"
            await _until(client, headers, path, ("status", "INSTALLED"))


async def _until(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    path: str,
    wanted: tuple[str, str],
) -> None:
    """Wait until what is at a path, or the first of it, says what is wanted."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            answer = await client.get(path, headers=headers)
            shown = answer.json()
            shown = shown[0] if isinstance(shown, list) else shown
            if shown.get(wanted[0]) == wanted[1]:
                return
            await asyncio.sleep(0.1)
