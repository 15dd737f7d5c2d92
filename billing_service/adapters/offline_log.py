"""Reads the offline log of a station (docs/protocol/offline-log.md) from a stream.

The file is never held: one chunk, one line and one batch are. Everything about it is capped while
it streams, so that neither a huge file nor a small one that unpacks to a huge one does harm.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum

from billing_service.adapters.wire import parse_frame
from billing_service.domain.errors import FrameRejected, UploadRefused, UploadTooLarge
from billing_service.domain.frame import Frame

MAX_LINE_BYTES = 4096
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS
_UNPACK_AT_ONCE = 64 * 1024
_CRC_DIGITS = 8
_CR = b"\r"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """What one upload may have: bytes as sent, bytes unpacked, and lines.

    A day at 1 Hz is 86,400 lines, some 25 MB.
    """

    bytes: int = 256 * 1024 * 1024
    unpacked_bytes: int = 2 * 1024 * 1024 * 1024
    lines: int = 10_000_000


class Verdict(StrEnum):
    """What a line turned out to be, before it is known whether its frame is new."""

    FRAME = "frame"
    CORRUPT = "corrupt"
    FOREIGN = "foreign"
    REJECTED = "rejected"
    TORN = "torn"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line by its number, from 1; ``message`` says what is wrong with it."""

    number: int
    verdict: Verdict
    frame: Frame | None = None
    message: str = ""


async def read_log(
    chunks: AsyncIterator[bytes], station_id: str, limits: LogLimits, now_ms: int
) -> AsyncIterator[LogLine]:
    """Yield a file's lines, each judged; gzip is recognised by its first bytes.

    Raises UploadTooLarge when a limit is passed and UploadRefused when the gzip is broken; the
    lines before stand.
    """
    number = 0
    rest = b""
    overlong = False
    async for piece in _unpacked(chunks, limits):
        # Bytes that are there already would not let anybody else have a turn.
        await asyncio.sleep(0)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            number += 1
            if number > limits.lines:
                raise UploadTooLarge(f"more than {limits.lines} lines")
            if overlong:
                overlong = False
                yield LogLine(
                    number, Verdict.CORRUPT, message="longer than a line can be"
                )
            else:
                # A PC's editor may have ended the lines with CR LF.
                yield _judge(number, line.removesuffix(_CR), station_id, now_ms)
        if len(rest.removesuffix(_CR)) > MAX_LINE_BYTES:
            overlong, rest = True, b""
    if rest or overlong:
        # A power cut in the middle of a write leaves the last line without its end.
        yield LogLine(number + 1, Verdict.TORN, message="the last line has no end")


def _judge(number: int, line: bytes, station_id: str, now_ms: int) -> LogLine:
    payload, tab, crc = line.rpartition(b"\t")
    if not tab or len(crc) != _CRC_DIGITS or len(line) > MAX_LINE_BYTES:
        return LogLine(
            number, Verdict.CORRUPT, message="not a frame, a tab and a CRC-32"
        )
    if crc != b"%08x" % zlib.crc32(payload):
        return LogLine(number, Verdict.CORRUPT, message="the CRC-32 is wrong")
    try:
        frame = parse_frame(
            payload, topic_station=station_id, default_station=station_id, now_ms=now_ms
        )
    except FrameRejected as rejected:
        verdict = (
            Verdict.FOREIGN if rejected.reason == "wrong_station" else Verdict.REJECTED
        )
        return LogLine(
            number, verdict, message=f"{rejected.reason}: {rejected.message}"
        )
    if frame.has_counters:
        return LogLine(number, Verdict.FRAME, frame)
    return LogLine(
        number, Verdict.REJECTED, message="missing_field: boot and seq are needed"
    )


async def _unpacked(
    chunks: AsyncIterator[bytes], limits: LogLimits
) -> AsyncIterator[bytes]:
    """Yield the file's bytes, unpacked when it is gzip."""
    sent = 0
    head = b""
    unpacker: _Unpacker | None = None
    decided = False
    async for chunk in chunks:
        sent += len(chunk)
        if sent > limits.bytes:
            raise UploadTooLarge(f"more than {limits.bytes} bytes")
        head += chunk
        if not decided and len(head) >= len(_GZIP_MAGIC):
            decided = True
            if head.startswith(_GZIP_MAGIC):
                unpacker = _Unpacker(limits.unpacked_bytes)
        if decided:
            packed, head = head, b""
            for piece in unpacker.unpack(packed) if unpacker else (packed,):
                yield piece
    if unpacker is not None and not unpacker.complete:
        raise UploadRefused("the gzip ends early")
    if head:
        yield head


class _Unpacker:
    """Unpacks gzip piece by piece, never more than a little at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._unpacked = 0
        self._zlib = zlib.decompressobj(_GZIP)

    @property
    def complete(self) -> bool:
        return self._zlib.eof

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        while packed:
            if self._zlib.eof:
                # gzip files may be written one behind the other.
                self._zlib = zlib.decompressobj(_GZIP)
            try:
                piece = self._zlib.decompress(packed, _UNPACK_AT_ONCE)
            except zlib.error as error:
                raise UploadRefused(f"the gzip is broken: {error}") from error
            packed = self._zlib.unconsumed_tail or self._zlib.unused_data
            self._unpacked += len(piece)
            if self._unpacked > self._most:
                raise UploadTooLarge(f"unpacks to more than {self._most} bytes")
            if piece:
                yield piece
