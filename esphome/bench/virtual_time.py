"""Time that the bench drives and a twin follows, so that an hour of weather takes seconds.

The twin reads it from a file that both map (``host/twin_io/virtual_time.cpp``). It moves on only while all of the twin
sleeps, so however busy this machine is, nothing that the twin does takes it time: the timing of contactors is exact.
"""

import asyncio
import ctypes
import mmap
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path


class _Shared(ctypes.Structure):
    _fields_ = (
        ("now_ns", ctypes.c_uint64),
        ("wall_offset_ns", ctypes.c_uint64),
        # Of the main loop and the control task.
        ("asleep_until_ns", ctypes.c_uint64 * 2),
    )


class VirtualTime:
    """A clock in the file ``path`` that says ``wall`` now; ``speed`` is how much faster than real time it may run."""

    def __init__(self, path: Path, wall: datetime, speed: float = 40.0) -> None:
        self.path = path
        self._speed = speed
        path.write_bytes(bytes(ctypes.sizeof(_Shared)))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), ctypes.sizeof(_Shared))
        self._shared = _Shared.from_buffer(self._map)
        self._shared.now_ns = 3_600_000_000_000
        self._shared.wall_offset_ns = (
            round(wall.timestamp() * 1e9) - self._shared.now_ns
        )
        self._begin_pace()

    def _begin_pace(self) -> None:
        self._real_s, self._paced_s = time.monotonic(), self.now_s

    @property
    def speed(self) -> float:
        """How much faster than real time it may run; what was before a change of it does not count."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._speed = speed
        self._begin_pace()

    @property
    def now_s(self) -> float:
        """Seconds of the twin's monotonic clock."""
        return float(self._shared.now_ns) / 1e9

    @property
    def wall_s(self) -> float:
        """Seconds since 1970 as the twin's set clock says them."""
        return float(self._shared.now_ns + self._shared.wall_offset_ns) / 1e9

    async def keep_up(self) -> None:
        """When this time has caught up with the real one, go on with it."""
        while self.wall_s < time.time():  # noqa: ASYNC110  it is the other clock that goes on
            await asyncio.sleep(0.1)
        self.speed = 1.0

    async def step(self, by_s: float, connected: Callable[[], bool]) -> None:
        """Move on by ``by_s`` seconds and wait until the twin, while it is ``connected``, has done what it has to do."""
        self._shared.now_ns += round(by_s * 1e9)
        if not connected():
            # Nobody follows; the time runs as always.
            await asyncio.sleep(by_s)
            self._begin_pace()
            return
        await asyncio.sleep(0)
        # Another process changes it; there is no event to wait for.
        while connected() and min(self._shared.asleep_until_ns) <= self._shared.now_ns:  # noqa: ASYNC110
            await asyncio.sleep(0)
        # What it has said is on its way through the event loop: received, read, heard.
        for _ in range(3):
            await asyncio.sleep(0)
        ahead_s = (self.now_s - self._paced_s) / self._speed - (
            time.monotonic() - self._real_s
        )
        if ahead_s > 0.01:
            await asyncio.sleep(ahead_s)
        elif ahead_s < -1.0:
            # What was lost to a busy machine is not made up for.
            self._begin_pace()
