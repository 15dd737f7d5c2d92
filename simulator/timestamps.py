"""Timestamps as the wire contract writes them."""

import re
from datetime import UTC, datetime

_SHAPE = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)


def rfc3339(at_ms: int) -> str:
    """Unix time in milliseconds as RFC 3339 in UTC: `2026-11-23T09:30:00.000Z`."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{ms:03d}Z"


def parse_rfc3339(text: str) -> int:
    """Unix time in milliseconds. Raises ValueError for anything that has no offset or is no date.

    `fromisoformat` knows more of ISO 8601 than RFC 3339 allows (week dates, basic format, a
    missing offset), so the shape is checked too.
    """
    if not _SHAPE.fullmatch(text):
        raise ValueError(f"not an RFC 3339 timestamp: {text[:40]!r}")
    return round(datetime.fromisoformat(text.upper()).timestamp() * 1000)
