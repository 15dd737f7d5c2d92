"""The parts that run in the background until they are cancelled."""

import asyncio
from collections.abc import Awaitable, Callable

import aiomqtt
import structlog

from billing_service.adapters.db.leases import PostgresLeases
from billing_service.adapters.mqtt import MqttIngest
from billing_service.domain.errors import StoreUnavailable
from billing_service.services.metering import Metering
from billing_service.services.retention import Maintenance
from billing_service.services.updates import Updates

IDLE_CHECK_S = 5.0
"""How often sessions of silent stations are looked at when nothing else happens."""

MAINTENANCE_EVERY_S = 300.0
"""How often frames are summed up and old ones dropped."""

UPDATES_EVERY_S = 5.0

BURST_FRAMES = 100
"""So many new frames in one round are a burst: nobody watches them come one by one."""

METER_AGAIN_AFTER_S = 1.0
"""In a burst metering takes a fifth of the time, or this is the pause between its rounds."""

RESTART_AFTER_S = 2.0

log = structlog.get_logger(__name__)


class MeterLoop:
    """Meters whenever something was stored, and looks for silent stations in between."""

    def __init__(self, metering: Metering, news: asyncio.Event) -> None:
        self._metering = metering
        self._news = news
        self._failed: str | None = None

    async def run(self) -> None:
        """Run until cancelled. What fails is tried again: its marks are still there."""
        while True:
            try:
                async with asyncio.timeout(IDLE_CHECK_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            began = asyncio.get_running_loop().time()
            try:
                frames = await self._metering.run_once()
                await self._metering.end_idle()
            except StoreUnavailable as error:
                self._failed = "the database cannot be reached"
                log.warning("metering_waits", error=error.message)
                await self._again()
            except Exception:
                self._failed = "metering failed; the log says why"
                log.exception("metering_failed")
                await self._again()
            else:
                self._failed = None
                if frames >= BURST_FRAMES:
                    # A round costs by the station: fewer of them leave room for ingest.
                    took = asyncio.get_running_loop().time() - began
                    await asyncio.sleep(min(4 * took, METER_AGAIN_AFTER_S))

    async def check(self) -> str | None:
        """Return what went wrong the last time."""
        return self._failed

    async def _again(self) -> None:
        await asyncio.sleep(RESTART_AFTER_S)
        self._news.set()


async def maintain(work: Maintenance) -> None:
    """Run now and then until cancelled. What was not finished is taken up by the next run."""
    while True:
        try:
            done = await work.run_once()
        except StoreUnavailable as error:
            log.warning("maintenance_waits", error=error.message)
        else:
            if done.settled or done.dropped != 0:
                log.info("frames_dropped", sessions=done.settled, frames=done.dropped)
        await asyncio.sleep(MAINTENANCE_EVERY_S)


async def settle_updates(updates: Updates) -> None:
    """Look now and then for updates whose outcome was not heard, until cancelled."""
    while True:
        try:
            if ended := await updates.settle():
                log.info("updates_settled", updates=ended)
        except StoreUnavailable as error:
            log.warning("updates_wait", error=error.message)
        await asyncio.sleep(UPDATES_EVERY_S)


async def retire_ingest(
    ingest: MqttIngest, client_id: str, leases: PostgresLeases | None
) -> None:
    """Take in what the broker kept for this process when it still had its own ingest.

    Processes that start together take turns: the broker lets only one use the client id.
    """
    while True:
        try:
            if leases is None or await leases.hold(client_id):
                await ingest.retire()
                break
        except (aiomqtt.MqttError, StoreUnavailable) as error:
            log.debug("retires_later", error=str(error))
        await asyncio.sleep(RESTART_AFTER_S)
    if leases is not None:
        await leases.close()
    await asyncio.Event().wait()


async def kept_up(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Start a part again should it ever fall over: the others must not go on without it."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("part_failed", part=name)
        await asyncio.sleep(RESTART_AFTER_S)


async def stop(task: asyncio.Task[None]) -> None:
    """Cancel a part and wait until it has ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
