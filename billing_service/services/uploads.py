"""Take in the log file of a station that was offline."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from billing_service.domain.errors import UploadRefused
from billing_service.domain.frame import Frame
from billing_service.services.ingest import Batch, Ingest

BATCH_LINES = 1000
RANGES_AT_MOST = 1000
"""Stretches of line numbers named in a report; beyond that only the counts go on."""


class Line(Protocol):
    """A judged line of a log file."""

    @property
    def number(self) -> int:
        """Its number, from 1."""

    @property
    def verdict(self) -> str:
        """``frame``, or what is wrong with it."""

    @property
    def frame(self) -> Frame | None:
        """The frame of a sound line."""

    @property
    def message(self) -> str:
        """What is wrong, for people."""


@dataclass(slots=True)
class Lines:
    """Line numbers as a count and as stretches, first and last."""

    count: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)
    example: str = ""

    def add(self, number: int, message: str = "") -> None:
        """Count a line; numbers come in ascending order."""
        self.count += 1
        self.example = self.example or message
        if self.ranges and self.ranges[-1][1] == number - 1:
            self.ranges[-1] = (self.ranges[-1][0], number)
        elif len(self.ranges) < RANGES_AT_MOST:
            self.ranges.append((number, number))


@dataclass(slots=True)
class LogReport:
    """What became of a file's lines. ``error`` says why reading ended early."""

    accepted: Lines = field(default_factory=Lines)
    duplicate: Lines = field(default_factory=Lines)
    corrupt: Lines = field(default_factory=Lines)
    foreign: Lines = field(default_factory=Lines)
    rejected: Lines = field(default_factory=Lines)
    torn: bool = False
    error: str | None = None


class LogUploads:
    """Stores uploaded log files: as often as wanted, each frame once."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def store(self, lines: AsyncIterator[Line]) -> LogReport:
        """Store a file's frames batch by batch and report on every line.

        What was stored stays when the upload breaks off; sending the file again goes on where it
        ended, for what is known is only counted.
        """
        report = LogReport()
        waiting: list[tuple[int, Frame]] = []
        try:
            async for line in lines:
                if line.frame is not None:
                    waiting.append((line.number, line.frame))
                    if len(waiting) >= BATCH_LINES:
                        await self._flush(waiting, report)
                elif line.verdict == "torn":
                    report.torn = True
                else:
                    bad: Lines = getattr(report, line.verdict)
                    bad.add(line.number, line.message)
        except UploadRefused as refused:
            report.error = refused.message
        await self._flush(waiting, report)
        return report

    async def _flush(self, waiting: list[tuple[int, Frame]], report: LogReport) -> None:
        if not waiting:
            return
        stored = await self._ingest.store(Batch(frames=[frame for _, frame in waiting]))
        new = {(frame.boot, frame.seq) for frame in stored.new}
        for number, frame in waiting:
            key = (frame.boot, frame.seq)
            if key in new:
                new.remove(key)
                report.accepted.add(number)
            else:
                report.duplicate.add(number)
        waiting.clear()
