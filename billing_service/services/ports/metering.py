"""Which sessions wait to be metered, by which process, and how far they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from billing_service.domain.frame import NO_BOOT, Key
from billing_service.domain.summary import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A note, stored with new frames or events, that their session has to be metered again.

    ``session`` is None for frames of a station that names no sessions, "" for frames that say
    that none is under way. ``boot`` and ``seq`` are the lowest new ones (NO_BOOT, 0 for events);
    ``from_ms`` to ``to_ms`` the time they cover. ``id`` is the store's.
    """

    station_id: str
    session: str | None
    boot: int
    seq: int
    from_ms: int
    to_ms: int
    id: int = 0

    @property
    def of_event(self) -> bool:
        """Whether an event is new, not a frame."""
        return (self.boot, self.seq) == (NO_BOOT, 0)


class Marks(Protocol):
    """Which sessions wait to be metered: written with the frames, taken by metering."""

    async def add(self, marks: Sequence[Mark]) -> None:
        """Store them."""

    async def waiting(self) -> list[str]:
        """Return the accepted stations that have marks."""

    async def crowded(self, most: int) -> list[str]:
        """Return the stations kept apart that have more than so many marks."""

    async def take(self, station_id: str) -> list[Mark]:
        """Remove and return a station's marks, in order of id.

        Empty when there are none, or another process is metering this station: until the
        transaction ends the station is this one's.
        """

    async def hold(self, station_id: str) -> None:
        """Wait until no other process meters this station; keep it so until the transaction ends."""


class Span(NamedTuple):
    """Frames to be read singly: after < (boot, seq) <= until; None: no bound."""

    after: Key | None = None
    until: Key | None = None


class Summaries(Protocol):
    """What a session's frames say, a quarter of an hour at a time.

    One holds as long as no more frames were stored between its ends than it stands for: frames
    are only ever added. Those that other code has made are not given out.
    """

    async def of_session(
        self, station_id: str, station_session: str, *, after: Key | None = None
    ) -> list[Summary | Span]:
        """Return how to read a named session's frames after ``after``, in order and each once.

        Summaries where they hold, and spans around them, in which there may be no frame.
        """

    async def add(
        self, station_id: str, station_session: str, summaries: Sequence[Summary]
    ) -> None:
        """Store them, in place of those that they overlap."""


class Leases(Protocol):
    """Says which stations are this process's to meter."""

    async def hold(self, station_id: str) -> bool:
        """Return whether the station is ours, taking it if it is nobody's."""
