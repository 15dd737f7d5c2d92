"""Running sessions, as listeners hear of them."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from billing_service.domain.cdr import Cdr
from billing_service.domain.frame import Frame
from billing_service.domain.session import Session


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveUpdate:
    """What a listener of a running session hears. Money and energies are strings on the wire.

    One object goes to all listeners of a process, and is known to them by its identity.

    Each update of a batch tells of the session after all of it. ``more`` of the same batch follow:
    a session that has ended is not told to the end before the last of them.
    """

    session: Session
    frame: Frame | None
    running_cost: Cdr | None
    more: bool = False


class LiveBus(Protocol):
    """Carries live updates from ingest to listeners."""

    def wanted(self, session_id: str) -> bool:
        """Return whether anyone may be listening, so that no work is done for nobody."""

    def publish(self, update: LiveUpdate) -> None:
        """Hand an update to whoever listens; never waits."""

    def listen(
        self, session_id: str
    ) -> AbstractAsyncContextManager[AsyncIterator[LiveUpdate]]:
        """Receive a session's updates until the block is left."""
