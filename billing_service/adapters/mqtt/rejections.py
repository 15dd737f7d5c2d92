"""Tells of rejected messages in the log, however many a noisy station sends."""

import time
from collections import Counter
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

SUMMARY_EVERY_S = 60.0
KINDS_AT_MOST = 200
"""Kinds told of by themselves; names that strangers make up must not fill the memory."""


class RejectionLog:
    """Logs the first rejection of each kind (station, reason), and then their counts.

    A kind is forgotten when a summary had nothing of it, so that its return is logged again.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        """Take the clock that parts summaries: seconds from any start."""
        self._seconds = seconds
        self._known: set[tuple[str, str]] = set()
        self._more: Counter[tuple[str, str]] = Counter()
        self._told_at = seconds()

    def note(self, station: str, reason: str, topic: str, message: str) -> None:
        """Take one rejection."""
        self.summarise()
        kind = (station, reason)
        if kind in self._known:
            self._more[kind] += 1
        elif len(self._known) < KINDS_AT_MOST:
            self._known.add(kind)
            log.warning("message_rejected", topic=topic, reason=reason, message=message)
        else:
            self._more["others", reason] += 1

    def summarise(self, *, at_once: bool = False) -> None:
        """Tell how many more have come, if a minute is over or it must be ``at_once``."""
        if not at_once and self._seconds() - self._told_at < SUMMARY_EVERY_S:
            return
        for (station, reason), count in self._more.items():
            log.warning(
                "messages_rejected", station=station, reason=reason, count=count
            )
        self._known &= self._more.keys()
        self._more.clear()
        self._told_at = self._seconds()
