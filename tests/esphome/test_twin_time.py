"""The twin in the bench's own time: hours of weather, and outages, in seconds."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from bench.bench import WITHIN_S, Bench
from bench.twin import Twin
from bench.virtual_time import VirtualTime

from scripts.rig.ports import free_port

from .broker import Broker

pytestmark = pytest.mark.asyncio

DEAD_TIME_S = 0.2
SWITCHES_PER_HOUR = 12
CONTROL_LOST_AFTER_S = 600.0
START_DELAY_S = 60.0
STOP_DELAY_S = 120.0
SECONDS_PER_CHANGE = 2.0
SUN_PROVES_AFTER_S = 600.0
# What is silent for so long was long told as a fault; the length of a true night is the logic's own test.
NIGHT_S = 120.0


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench that drives the time, as fast as the twin can follow."""
    wall = datetime.now(UTC) - timedelta(hours=3)
    async with Bench(
        virtual_time=VirtualTime(tmp_path / "time", wall, speed=150)
    ) as bench:
        yield bench


def dead_times(bench: Bench) -> list[float]:
    """Seconds from each opening of one contact to the next closing of the other, exact to a step of the bench."""
    moves = [change for change in bench.history if change.what == "contact"]
    return [
        closes.at - opens.at
        for opens, closes in itertools.pairwise(moves)
        if closes.closed and not opens.closed and closes.source != opens.source
    ]


async def test_an_hour_of_flapping_sun(
    twin_program: Path, tmp_path: Path, bench: Bench
) -> None:
    """Clouds every few minutes: the station charges on, each change has its dead time, and the contactors are spared."""
    bench.step_s = 0.05
    environment = {**bench.environment, "SOLARRALLY_MODE": "auto"}
    async with Twin(twin_program, tmp_path / "home", environment):
        bench.car.plugged = True
        await bench.until(lambda: bench.closed() == "solar")
        began_s, delivered_wh = bench.now_s, bench.delivered_wh
        changes = len(bench.history)
        while bench.now_s < began_s + 3600:
            # A short period, so that the hour holds far more clouds than the cap has switches.
            bench.sun_w = 4000 + 3900 * math.sin(
                (bench.now_s - began_s) / 200 * math.tau
            )
            bench.solar_voltage_v = 230.0 if bench.sun_w > 1000 else 195.0
            await bench.pass_time(1)
        moves = [
            change
            for change in bench.history[changes:]
            if change.what == "contact" and change.closed
        ]
        assert 4 <= len(moves) <= SWITCHES_PER_HOUR
        assert {change.source for change in moves} == {"solar", "grid"}
        assert min(dead_times(bench)) >= DEAD_TIME_S
        # The grid could have carried 32 A all the hour. Each change may cost the time in which a car stops and starts.
        full_wh = 32.0 * bench.grid_voltage_v
        lost_wh = len(moves) * SECONDS_PER_CHANGE * full_wh / 3600
        assert full_wh - lost_wh <= bench.delivered_wh - delivered_wh <= full_wh


async def test_solar_drops_collapses_and_returns(
    twin_program: Path, tmp_path: Path, bench: Bench
) -> None:
    """A drop is left after its time, a collapse at once; solar is used again when it has been good long enough."""
    bench.step_s = 0.01
    environment = {**bench.environment, "SOLARRALLY_MODE": "auto"}
    async with Twin(twin_program, tmp_path / "home", environment):
        bench.car.plugged = True
        await bench.until(lambda: bench.car.current_a > 0)
        assert bench.closed() == "solar"
        await bench.pass_time(70)

        dropped_s = bench.now_s
        bench.solar_voltage_v = 200.0
        await bench.until(lambda: bench.closed() == "grid")
        assert 5.0 <= bench.now_s - dropped_s <= 15.0

        returned_s = bench.now_s
        bench.solar_voltage_v = 230.0
        await bench.until(lambda: bench.closed() == "solar")
        assert 120.0 <= bench.now_s - returned_s <= 130.0

        await bench.pass_time(5)
        collapsed_s = bench.now_s
        bench.solar_voltage_v = 30.0
        await bench.until(lambda: bench.closed() == "grid")
        # Its meter has died with it: three readings are missed, and no more.
        assert bench.now_s - collapsed_s <= 4.0
        assert min(dead_times(bench)) >= DEAD_TIME_S


async def test_a_night_is_no_fault_and_a_broken_meter_is(
    twin_program: Path, tmp_path: Path, bench: Bench, broker: Broker
) -> None:
    """Dusk and dawn take the solar meter's power away and bring it back, unsaid; a meter that is mute in the sun is told."""
    bench.step_s = 0.02
    assert bench.virtual_time is not None
    bench.virtual_time.speed = 60
    environment = {
        **bench.environment,
        "SOLARRALLY_MODE": "auto",
        "SOLARRALLY_BROKER_PORT": str(broker.port),
    }

    def faults() -> list[tuple[str, str]]:
        return [
            (event["type"], event["fault"])
            for event in broker.ear.of("event")
            if "fault" in event
        ]

    async def until_told(*faults: str) -> None:
        await broker.until(lambda ear: ear.of("state")[-1]["faults"] == [*faults])

    async with Twin(twin_program, tmp_path / "home", environment):
        await broker.until(lambda ear: "online" in ear.of("status"))
        bench.car.plugged = True
        await bench.until(lambda: bench.closed() == "solar")

        bench.sun_w = bench.solar_voltage_v = 0.0
        await bench.until(lambda: bench.closed() == "grid")
        await bench.pass_time(NIGHT_S)
        bench.sun_w, bench.solar_voltage_v = 7000.0, 230.0
        await bench.until(lambda: bench.closed() == "solar")
        await bench.pass_time(30)
        await broker.until(lambda ear: ear.of("state")[-1]["source"] == "solar")
        assert faults() == []
        assert {
            fault for state in broker.ear.of("state") for fault in state["faults"]
        } == set()

        broken_s = bench.now_s
        bench.meters["solar"].unplugged = True
        await bench.until(lambda: bench.closed() == "grid")
        await bench.pass_time(SUN_PROVES_AFTER_S - 10)
        assert faults() == []
        await until_told("solar_meter_silent")
        assert bench.now_s - broken_s >= SUN_PROVES_AFTER_S
        bench.sun_w = bench.solar_voltage_v = 0.0
        await bench.pass_time(NIGHT_S)
        assert faults() == [("fault_raised", "solar_meter_silent")]
        bench.meters["solar"].unplugged = False
        bench.sun_w, bench.solar_voltage_v = 7000.0, 230.0
        await until_told()
        await bench.until(lambda: bench.closed() == "solar")
        await broker.until(
            lambda _: faults()[1:] == [("fault_cleared", "solar_meter_silent")]
        )


@pytest.mark.parametrize(
    ("action", "left_a"), [("keep", 32.0), ("limit", 6.0), ("stop", 0.0)]
)
async def test_control_is_lost_after_its_time(
    twin_program: Path,
    tmp_path: Path,
    bench: Bench,
    broker: Broker,
    action: str,
    left_a: float,
) -> None:
    """Ten minutes without a broker and without Home Assistant: the owner's choice holds, until one of them is back."""
    bench.step_s = 0.02
    environment = {
        **bench.environment,
        "SOLARRALLY_MODE": "grid",
        "SOLARRALLY_BROKER_PORT": str(broker.port),
        "SOLARRALLY_CONTROL_LOST": action,
    }

    def told(kind: str) -> bool:
        return any(
            (event["type"], event.get("fault")) == (kind, "control_lost")
            for event in broker.ear.of("event")
        )

    async with Twin(twin_program, tmp_path / "home", environment):
        await broker.until(lambda ear: "online" in ear.of("status"))
        bench.car.plugged = True
        await bench.until(lambda: bench.car.current_a > 31)
        await broker.stop()
        await bench.pass_time(CONTROL_LOST_AFTER_S - 10)
        assert bench.car.current_a == pytest.approx(32.0, abs=0.1)
        # The loss is noticed within seconds, and a car has its time to stop.
        await bench.pass_time(20)
        assert bench.car.current_a == pytest.approx(left_a, abs=0.1)
        assert bench.closed() == ("none" if action == "stop" else "grid")
        await bench.pass_time(60)
        assert bench.car.current_a == pytest.approx(left_a, abs=0.1)

        assert bench.virtual_time is not None
        bench.virtual_time.speed = 5
        await broker.start()
        await bench.until(lambda: bench.car.current_a > 31)
        await broker.until(lambda _: told("fault_raised") and told("fault_cleared"))


async def test_the_current_follows_the_sun(
    twin_program: Path, tmp_path: Path, bench: Bench
) -> None:
    """Surplus charging: what the sun leaves is what the car may take, the owner's limit always wins, no sun pauses."""
    bench.step_s = 0.02
    bench.sun_w = 0.0
    environment = {
        **bench.environment,
        "SOLARRALLY_MODE": "grid",
        "SOLARRALLY_FOLLOW": "surplus",
    }
    async with Twin(twin_program, tmp_path / "home", environment):
        bench.car.plugged = True
        await bench.pass_time(120)
        assert bench.closed() == "none", "no sun, no charging"
        sunny_s = bench.now_s
        bench.sun_w = 3000.0
        await bench.until(lambda: bench.car.current_a > 0)
        assert bench.now_s - sunny_s >= START_DELAY_S
        await bench.pass_time(120)
        # 100 W are left to the house.
        assert bench.car.current_a == pytest.approx((3000 - 100) / 230, abs=0.1)
        bench.sun_w = 20000.0
        await bench.pass_time(120)
        assert bench.car.current_a == pytest.approx(32.0, abs=0.1)
        clouded_s = bench.now_s
        bench.sun_w = 0.0
        await bench.pass_time(60)
        assert bench.car.current_a == pytest.approx(6.0, abs=0.1)
        await bench.until(lambda: bench.closed() == "none")
        assert STOP_DELAY_S <= bench.now_s - clouded_s <= STOP_DELAY_S + 40


async def test_a_slow_card_does_not_delay_an_opening(
    twin_program: Path, tmp_path: Path, bench: Bench
) -> None:
    """A pulled plug is without power within 100 ms (IEC 61851-1, Table A.6), also while the card takes longer than that."""
    bench.step_s = 0.002
    card = tmp_path / "card"
    card.mkdir()
    environment = {
        **bench.environment,
        "SOLARRALLY_MODE": "grid",
        "SOLARRALLY_CARD": str(card),
        # No broker: each frame goes to the card.
        "SOLARRALLY_BROKER_PORT": str(free_port()),
        "SOLARRALLY_CARD_DELAY_MS": "400",
    }
    delays_s = []
    async with Twin(twin_program, tmp_path / "home", environment) as station:
        for pull in range(8):
            bench.car.plugged = True
            await bench.until(lambda: bench.car.current_a > 0)
            # At another moment of the second in which one frame is written each time.
            await bench.pass_time(2 + pull / 8)
            pulled_s = bench.now_s
            bench.car.plugged = False
            await bench.until(lambda: bench.closed() == "none")
            delays_s.append(bench.now_s - pulled_s)
            await bench.pass_time(1)
        await station.cut_power()
    assert sum(file.read_bytes().count(b"\n") for file in card.glob("*.log")) > 16
    assert max(delays_s) <= 0.1, delays_s
    # The contactor of the bench takes 20 ms of that.
    assert min(delays_s) >= 0.03 + bench.contactors["grid"].opens_after_s, delays_s


async def test_a_bouncing_contact_does_not_shorten_the_dead_time(
    twin_program: Path, tmp_path: Path, bench: Bench
) -> None:
    """The dead time counts from the last bounce."""
    bench.step_s = 0.005
    environment = {**bench.environment, "SOLARRALLY_MODE": "auto"}
    async with Twin(twin_program, tmp_path / "home", environment):
        bench.car.plugged = True
        await bench.until(lambda: bench.closed() == "solar")
        bench.contactors["solar"].bounces = 6
        bench.solar_voltage_v = 30.0
        await bench.until(lambda: bench.closed() == "grid")
        openings = [
            change.at
            for change in bench.history
            if (change.what, change.source, change.closed)
            == ("contact", "solar", False)
        ]
        assert len(openings) > 1
        assert min(dead_times(bench)) >= DEAD_TIME_S


async def test_crash_loops_end_in_safe_mode_with_outputs_off(
    twin_program: Path, tmp_path: Path, broker: Broker, bench: Bench
) -> None:
    """Ten boots that did not last a minute: the eleventh closes nothing, whatever mode and car say."""
    environment = {
        **bench.environment,
        "SOLARRALLY_BROKER_PORT": str(broker.port),
        "SOLARRALLY_MODE": "grid",
    }
    twin = Twin(twin_program, tmp_path / "home", environment)
    bench.car.plugged = True
    # On a busy machine a boot must not last a minute of the bench's time.
    assert bench.virtual_time is not None
    bench.virtual_time.speed = 4

    def connections() -> int:
        return broker.ear.of("status").count("online")

    for boot in range(1, 11):
        await twin.start()
        async with asyncio.timeout(WITHIN_S):
            while connections() < boot:
                await asyncio.sleep(0.05)
        await twin.cut_power()
    changes = len(bench.history)
    async with twin:
        async with asyncio.timeout(WITHIN_S):
            while "SAFE MODE IS ACTIVE" not in twin.log:
                await asyncio.sleep(0.1)
        await asyncio.sleep(3)
        assert not [change for change in bench.history[changes:] if change.closed]
        assert bench.closed() == "none"
        assert connections() == 10
