"""What stations send: frames, events, and messages that broke the contract."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing_service.domain.frame import Frame, Key, SessionEvent
from billing_service.services.ports.common import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A message that broke the contract, kept for inspection. ``payload`` may be cut."""

    received_at: datetime
    topic: str
    reason: str
    message: str
    payload: bytes


class Frames(Protocol):
    """Every frame exactly once."""

    async def add(self, frames: Sequence[Frame], received_at: datetime) -> list[Frame]:
        """Store those not stored before and return them, in the order given."""

    def of_session(
        self,
        station_id: str,
        station_session: str,
        *,
        after: Key | None = None,
    ) -> AsyncIterator[Frame]:
        """Yield a named session's frames in order of (boot, seq), those after ``after`` only."""

    def parts_of_session(
        self,
        station_id: str,
        station_session: str,
        *,
        after: Key | None = None,
        until: Key | None = None,
    ) -> AsyncIterator[list[Frame]]:
        """Yield the same some thousands at a time, up to and with ``until``."""

    def unnamed(
        self, station_id: str, from_ms: int, to_ms: int
    ) -> AsyncIterator[Frame]:
        """Yield frames that name no session, from_ms <= at_ms <= to_ms, by (boot, seq)."""

    def parts_unnamed(
        self, station_id: str, from_ms: int, to_ms: int
    ) -> AsyncIterator[list[Frame]]:
        """Yield the same some thousands at a time."""

    async def last(self, station_id: str) -> Frame | None:
        """Return the station's newest frame by (boot, seq)."""

    async def next_other(
        self, station_id: str, station_session: str, after: Key
    ) -> Frame | None:
        """Return the first frame after (boot, seq) that names another session or says none."""


class RejectedMessages(Protocol):
    """Messages that broke the contract."""

    async def add(self, rejected: Iterable[Rejected]) -> None:
        """Keep them."""

    async def counts(self) -> dict[str, int]:
        """Return how many are kept, by reason."""

    async def page(self, *, limit: int, offset: int) -> Page[Rejected]:
        """Return the newest first."""


class SessionEvents(Protocol):
    """The stations' plug-in, unplug, start and end events, each once."""

    async def add(
        self, events: Sequence[SessionEvent], received_at: datetime
    ) -> list[SessionEvent]:
        """Store those not stored before and return them."""

    async def of_session(
        self, station_id: str, station_session: str
    ) -> list[SessionEvent]:
        """Return a session's events in order of time."""
