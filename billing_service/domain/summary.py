"""Summaries: what a session's frames say, a quarter of an hour at a time, to read in their place.

A summary stands for all frames between its first and its last: as long as no other one comes
between them, a session can be folded by its summaries in place of its frames, under any rules.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from billing_service.domain.frame import Frame, Key
from billing_service.domain.stretch import QUARTER_MS, Stretch, stretches

WORTH_FRAMES = 64
"""Fewer frames are read as fast as a summary of them is found."""
_FRAMES_TO_A_STRETCH = 4
_STRETCHES_AT_MOST = 200


@dataclass(frozen=True, slots=True)
class Summary:
    """The stretches that a session's frames make between two of them, in order."""

    stretches: tuple[Stretch, ...]

    @property
    def first(self) -> Key:
        """Its first frame."""
        return self.stretches[0].first.key

    @property
    def last(self) -> Key:
        """Its last frame."""
        return self.stretches[-1].last.key

    @property
    def frames(self) -> int:
        """How many frames it stands for: all that were stored when it was made."""
        return sum(stretch.frames for stretch in self.stretches)

    @property
    def is_worth_it(self) -> bool:
        """Whether it saves much of the reading."""
        least = max(WORTH_FRAMES, _FRAMES_TO_A_STRETCH * len(self.stretches))
        return self.frames >= least


@dataclass(slots=True)
class Summing:
    """Makes summaries of stretches that come in order, with no frame between two of them."""

    _open: list[Stretch] = field(default_factory=list)
    _done: list[Summary] = field(default_factory=list)

    def add(self, stretch: Stretch) -> None:
        """Take the next one."""
        if self._open and not self._goes_on(stretch):
            self.close()
        joined = self._open[-1].joined(stretch) if self._open else None
        if joined is not None:
            self._open[-1] = joined
        elif stretch.first.has_counters:
            # Without counters, nothing would tell that another one came between.
            self._open.append(stretch)

    def close(self) -> None:
        """End the summary that is being made."""
        made = Summary(tuple(self._open))
        if made.is_worth_it:
            self._done.append(made)
        self._open = []

    def take_done(self) -> list[Summary]:
        """Return those that are made and worth keeping, each once."""
        done, self._done = self._done, []
        return done

    def _goes_on(self, stretch: Stretch) -> bool:
        first = self._open[0].first
        return (
            stretch.first.boot == first.boot
            and stretch.first.at_ms // QUARTER_MS == first.at_ms // QUARTER_MS
            and len(self._open) < _STRETCHES_AT_MOST
        )


def summaries_of(frames: Iterable[Frame]) -> list[Summary]:
    """Return summaries of a session's frames that came together, in order of (boot, seq).

    Where a number is left out its frame may be stored already: none goes across.
    """
    summing = Summing()
    numbered = groupby(
        enumerate(frames), lambda each: (each[1].boot, each[1].seq - each[0])
    )
    for _, run in numbered:
        for stretch, _its in stretches(frame for _, frame in run):
            summing.add(stretch)
        summing.close()
    return summing.take_done()
