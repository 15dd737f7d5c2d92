"""Firmware over MQTT: the twin fetches an image, or refuses it, and says how it went."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from bench.bench import Bench
from bench.twin import Twin

from .broker import Broker, charge

pytestmark = pytest.mark.asyncio

# The version that runs, of packages/core.yaml, and one of the same length.
OLD = b"0.1.0\0"
NEW = b"0.1.9\0"


@pytest_asyncio.fixture
async def station(
    twin_program: Path, tmp_path: Path, bench: Bench, broker: Broker
) -> AsyncIterator[Twin]:
    """A station whose program is its own to replace."""
    program = tmp_path / "program"
    shutil.copy(twin_program, program)
    environment = {**bench.environment, "SOLARRALLY_BROKER_PORT": str(broker.port)}
    async with Twin(program, tmp_path / "home", environment) as station:
        await broker.until(lambda ear: "online" in ear.of("status"))
        yield station


class Shelf:
    """A web server with images on it."""

    def __init__(self) -> None:
        self.images: dict[str, bytes] = {}
        self.port = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with an image; with a part of it when its name says so; with a way elsewhere."""
        name = request.match_info["name"]
        if name == "elsewhere":
            raise web.HTTPFound(f"http://127.0.0.1:{self.port}/good")
        if name not in self.images:
            raise web.HTTPNotFound
        image = self.images[name]
        if name != "short":
            return web.Response(body=image)
        response = web.StreamResponse(headers={"Content-Length": str(len(image))})
        await response.prepare(request)
        await response.write(image[: len(image) // 2])
        assert request.transport is not None
        request.transport.abort()
        return response

    def update(self, name: str, **changes: str) -> dict[str, Any]:
        """The value of the command that installs this image."""
        image = self.images.get(name, self.images["good"])
        return {
            "url": f"http://127.0.0.1:{self.port}/{name}",
            "sha256": hashlib.sha256(image).hexdigest(),
            "version": "0.1.9",
            **changes,
        }


@pytest_asyncio.fixture
async def shelf(twin_program: Path) -> AsyncIterator[Shelf]:
    """Images: a newer version of the twin, and what is none."""
    shelf = Shelf()
    program = twin_program.read_bytes()
    assert OLD in program
    good = program.replace(OLD, NEW)
    shelf.images = {"good": good, "short": good, "garbage": bytes(range(256)) * 4000}
    application = web.Application()
    application.router.add_get("/{name}", shelf.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    shelf.port = runner.addresses[0][1]
    yield shelf
    await runner.cleanup()


async def outcome(broker: Broker, identifier: str) -> Any:
    """The second result of an update that was accepted."""
    await broker.until(
        lambda ear: any(
            result["id"] == identifier and result.get("done")
            for result in ear.of("result")
        ),
    )
    return next(result for result in broker.ear.of("result") if result.get("done"))


async def test_a_new_version_is_installed(
    broker: Broker, bench: Bench, station: Twin, shelf: Shelf
) -> None:
    """Accepted, told as it goes, done, and then the new version runs and charges."""
    accepted = await broker.command(
        id="new", command="update_firmware", value=shelf.update("good")
    )
    assert accepted["ok"]
    assert "done" not in accepted
    assert (await outcome(broker, "new"))["ok"]
    await broker.until(lambda ear: ear.of("info")[-1]["firmware"] == "0.1.9")
    told = [state["update"] for state in broker.ear.of("state") if "update" in state]
    assert {update["version"] for update in told} == {"0.1.9"}
    progress = [update["progress"] for update in told]
    assert progress == sorted(progress)
    assert progress[-1] == 100
    await broker.until(lambda ear: "update" not in ear.of("state")[-1])
    await charge(broker, bench)
    assert not [change for change in bench.history if change.source == "solar"]


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("good", {"sha256": "ab" * 32}, "SHA-256"),
        ("garbage", {}, "not an image"),
        ("short", {}, "ended early"),
        ("nothing", {}, "answered 404"),
        ("elsewhere", {}, "answered 302"),
    ],
)
async def test_an_image_that_is_not_right_changes_nothing(
    broker: Broker,
    bench: Bench,
    station: Twin,
    shelf: Shelf,
    name: str,
    changes: dict[str, str],
    reason: str,
) -> None:
    """The outcome says why, the old version goes on, and it charges."""
    before = station.program.read_bytes()
    accepted = await broker.command(
        id="bad", command="update_firmware", value=shelf.update(name, **changes)
    )
    assert accepted["ok"]
    result = await outcome(broker, "bad")
    assert (result["ok"], result["error"]) == (False, "failed")
    assert reason in result["message"]
    await broker.until(lambda ear: "update" not in ear.of("state")[-1])
    await charge(broker, bench)
    assert station.program.read_bytes() == before
    assert len(broker.ear.of("info")) == 1


async def test_an_update_is_refused_while_charging_and_from_elsewhere(
    broker: Broker, bench: Bench, station: Twin, shelf: Shelf
) -> None:
    """Refused with the reason: an old version, a host that is not on the list, a closed contactor."""

    async def refused(identifier: str, **changes: str) -> Any:
        result = await broker.command(
            id=identifier,
            command="update_firmware",
            value=shelf.update("good", **changes),
        )
        assert not result["ok"]
        return result["error"]

    assert await refused("old", version="0.0.9") == "out_of_range"
    assert await refused("host", url="http://localhost/good") == "out_of_range"
    await charge(broker, bench)
    assert await refused("busy") == "busy"
    assert bench.closed() == "grid"


async def test_nothing_closes_during_an_update(
    broker: Broker, bench: Bench, station: Twin, shelf: Shelf
) -> None:
    """A car that asks while an update is on its way waits; a second update and other commands are refused as busy."""
    await broker.command(id="mode", command="set_mode", value="grid")
    results = asyncio.gather(
        broker.command(
            id="first", command="update_firmware", value=shelf.update("garbage")
        ),
        broker.command(
            id="second", command="update_firmware", value=shelf.update("good")
        ),
    )
    bench.car.plugged = True
    first, second = await results
    assert sorted([first["ok"], second["ok"]]) == [False, True]
    closings = len([change for change in bench.history if change.closed])
    assert closings == 0
    assert not (await outcome(broker, "first"))["ok"]
    await bench.until(lambda: bench.closed() == "grid")
