"""The contract's topics."""

import re
from dataclasses import dataclass

_PREFIX = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", re.ASCII)
_STATION = re.compile(r"[a-z0-9_-]{1,32}", re.ASCII)


def check_prefix(prefix: str) -> str:
    """`prefix` itself. Raises ValueError when the contract does not allow it."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"prefix {prefix!r}: levels of A-Z a-z 0-9 _ - joined by /")
    return prefix


def check_station(station: str) -> str:
    """`station` itself. Raises ValueError when the contract does not allow it."""
    if not _STATION.fullmatch(station):
        raise ValueError(f"station {station!r}: 1 to 32 of a-z 0-9 _ -")
    return station


@dataclass(frozen=True, slots=True)
class Topics:
    """Where one station speaks and listens."""

    prefix: str
    station: str

    @property
    def plain_telemetry(self) -> str:
        """Where the plain single-station form goes."""
        return f"{self.prefix}/telemetry"

    def of(self, kind: str) -> str:
        """The station's topic of `kind` (telemetry, backlog, state, info, status, event, result)."""
        return f"{self.prefix}/{self.station}/{kind}"
