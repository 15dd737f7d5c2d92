"""Live updates within one process."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from billing_service.services.ports import LiveUpdate

WAITING_AT_MOST = 200
"""Updates a slow listener may fall behind; after that it misses the oldest."""


class InProcessLiveBus:
    """Hands each update to every listener of its session; never waits for one."""

    def __init__(self) -> None:
        """Start with nobody listening."""
        self._listeners: defaultdict[str, set[asyncio.Queue[LiveUpdate]]] = defaultdict(
            set
        )

    def wanted(self, session_id: str) -> bool:
        """Return whether anyone listens to the session."""
        return session_id in self._listeners

    def publish(self, update: LiveUpdate) -> None:
        """Queue the update for each listener of its session."""
        for queue in self._listeners.get(update.session.id, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(update)

    @asynccontextmanager
    async def listen(self, session_id: str) -> AsyncIterator[AsyncIterator[LiveUpdate]]:
        """Yield an endless iterator of the session's updates from now on."""
        queue: asyncio.Queue[LiveUpdate] = asyncio.Queue(WAITING_AT_MOST)
        self._listeners[session_id].add(queue)
        try:
            yield _endless(queue)
        finally:
            self._listeners[session_id].discard(queue)
            if not self._listeners[session_id]:
                del self._listeners[session_id]


async def _endless(queue: asyncio.Queue[LiveUpdate]) -> AsyncIterator[LiveUpdate]:
    while True:
        yield await queue.get()
