"""Log files as a station writes them to its SD card (docs/protocol/offline-log.md)."""

import json
import zlib


def log_line(seq: int, *, station: str = "garage", **more: object) -> bytes:
    """Make one line."""
    frame = {
        "station": station, "boot": 1, "seq": seq, "timestamp": "2026-11-23T09:00:00.000Z",
        "V": 230.0, "I": 1.0, "P": 230.0, "source": "grid", "session": "1-1", **more,
    }  # fmt: skip
    payload = json.dumps(frame, separators=(",", ":")).encode()
    return payload + b"\t%08x\n" % zlib.crc32(payload)
