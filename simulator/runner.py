"""Simulated time against the real clock, for all stations of one process."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from datetime import datetime

from simulator.memory import StationMemory
from simulator.publisher import Publisher

_LOGGER = logging.getLogger(__name__)

# Steps of one station before the event loop gets its turn.
BATCH = 20
TICK_S = 0.02
DRAIN_AFTER_SIGNAL_S = 10.0


class Runner:
    """Moves the stations on at `speed` simulated seconds per real one, and tells what they say.

    A run that started in the past and catches up with the real clock goes on with it; one that
    was started in the future keeps its lead.
    """

    def __init__(
        self,
        publishers: Sequence[Publisher],
        memories: Sequence[StationMemory | None],
        start: datetime,
        speed: float,
    ) -> None:
        self._publishers = publishers
        self._memories = memories
        self._start_s = start.timestamp()
        self._speed = speed
        self._follow_clock = self._start_s <= time.time()
        self._stop = asyncio.Event()
        self._anchor_real_s = 0.0
        self._anchor_s = 0.0

    def stop(self) -> None:
        """End early and cleanly: vehicles are unplugged, everything is delivered."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    async def run(self) -> bool:
        """Simulate to the end; whether everything was delivered.

        Raises CredentialsRefused, and MemoryUnusable when the disk gives up.
        """
        async with asyncio.TaskGroup() as group:
            for publisher in self._publishers:
                group.create_task(publisher.run())
            delivered = await self._simulate() if await self._all_connected() else False
            for publisher in self._publishers:
                publisher.leave()
        for publisher, memory in zip(self._publishers, self._memories, strict=True):
            if memory is not None:
                station = publisher.station
                memory.settle(
                    station.boot,
                    station.solar_meter.energy_wh,
                    station.grid_meter.energy_wh,
                )
        return delivered

    async def _all_connected(self) -> bool:
        """Simulated time begins with the first connection; False when stopped before."""

        async def connect() -> None:
            for publisher in self._publishers:
                await publisher.wait_connected()

        return await self._unless_stopped(connect(), grace_s=0)

    async def _unless_stopped(
        self, work: Coroutine[None, None, None], grace_s: float
    ) -> bool:
        """Do `work`, after a stop for at most `grace_s` more; whether it was completed."""
        working = asyncio.create_task(work)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await asyncio.wait((working,), timeout=grace_s)
            return working.done()
        finally:
            working.cancel()
            stopped.cancel()

    def _target_s(self) -> float:
        """Simulated second since the start that should be reached now."""
        real_s = time.monotonic() - self._anchor_real_s
        target = self._anchor_s + real_s * self._speed
        if self._follow_clock:
            target = min(target, time.time() - self._start_s)
        return target

    async def _simulate(self) -> bool:
        self._anchor_real_s = time.monotonic()
        finishing = False
        while not all(p.station.over for p in self._publishers):
            if self._stop.is_set() and not finishing:
                finishing = True
                self._finish()
            target = self._target_s()
            behind = [self._advance(p, m, target) for p, m in self._pairs()]
            await asyncio.sleep(0 if any(behind) else self._idle_s(target))
        return await self._drain()

    def _pairs(self) -> zip[tuple[Publisher, StationMemory | None]]:
        return zip(self._publishers, self._memories, strict=True)

    def _finish(self) -> None:
        # Nobody waits minutes for a station that runs slower than the clock.
        self._anchor_s, self._anchor_real_s = self._target_s(), time.monotonic()
        self._speed = max(1.0, self._speed)
        for publisher in self._publishers:
            publisher.station.finish()

    def _advance(
        self, publisher: Publisher, memory: StationMemory | None, target: float
    ) -> bool:
        """Up to a batch of steps; whether more are due already."""
        station = publisher.station
        for _ in range(BATCH):
            if station.over or publisher.congested or station.next_step_s > target:
                return False
            outputs = station.advance()
            if memory is not None:
                memory.cover(
                    station.boot,
                    station.solar_meter.energy_wh,
                    station.grid_meter.energy_wh,
                )
            publisher.tell(outputs)
        return True

    def _idle_s(self, target: float) -> float:
        """Real seconds until there is something to do."""
        due = min(
            (p.station.next_step_s for p in self._publishers if not p.station.over),
            default=target,
        )
        return min(0.25, max(TICK_S, (due - target) / self._speed))

    async def _drain(self) -> bool:
        """Wait until all is acknowledged; after a stop, only for a while."""

        async def drain() -> None:
            for publisher in self._publishers:
                await publisher.drain()

        if await self._unless_stopped(drain(), DRAIN_AFTER_SIGNAL_S):
            return not any(p.outbox.lost for p in self._publishers)
        unsent = sum(p.outbox.waiting_frames + p.outbox.live for p in self._publishers)
        _LOGGER.error("%d messages could not be delivered", unsent)
        return False
