"""Where the sun stands, and how strong it is under a clear sky."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from astral import Observer  # type: ignore[import-untyped]
from astral.sun import (  # type: ignore[import-untyped]
    elevation,
    eq_of_time,
    jday_to_jcentury,
    julianday,
)

MINUTES_PER_DAY = 1440.0
# The sun's height changes by at most 15 degrees an hour, so between two samples a minute apart
# a straight line is off by less than a thousandth of a degree.
_SAMPLE_S = 60


@dataclass(frozen=True, slots=True)
class Site:
    """A place on Earth; degrees, north and east positive."""

    latitude_deg: float
    longitude_deg: float


def site_where_it_is_noon(moment: datetime) -> Site:
    """Place on the equator where the sun is highest at `moment` (aware).

    A simulated station has to see the sun its scenario asks for at whatever hour somebody starts
    it, while its timestamps are the clock's. So the place follows the clock: the longitude is
    the one where apparent solar time is 12:00. The equator gives twelve hours of daylight and
    a noon sun above 66 degrees on every day of the year.

    True solar time in minutes is UTC + equation of time + 4 min per degree of longitude
    (NOAA Solar Calculation Details).
    """
    return _site_at_solar_minute(moment, MINUTES_PER_DAY / 2)


def site_where_it_is_midnight(moment: datetime) -> Site:
    """Place on the equator where the sun is lowest at `moment` (aware)."""
    return _site_at_solar_minute(moment, 0.0)


def _site_at_solar_minute(moment: datetime, solar_minute: float) -> Site:
    utc = moment.astimezone(UTC)
    utc_minute = utc.hour * 60 + utc.minute + utc.second / 60
    equation_min = eq_of_time(
        jday_to_jcentury(julianday(utc.date()) + utc_minute / MINUTES_PER_DAY)
    )
    longitude = (solar_minute - utc_minute - equation_min) / 4
    return Site(0.0, (longitude + 180) % 360 - 180)


def solar_elevation_deg(site: Site, moment: datetime) -> float:
    """Height of the sun above the horizon at `moment` (aware), degrees, without refraction."""
    observer = Observer(site.latitude_deg, site.longitude_deg, 0)
    return float(elevation(observer, moment, with_refraction=False))


def clear_sky_ghi_w_m2(elevation_deg: float) -> float:
    """Global horizontal irradiance under a clear sky, W/m².

    Haurwitz (1945): GHI = 1098 · cos z · exp(-0.059 / cos z), z the sun's zenith angle
    (constants as in pvlib, after Reno, Hansen, Stein: SAND2012-2389). Zero below the horizon.
    """
    cos_zenith = math.sin(math.radians(elevation_deg))
    if cos_zenith <= 0:
        return 0.0
    return 1098.0 * cos_zenith * math.exp(-0.059 / cos_zenith)


class SunTrack:
    """Clear-sky irradiance at one site; exact each minute, straight lines between."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._from_s = 0
        self._ghi_from = 0.0
        self._ghi_to = 0.0

    def ghi_w_m2(self, epoch_s: float) -> float:
        """Clear-sky irradiance at `epoch_s` (Unix time), W/m²."""
        from_s = int(epoch_s // _SAMPLE_S) * _SAMPLE_S
        if from_s != self._from_s:
            self._ghi_from = self._sample(from_s)
            self._ghi_to = self._sample(from_s + _SAMPLE_S)
            self._from_s = from_s
        return (
            self._ghi_from
            + (self._ghi_to - self._ghi_from) * (epoch_s - from_s) / _SAMPLE_S
        )

    def _sample(self, epoch_s: int) -> float:
        moment = datetime.fromtimestamp(epoch_s, UTC)
        return clear_sky_ghi_w_m2(solar_elevation_deg(self.site, moment))
