"""Follow an energy register through noise, glitches and replaced meters.

Pure. Home Assistant's statistics take a register that falls for a new meter
that counts from zero, so one frame that says 0 would book the whole register
a second time. A change that cannot be true is therefore held back until the
meter has confirmed it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# A register may step back a little: rounding, or a station that kept its count
# in flash and lost the last minutes to a power cut. Home Assistant calls a fall
# below this share a reset.
RESET_SHARE = 0.9

# No station delivers more than a frame may say.
MAX_POWER_W = 50_000.0

# Two clocks and the meter's own rhythm: what may lie between the timestamp of
# a frame and the moment the register was read.
READING_SLACK = timedelta(minutes=1)

# A glitch is over after a frame or two; a new meter stays.
CONFIRMING_READINGS = 5


@dataclass(frozen=True, slots=True)
class _Reading:
    energy_wh: float
    at: datetime


def _may_follow(earlier: _Reading, later: _Reading) -> bool:
    """Return whether one reading of the same meter may follow another."""
    elapsed = max(later.at - earlier.at, timedelta()) + READING_SLACK
    rise_limit_wh = MAX_POWER_W * (elapsed / timedelta(hours=1))
    return (
        RESET_SHARE * earlier.energy_wh
        <= later.energy_wh
        <= earlier.energy_wh + rise_limit_wh
    )


class Register:
    """What an energy register says, in Wh; it never steps back by noise."""

    def __init__(self) -> None:
        """Start without a reading."""
        self.energy_wh: float | None = None
        self.replaced = 0
        self._accepted_at = datetime.min.replace(tzinfo=UTC)
        self._doubtful: list[_Reading] = []

    def read(self, energy_wh: float, at: datetime) -> float:
        """Take a reading; return by how much the count moved without energy.

        That is 0 for all but the reading that confirms a reset or a replaced
        meter. Whoever counts from a start value moves the start by it.
        """
        reading = _Reading(energy_wh, at)
        if self.energy_wh is None or _may_follow(
            _Reading(self.energy_wh, self._accepted_at), reading
        ):
            self._accept(reading)
            return 0.0
        if self._doubtful and not _may_follow(self._doubtful[-1], reading):
            self._doubtful.clear()
        self._doubtful.append(reading)
        if len(self._doubtful) < CONFIRMING_READINGS:
            return 0.0
        shift_wh = self._doubtful[0].energy_wh - self.energy_wh
        self.energy_wh = None
        self.replaced += 1
        self._accept(reading)
        return shift_wh

    def _accept(self, reading: _Reading) -> None:
        self._doubtful.clear()
        self._accepted_at = reading.at
        if self.energy_wh is None or reading.energy_wh > self.energy_wh:
            self.energy_wh = reading.energy_wh
