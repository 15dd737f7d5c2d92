"""Which energy a tariff splits by guess: that of periods which were not cut for it."""

from collections.abc import Iterable
from datetime import datetime, tzinfo
from decimal import Decimal

from billing_service.domain.clock import tariff_boundaries, zone
from billing_service.domain.period import ChargingPeriod
from billing_service.domain.tariff import Dimension, Restrictions, Tariff
from billing_service.domain.usage import cut, moment_of, usage_of


def split_evenly(
    periods: Iterable[ChargingPeriod],
    tariff: Tariff,
    time_zone: str | tzinfo,
    *,
    started_at: datetime,
) -> list[ChargingPeriod]:
    """Return the periods within which the tariff's price of energy changes with time.

    Rating lets energy flow evenly within a period, so that what such a period costs is an estimate.
    A price that changes with the energy used is not: that much is known. Nor is one that asks for
    a power or a current, unless the period has been on both sides of it.
    """
    tz = zone(time_zone)
    ordered = sorted(periods, key=lambda period: (period.started_at, period.ended_at))
    usages = [usage_of(period) for period in ordered]
    prices: dict[int, set[object]] = {id(usage): set() for usage in usages}
    for piece in cut(usages, tariff, tz, started_at):
        found = tariff.component(
            Dimension.ENERGY, moment_of(piece, tariff, tz, started_at)
        )
        prices[id(piece.usage)].add(None if found is None else found[1])
    return [
        period
        for period, usage in zip(ordered, usages, strict=True)
        if period.energy_wh
        and (
            _astride(period, tariff)
            or (
                len(prices[id(usage)]) > 1
                and tariff_boundaries(
                    tariff,
                    period.started_at,
                    period.ended_at,
                    tz,
                    session_started_at=started_at,
                )
            )
        )
    ]


def _astride(period: ChargingPeriod, tariff: Tariff) -> bool:
    """Whether its power or current was below a threshold of the tariff, and also above."""
    return any(
        limit is not None
        and low is not None
        and high is not None
        and low < limit * unit <= high
        for element in tariff.elements
        for limit, unit, low, high in _thresholds(element.restrictions, period)
    )


def _thresholds(
    of: Restrictions, period: ChargingPeriod
) -> Iterable[tuple[Decimal | None, int, Decimal | None, Decimal | None]]:
    """Yield each threshold, what it is in W or A, and the lowest and highest seen."""
    for power in (of.min_power, of.max_power):
        yield power, 1000, period.min_power_w, period.max_power_w
    for current in (of.min_current, of.max_current):
        yield current, 1, period.min_current_a, period.max_current_a
