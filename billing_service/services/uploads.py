"""Take in the log file of a station that was offline.

A CRC says that a line is whole, not that it is true: who pays for a session must not be able to
write its evidence. So an admin uploads, and the audit log keeps who did and the file's digest.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from billing_service.domain.errors import NotAllowed, NotFound, UploadRefused
from billing_service.domain.frame import Frame, to_ms
from billing_service.services.audit import Actor, Author
from billing_service.services.ingest import Batch, Ingest
from billing_service.services.ports import Clock, OpenReadUnitOfWork, OpenUnitOfWork

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


type ReadLog = Callable[[AsyncIterator[bytes], str, int], AsyncIterator[Line]]
"""Judges a file's lines as its bytes come: (bytes, station, now in ms). Raises UploadRefused."""


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
    """What became of a file's lines. ``refused`` says why reading ended early."""

    accepted: Lines = field(default_factory=Lines)
    duplicate: Lines = field(default_factory=Lines)
    corrupt: Lines = field(default_factory=Lines)
    foreign: Lines = field(default_factory=Lines)
    rejected: Lines = field(default_factory=Lines)
    torn: bool = False
    refused: UploadRefused | None = None
    sha256: str = ""
    bytes: int = 0

    @property
    def error(self) -> str | None:
        """Why reading ended early, in words."""
        return None if self.refused is None else self.refused.message

    @property
    def bad(self) -> int:
        """How many lines could not be used."""
        return self.corrupt.count + self.foreign.count + self.rejected.count


class LogUploads:
    """Stores uploaded log files: as often as wanted, each frame once."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        ingest: Ingest,
        read_log: ReadLog,
        *,
        stored: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what it works with; ``stored`` is called when there is something to meter."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._ingest = ingest
        self._read_log = read_log
        self._stored = stored

    async def store(
        self, actor: Author, station_id: str, chunks: AsyncIterator[bytes]
    ) -> LogReport:
        """Store a file's frames batch by batch and report on every line.

        What was stored stays when the upload breaks off; sending the file again goes on where it
        ended, for what is known is only counted. Raises NotAllowed, NotFound, StoreUnavailable.
        """
        if isinstance(actor, Actor) and not actor.viewer.is_admin:
            raise NotAllowed("Only an admin may do this.")
        async with self._open_read() as read:
            if await read.stations.get(station_id) is None:
                raise NotFound(f"there is no station {station_id}")
        report = LogReport()
        counted = _Counted(chunks)
        waiting: list[tuple[int, Frame]] = []
        try:
            lines = self._read_log(counted.chunks(), station_id, to_ms(self._clock()))
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
            report.refused = refused
        await self._flush(waiting, report)
        report.sha256, report.bytes = counted.sha256.hexdigest(), counted.bytes
        await self._note(actor, station_id, report)
        return report

    async def _flush(self, waiting: list[tuple[int, Frame]], report: LogReport) -> None:
        if not waiting:
            return
        frames = [frame for _, frame in waiting]
        # A card that was carried here is no sign of life from its station.
        stored = await self._ingest.store(Batch(frames=frames, alive=False))
        if stored.new:
            self._stored()
        new = {(frame.boot, frame.seq) for frame in stored.new}
        for number, frame in waiting:
            key = (frame.boot, frame.seq)
            if key in new:
                new.remove(key)
                report.accepted.add(number)
            else:
                report.duplicate.add(number)
        waiting.clear()

    async def _note(self, actor: Author, station_id: str, report: LogReport) -> None:
        counts: dict[str, Any] = {
            name: getattr(report, name).count
            for name in ("accepted", "duplicate", "corrupt", "foreign", "rejected")
        }
        async with self._open_uow() as uow:
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="station.upload",
                subject=f"station:{station_id}",
                after=counts
                | {
                    "bytes": report.bytes,
                    "sha256": report.sha256,
                    "torn": report.torn,
                    "error": report.error,
                },
                address=actor.address,
            )
            await uow.commit()


class _Counted:
    """Counts and digests a file as it passes."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.bytes = 0
        self.sha256 = hashlib.sha256()

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.bytes += len(chunk)
            self.sha256.update(chunk)
            yield chunk
