"""What proves a session's frames after the frames themselves are gone."""

import hashlib
from dataclasses import dataclass

from billing_service.domain.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A fingerprint of a session's frames: how many, from when to when (ms), and their SHA-256."""

    frames: int
    first_ms: int | None
    last_ms: int | None
    sha256: str


class EvidenceOf:
    """Takes the fingerprint of frames given in order of (boot, seq).

    Hashed is a line for each frame: its fields as in ``Frame``, parted by ``|``, absent ones empty,
    ended by LF. Who has the frames elsewhere, as on the station's SD card, can do the same.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._frames = 0
        self._first: int | None = None
        self._last: int | None = None

    def add(self, frame: Frame) -> None:
        """Take the next frame in."""
        fields = (
            frame.station_id, frame.boot, frame.seq, frame.at_ms, frame.voltage_mv,
            frame.current_ma, frame.power_mw, frame.source.value, frame.register_mwh,
            frame.solar_mwh, frame.grid_mwh, None if frame.pilot is None else frame.pilot.value,
            frame.session, int(frame.clock_synced),
        )  # fmt: skip
        line = "|".join("" if field is None else str(field) for field in fields)
        self._hash.update(f"{line}\n".encode())
        self._frames += 1
        self._first = (
            frame.at_ms if self._first is None else min(self._first, frame.at_ms)
        )
        self._last = frame.at_ms if self._last is None else max(self._last, frame.at_ms)

    def result(self) -> Evidence:
        """Return the fingerprint of what was added."""
        return Evidence(
            frames=self._frames,
            first_ms=self._first,
            last_ms=self._last,
            sha256=self._hash.hexdigest(),
        )
