"""The twin and the billing service: what the station measured is what is billed, whatever happens on the way."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio
from bench.bench import WITHIN_S, Bench
from bench.twin import Twin
from bench.virtual_time import VirtualTime

from scripts.rig.billing import Billing, BillingClient
from scripts.rig.broker import Broker
from scripts.rig.place import PLACES
from scripts.rig.ports import Ports

pytestmark = pytest.mark.asyncio

STATION = "outage"
OUTAGE_S = 600.0


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker with a user and rights for each client."""
    port = Ports().choose(18830, "Mosquitto")
    broker = Broker(tmp_path / "mosquitto", tmp_path / "mosquitto.log", port, "ev")
    await broker.start()
    yield broker
    await broker.stop()


@pytest_asyncio.fixture
async def billing(tmp_path: Path, broker: Broker) -> AsyncIterator[Billing]:
    """The billing service on that broker."""
    port = Ports().choose(18000, "the billing service")
    billing = Billing(
        tmp_path / "billing", tmp_path / "billing.log", port, broker, PLACES[0]
    )
    await billing.start()
    yield billing
    await billing.stop()


async def listen(
    broker: Broker, leaf: str, wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The first message of the station on this topic that is wanted."""
    login = broker.logins["recorder"]
    async with (
        asyncio.timeout(WITHIN_S),
        aiomqtt.Client(
            "127.0.0.1", broker.port, username=login.username, password=login.password
        ) as client,
    ):
        await client.subscribe(f"ev/{STATION}/{leaf}", qos=1)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            payload: dict[str, Any] = json.loads(message.payload)
            if wanted(payload):
                return payload
    raise AssertionError("the broker has ended")


async def completed(admin: BillingClient) -> dict[str, Any]:
    """The station's session, once it is closed."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            page = await admin.get("/sessions/", status="COMPLETED")
            if page["items"]:
                return dict(page["items"][0])
            await asyncio.sleep(0.2)


def stored(folder: Path) -> list[tuple[int, int]]:
    """Boot and number of each frame that the billing service has, in order."""
    (database,) = folder.glob("*.db")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(
            "SELECT boot, seq FROM frames WHERE station_id = ? ORDER BY boot, seq",
            (STATION,),
        ).fetchall()


async def test_an_outage_with_a_power_cut_costs_no_frame_and_no_watt_hour(
    twin_program: Path, tmp_path: Path, broker: Broker, billing: Billing
) -> None:
    """Ten minutes without a broker in mid-session, power cut in the middle: billed is what the meter counted."""
    card = tmp_path / "card"
    card.mkdir()
    wall = datetime.now(UTC) - timedelta(minutes=40)
    login = broker.logins["station"]
    async with Bench(
        virtual_time=VirtualTime(tmp_path / "time", wall, speed=20), step_s=0.01
    ) as bench:
        twin = Twin(
            twin_program,
            tmp_path / "home",
            {
                **bench.environment,
                "SOLARRALLY_BROKER_PORT": str(broker.port),
                "SOLARRALLY_BROKER_USERNAME": login.username,
                "SOLARRALLY_BROKER_PASSWORD": login.password,
                "SOLARRALLY_STATION": STATION,
                "SOLARRALLY_MODE": "auto",
                "SOLARRALLY_CARD": str(card),
            },
        )
        async with twin:
            boot = (await listen(broker, "info", lambda _: True))["boot"]
            bench.car.plugged = True
            await bench.until(lambda: bench.car.current_a > 0)
            await bench.pass_time(60)

            await broker.stop()
            began_s = bench.now_s
            assert bench.virtual_time is not None
            bench.virtual_time.speed = 200
            await bench.pass_time(200)
            # The source changes where only the card sees it.
            bench.solar_voltage_v = 0.0
            await bench.until(lambda: bench.closed() == "grid")
            await bench.pass_time(100)
            await twin.cut_power()
            await bench.until(lambda: bench.closed() == "none")
            await twin.start()
            await bench.until(lambda: bench.car.current_a > 0)
            await bench.pass_time(OUTAGE_S - (bench.now_s - began_s))
            bench.virtual_time.speed = 20
            await broker.start()
            await listen(
                broker,
                "state",
                lambda state: state["boot"] == boot + 1 and state["backlog"] == 0,
            )
            # Dark, the solar meter had no power to tell what it counted at the very end.
            bench.solar_voltage_v = 230.0
            await bench.pass_time(30)
            bench.car.plugged = False
            # The last frame of the session is behind this one.
            await listen(broker, "telemetry", lambda frame: frame["session"] is None)
            async with billing.connect(billing.admin) as admin:
                session = await completed(admin)
    registers = {source: int(meter.energy_wh) for source, meter in bench.meters.items()}
    assert min(registers.values()) > 100
    assert session["station_session"] == f"{boot}-1"
    assert {
        source: Decimal(session[f"{source}_wh"]) for source in registers
    } == registers
    assert Decimal(session["energy_wh"]) == sum(registers.values())

    assert "clock_estimated" not in session["flags"]
    frames = stored(tmp_path / "billing")
    assert len(frames) > OUTAGE_S
    assert len(set(frames)) == len(frames)
    for number in (boot, boot + 1):
        seqs = [seq for at, seq in frames if at == number]
        assert seqs == list(range(len(seqs)))
    logged = [
        json.loads(line.split("\t")[0])
        for file in sorted(card.glob("*.log"))
        for line in file.read_text().splitlines()
    ]
    assert len(logged) > OUTAGE_S - 60
    assert {(frame["boot"], frame["seq"]) for frame in logged} <= set(frames)
