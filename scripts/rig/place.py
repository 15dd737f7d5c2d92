"""Where the site lies: a city in which the session was around midday.

A session of the demo ends about now. Wherever the demo is run, at whatever hour: a bill for sun at
night would puzzle a reader.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_BEST_HOUR = timedelta(hours=13)


@dataclass(frozen=True, slots=True)
class Place:
    """A city; position in degrees, ``country`` as ISO 3166-1 alpha-2."""

    city: str
    country: str
    time_zone: str
    latitude: float
    longitude: float

    def hours_from_midday(self, at: datetime) -> float:
        """How far the time of day there is from one o'clock, in hours."""
        local = at.astimezone(ZoneInfo(self.time_zone))
        past = timedelta(hours=local.hour, minutes=local.minute) - _BEST_HOUR
        return abs(past / timedelta(hours=1))


# Two or three hours apart, all around the world.
PLACES = (
    Place("Auckland", "NZ", "Pacific/Auckland", -36.85, 174.76),
    Place("Brisbane", "AU", "Australia/Brisbane", -27.47, 153.03),
    Place("Singapore", "SG", "Asia/Singapore", 1.35, 103.82),
    Place("Mumbai", "IN", "Asia/Kolkata", 19.08, 72.88),
    Place("Nairobi", "KE", "Africa/Nairobi", -1.29, 36.82),
    Place("Munich", "DE", "Europe/Berlin", 48.14, 11.58),
    Place("Praia", "CV", "Atlantic/Cape_Verde", 14.92, -23.51),
    Place("São Paulo", "BR", "America/Sao_Paulo", -23.55, -46.63),
    Place("New York", "US", "America/New_York", 40.71, -74.01),
    Place("Denver", "US", "America/Denver", 39.74, -104.99),
    Place("Honolulu", "US", "Pacific/Honolulu", 21.31, -157.86),
)


def place_of_midday(at: datetime) -> Place:
    """Return the place where the aware time `at` is nearest to one o'clock in the afternoon."""
    return min(PLACES, key=lambda it: it.hours_from_midday(at))
