"""Which sessions wait to be metered, by which process, and how far they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from billing_service.domain.checkpoint import Plain
from billing_service.domain.frame import NO_BOOT


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A session's fold up to the frame ``key``, (boot, seq), after so many ``frames``.

    ``basis`` says what it rests on besides its frames; ``state`` is that of ``domain.checkpoint``.
    """

    key: tuple[int, int]
    frames: int
    basis: str
    state: Plain


class Checkpoints(Protocol):
    """Folds of sessions that were taken down on the way.

    One holds as long as its session has as many frames up to its key as it counts: frames are
    only ever added. Those that were made by other code are not given out.
    """

    async def last(
        self, session_id: str, basis: str, *, before: tuple[int, int] | None = None
    ) -> Checkpoint | None:
        """Return the newest that rests on ``basis`` and ended before that (boot, seq)."""

    async def add(self, session_id: str, checkpoint: Checkpoint) -> None:
        """Store one, in place of one that ended with the same frame."""

    async def drop(
        self, session_id: str, *, after: tuple[int, int] | None = None
    ) -> None:
        """Remove those that ended after that (boot, seq)."""


class Leases(Protocol):
    """Says which stations are this process's to meter."""

    async def hold(self, station_id: str) -> bool:
        """Return whether the station is ours, taking it if it is nobody's."""
