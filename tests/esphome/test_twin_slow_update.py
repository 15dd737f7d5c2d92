"""Updates that do not come to an end by themselves, or end while nobody listens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bench.bench import Bench
from bench.twin import Twin
from bench.virtual_time import VirtualTime

from .broker import Broker

pytestmark = pytest.mark.asyncio

DEADLINE_S = 600.0
IMAGE_BYTES = 100_000


@asynccontextmanager
async def dripping(between: Callable[[], Awaitable[None]]) -> AsyncIterator[str]:
    """The URL of an image that comes byte by byte, and never is whole; it ends when ``between`` raises ``EOFError``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % IMAGE_BYTES
                + bytes(1000)
            )
            for _ in range(IMAGE_BYTES - 1001):
                await between()
                writer.write(b"\0")
                await writer.drain()
        except EOFError, ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/image"


async def begin(broker: Broker, url: str) -> None:
    """Have the update accepted."""
    value = {"url": url, "sha256": "ab" * 32, "version": "0.1.9"}
    assert (await broker.command(id="slow", command="update_firmware", value=value))[
        "ok"
    ]


async def outcome(broker: Broker) -> Any:
    """What became of it."""
    await broker.until(
        lambda ear: any("done" in result for result in ear.of("result")), 120
    )
    return next(result for result in broker.ear.of("result") if "done" in result)


async def test_a_server_that_drips_does_not_stop_charging_for_ever(
    twin_program: Path, tmp_path: Path, broker: Broker
) -> None:
    """After ten minutes the update has failed, says so, and the car that waited is charged."""
    wall = datetime.now(UTC) - timedelta(hours=3)
    async with Bench(
        virtual_time=VirtualTime(tmp_path / "time", wall, speed=150)
    ) as bench:
        bench.step_s = 0.05
        environment = {
            **bench.environment,
            "SOLARRALLY_MODE": "grid",
            "SOLARRALLY_BROKER_PORT": str(broker.port),
        }
        async with (
            Twin(twin_program, tmp_path / "home", environment),
            dripping(lambda: bench.pass_time(2)) as url,
        ):
            await broker.until(lambda ear: "online" in ear.of("status"))
            await begin(broker, url)
            began_s = bench.now_s
            bench.car.plugged = True
            result = await outcome(broker)
            assert (result["ok"], result["error"]) == (False, "failed")
            assert "10 minutes" in result["message"]
            assert DEADLINE_S - 1 <= bench.now_s - began_s <= DEADLINE_S + 30
            assert not [change for change in bench.history if change.closed]
            await bench.until(lambda: bench.closed() == "grid", 60)


async def test_an_outcome_waits_for_the_broker(
    twin_program: Path, tmp_path: Path, bench: Bench, broker: Broker
) -> None:
    """An update that ends while the broker is away is told of when it is back, once."""
    over = asyncio.Event()

    async def between() -> None:
        await asyncio.sleep(0.15)
        if over.is_set():
            raise EOFError

    environment = {**bench.environment, "SOLARRALLY_BROKER_PORT": str(broker.port)}
    async with (
        Twin(twin_program, tmp_path / "home", environment) as station,
        dripping(between) as url,
    ):
        await broker.until(lambda ear: "online" in ear.of("status"))
        await begin(broker, url)
        await broker.stop()
        async with asyncio.timeout(30):
            while "No broker" not in station.log:
                await asyncio.sleep(0.05)
            over.set()
            while "The update failed" not in station.log:
                await asyncio.sleep(0.05)
        await broker.start()
        result = await outcome(broker)
        assert (result["id"], result["ok"], result["error"]) == (
            "slow",
            False,
            "failed",
        )
        await broker.until(
            lambda ear: bool(ear.of("state")) and "update" not in ear.of("state")[-1]
        )
        assert sum("done" in result for result in broker.ear.of("result")) == 1
