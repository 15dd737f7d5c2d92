"""Which periods a tariff splits by guess."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing_service.domain.period import ChargingPeriod
from billing_service.domain.splitting import split_evenly
from billing_service.domain.tariff import TariffElement
from tests.domain.rating_builders import (
    START,
    WEEKEND,
    element,
    energy,
    period,
    tariff,
)

HALF_PAST = element(energy("1"), start_time="12:00", end_time="12:30")


@pytest.mark.parametrize(
    ("first", "used", "split"),
    [
        (HALF_PAST, period(0, 60, 1000), True),
        (HALF_PAST, period(0, 60, 0), False),
        (HALF_PAST, period(0, 30, 1000), False),
        (HALF_PAST, period(30, 60, 1000), False),
        # The same price on both sides: of the weekend it is Monday.
        (
            element(
                energy("1"), start_time="12:00", end_time="12:30", day_of_week=WEEKEND
            ),
            period(0, 60, 1000),
            False,
        ),
        (
            element(energy("1"), min_duration=timedelta(minutes=30)),
            period(0, 60, 9),
            True,
        ),
        (element(energy("1"), max_kwh="0.5"), period(0, 60, 1000), False),
        (
            element(energy("1"), min_power="5"),
            period(0, 60, 1000, min_power_w=Decimal(600), max_power_w=Decimal(7200)),
            True,
        ),
        (
            element(energy("1"), min_power="5"),
            period(0, 60, 1000, min_power_w=Decimal(5000), max_power_w=Decimal(7200)),
            False,
        ),
        (
            element(energy("1"), max_current=Decimal(10)),
            period(0, 60, 1000, min_current_a=Decimal(6), max_current_a=Decimal(16)),
            True,
        ),
    ],
)
def test_where_the_price_of_energy_changes_within_a_period(
    first: TariffElement, used: ChargingPeriod, *, split: bool
) -> None:
    """With time, power or current; not with energy, nor where there is none."""
    priced = tariff(first, element(energy("2")))
    found = split_evenly([used], priced, "UTC", started_at=START)
    assert found == ([used] if split else [])


def test_only_the_period_itself() -> None:
    """Those before and after it are what they were measured to be."""
    periods = [period(0, 20, 5), period(20, 40, 5), period(40, 60, 5)]
    priced = tariff(HALF_PAST, element(energy("2")))
    assert split_evenly(periods, priced, "UTC", started_at=START) == [periods[1]]
