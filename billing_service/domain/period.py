"""Charging periods: the parts of a session in which source and price do not change."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class Source(StrEnum):
    """Where power comes from."""

    SOLAR = "solar"
    GRID = "grid"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingPeriod:
    """Part of a session, half-open in time: [started_at, ended_at), aware UTC.

    ``energy_wh`` has at most three decimals. ``charging`` is false while the vehicle is
    connected but takes no power (OCPI's PARKING_TIME). ``estimated`` marks energy whose place in
    time was not seen but derived from registers on both sides of a gap. Currents and powers are
    the extremes seen, None when unknown.
    """

    started_at: datetime
    ended_at: datetime
    source: Source
    charging: bool
    energy_wh: Decimal
    estimated: bool = False
    min_current_a: Decimal | None = None
    max_current_a: Decimal | None = None
    min_power_w: Decimal | None = None
    max_power_w: Decimal | None = None

    @property
    def duration(self) -> timedelta:
        """Length in time."""
        return self.ended_at - self.started_at
