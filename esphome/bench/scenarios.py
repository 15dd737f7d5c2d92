"""What happens on the bench for a person who watches: weather, and a car that comes and goes."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any

from bench.bench import Bench

type Scenario = Callable[[Bench], Coroutine[Any, Any, None]]


async def sunny(bench: Bench) -> None:
    """Sun all day; a car comes after five seconds and stays."""
    await bench.pass_time(5)
    bench.car.plugged = True
    await asyncio.Event().wait()


async def pv_drop(bench: Bench) -> None:
    """The sun fails for a minute, comes back, and the car leaves after five minutes."""
    await bench.pass_time(5)
    bench.car.plugged = True
    await bench.pass_time(60)
    bench.sun_w = 300.0
    bench.solar_voltage_v = 195.0
    await bench.pass_time(60)
    bench.sun_w = 7000.0
    bench.solar_voltage_v = 230.0
    await bench.pass_time(180)
    bench.car.plugged = False
    await asyncio.Event().wait()


async def collapse(bench: Bench) -> None:
    """The inverter trips under load, again and again."""
    await bench.pass_time(5)
    bench.car.plugged = True
    while True:
        await bench.pass_time(40)
        bench.solar_voltage_v = 0.0
        await bench.pass_time(20)
        bench.solar_voltage_v = 230.0


async def flapping(bench: Bench) -> None:
    """Clouds that come and go every twenty seconds; the station should not follow each of them."""
    await bench.pass_time(5)
    bench.car.plugged = True
    second = 0
    while True:
        bench.sun_w = 4000.0 + 3900.0 * math.sin(second * math.tau / 20)
        bench.solar_voltage_v = 230.0 if bench.sun_w > 1000 else 200.0
        await bench.pass_time(1)
        second += 1


async def weld(bench: Bench) -> None:
    """The solar contactor welds after a minute of charging."""
    await bench.pass_time(5)
    bench.car.plugged = True
    await bench.pass_time(60)
    bench.contactors["solar"].welded = True
    bench.solar_voltage_v = 195.0
    await asyncio.Event().wait()


async def visit(bench: Bench, plug_in_after_s: float, session_s: float) -> None:
    """One car that comes, charges through a cloud in the middle, and leaves."""
    await bench.pass_time(plug_in_after_s)
    bench.car.plugged = True
    await bench.pass_time(session_s * 0.4)
    bench.sun_w = 300.0
    bench.solar_voltage_v = 195.0
    await bench.pass_time(session_s * 0.2)
    bench.sun_w = 7000.0
    bench.solar_voltage_v = 230.0
    await bench.pass_time(session_s * 0.4)
    bench.car.plugged = False
    await asyncio.Event().wait()


SCENARIOS: dict[str, Scenario] = {
    "sunny": sunny,
    "pv-drop": pv_drop,
    "collapse": collapse,
    "flapping": flapping,
    "weld": weld,
}
