"""How often metering runs: at once for who watches, with pauses in a burst."""

import asyncio
from typing import Any, cast

import pytest

from billing_service.app.background import BURST_FRAMES, MeterLoop
from billing_service.services.metering import Metering


class Rounds:
    """Metering whose rounds find so many frames each, while more is stored."""

    def __init__(self, frames: list[int]) -> None:
        self.frames = frames
        self.news = asyncio.Event()
        self.news.set()
        self.done = asyncio.Event()

    async def run_once(self) -> int:
        """Find the next number of frames."""
        found = self.frames.pop(0)
        (self.news if self.frames else self.done).set()
        return found

    async def end_idle(self) -> int:
        """End nothing."""
        return 0


@pytest.mark.parametrize(("frames", "pauses"), [(1, 0), (BURST_FRAMES, 3)])
async def test_only_a_burst_is_metered_in_few_rounds(
    monkeypatch: pytest.MonkeyPatch, frames: int, pauses: int
) -> None:
    """A frame that comes alone is not kept from those who watch its session."""
    paused: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float, *more: Any) -> None:
        paused.append(seconds)
        await sleep(0, *more)

    monkeypatch.setattr(asyncio, "sleep", noted)
    rounds = Rounds([frames] * 3)
    loop = MeterLoop(cast("Metering", rounds), rounds.news)
    running = asyncio.create_task(loop.run())
    async with asyncio.timeout(20):
        await rounds.done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(paused) == pauses
