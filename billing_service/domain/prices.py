"""A tariff's prices over time, for charts and for choosing when to charge."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from billing_service.domain.clock import tariff_boundaries, zone
from billing_service.domain.period import Source
from billing_service.domain.tariff import (
    Dimension,
    Moment,
    PriceComponent,
    Tariff,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSlot:
    """Prices that hold over [started_at, ended_at), at the start of a session.

    Energy is per kWh by source, times are per hour, ``flat`` per session. None: no price, which
    means free.
    """

    started_at: datetime
    ended_at: datetime
    solar_energy: PriceComponent | None
    grid_energy: PriceComponent | None
    time: PriceComponent | None
    parking_time: PriceComponent | None
    flat: PriceComponent | None


def prices(
    tariff: Tariff,
    from_at: datetime,
    to_at: datetime,
    time_zone: str | tzinfo,
    *,
    energy_kwh: Decimal = Decimal(0),
    duration: timedelta = timedelta(0),
) -> tuple[PriceSlot, ...]:
    """Return the price curve between two instants, neighbours with equal prices joined.

    Prices that depend on energy or duration are those of a session that has used ``energy_kwh``
    and ``duration`` so far; those that depend on current or power are left out. Outside the
    tariff's validity there are no slots.
    """
    tz = zone(time_zone)
    if tariff.valid_from is not None:
        from_at = max(from_at, tariff.valid_from)
    if tariff.valid_until is not None:
        to_at = min(to_at, tariff.valid_until)
    if to_at <= from_at:
        return ()
    edges = [from_at, *tariff_boundaries(tariff, from_at, to_at, tz), to_at]
    slots: list[PriceSlot] = []
    for left, right in pairwise(edges):
        slot = _slot(tariff, left, right, tz, energy_kwh, duration)
        if slots and replace(slot, started_at=slots[-1].started_at) == replace(
            slots[-1], ended_at=right
        ):
            slots[-1] = replace(slots[-1], ended_at=right)
        else:
            slots.append(slot)
    return tuple(slots)


def _slot(
    tariff: Tariff,
    started_at: datetime,
    ended_at: datetime,
    tz: tzinfo,
    energy_kwh: Decimal,
    duration: timedelta,
) -> PriceSlot:
    moment = Moment(
        local=started_at.astimezone(tz),
        energy_kwh=Fraction(energy_kwh),
        duration=duration,
    )

    def price(dimension: Dimension, source: Source | None) -> PriceComponent | None:
        found = tariff.component(dimension, replace(moment, source=source))
        return None if found is None else found[1]

    return PriceSlot(
        started_at=started_at,
        ended_at=ended_at,
        solar_energy=price(Dimension.ENERGY, Source.SOLAR),
        grid_energy=price(Dimension.ENERGY, Source.GRID),
        time=price(Dimension.TIME, Source.GRID),
        parking_time=price(Dimension.PARKING_TIME, Source.NONE),
        flat=price(Dimension.FLAT, None),
    )
