"""Rating: which price applies when, and what it comes to."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from billing_service.domain.cdr import Limit
from billing_service.domain.errors import TariffInvalid
from billing_service.domain.period import Source
from billing_service.domain.rating import rate
from billing_service.domain.tariff import DayOfWeek, Dimension, PriceLimit
from tests.domain.rating_builders import (
    START,
    WEEKEND,
    at,
    element,
    energy,
    period,
    price,
    rated,
    tariff,
)

NIGHT = tariff(
    element(energy("0.20"), start_time="22:00", end_time="06:00"),
    element(energy("0.30")),
)


def quantities(cdr: object) -> list[tuple[str, str]]:
    """(price, quantity) of each line."""
    return [
        (f"{line.price:f}", f"{line.quantity:f}")
        for line in cdr.lines  # type: ignore[attr-defined]
    ]


def test_each_source_has_its_price() -> None:
    """Solar and grid energy are priced by where each kWh came from."""
    cdr = rated(
        tariff(
            element(energy("0.10"), source=Source.SOLAR),
            element(energy("0.40"), source=Source.GRID),
        ),
        period(0, 60, 4000, Source.SOLAR),
        period(60, 90, 1000, Source.GRID),
        period(90, 120, 500, Source.SOLAR),
    )
    assert [(line.source, line.quantity) for line in cdr.lines] == [
        (Source.SOLAR, 4),
        (Source.GRID, 1),
        (Source.SOLAR, Decimal("0.5")),
    ]
    assert cdr.total_cost.excl_vat == Decimal("0.85")
    assert (cdr.solar_energy_kwh, cdr.grid_energy_kwh) == (Decimal("4.5"), Decimal(1))


def test_a_period_is_cut_where_the_night_begins() -> None:
    """21:00 to 23:00 is half day, half night; energy is split in proportion to time."""
    cdr = rated(NIGHT, period(9 * 60, 11 * 60, 3001))
    assert quantities(cdr) == [("0.30", "1.5005"), ("0.20", "1.5005")]
    assert cdr.lines[0].ended_at == cdr.lines[1].started_at == at(10 * 60)


def test_the_night_wraps_midnight() -> None:
    """22:00 to 06:00 holds at 03:00 and ends at 06:00."""
    cdr = rated(NIGHT, period(15 * 60, 19 * 60, 4000))
    assert quantities(cdr) == [("0.20", "3"), ("0.30", "1")]


def test_an_end_at_midnight_is_the_end_of_the_day() -> None:
    """20:00 to 00:00 does not hold after midnight."""
    cdr = rated(
        tariff(
            element(energy("1"), start_time="20:00", end_time="00:00"),
            element(energy("2")),
        ),
        period(11 * 60, 13 * 60, 2000),
    )
    assert quantities(cdr) == [("1", "1"), ("2", "1")]


@pytest.mark.parametrize(
    ("zone", "start", "hours", "cheap"),
    [
        # Clocks go forward at 02:00: 22:00-06:00 has 7 hours.
        ("Europe/Berlin", datetime(2026, 3, 28, 20, tzinfo=UTC), 10, 7),
        # Clocks go back at 03:00: 22:00-06:00 has 9 hours.
        ("Europe/Berlin", datetime(2026, 10, 24, 19, tzinfo=UTC), 12, 9),
        ("America/New_York", datetime(2026, 3, 8, 1, tzinfo=UTC), 12, 7),
        ("America/New_York", datetime(2026, 11, 1, 0, tzinfo=UTC), 12, 9),
        # Half an hour of daylight saving, in the southern spring and autumn.
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 9, tzinfo=UTC), 14, 7.5),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 9, tzinfo=UTC), 14, 8.5),
    ],
)
def test_nights_in_which_clocks_change(
    zone: str, start: datetime, hours: int, cheap: float
) -> None:
    """The night price holds for the hours that the wall clock shows, on 23- and 25-hour days."""
    cdr = rated(
        NIGHT,
        period(start, start + timedelta(hours=hours), hours * 1000),
        zone=zone,
    )
    night = sum(line.quantity for line in cdr.lines if line.price == Decimal("0.20"))
    assert night == Decimal(str(cheap))
    assert cdr.total_energy_kwh == hours


def test_an_hour_that_comes_twice_is_priced_twice() -> None:
    """02:00-03:00 holds for two hours when clocks go back, and not at all when they go forward."""
    twice = tariff(
        element(energy("1"), start_time="02:00", end_time="03:00"), element(energy("0"))
    )
    back = rated(
        twice,
        period(
            datetime(2026, 10, 24, 22, tzinfo=UTC),
            datetime(2026, 10, 25, 4, tzinfo=UTC),
            6000,
        ),
        zone="Europe/Berlin",
    )
    forward = rated(
        twice,
        period(
            datetime(2026, 3, 28, 22, tzinfo=UTC),
            datetime(2026, 3, 29, 4, tzinfo=UTC),
            6000,
        ),
        zone="Europe/Berlin",
    )
    assert back.total_cost.excl_vat == 2
    assert forward.total_cost.excl_vat == 0


def test_half_past_two_begins_twice() -> None:
    """02:30-05:00 holds 02:30-03:00 twice in the repeated hour, and not between."""
    cdr = rated(
        tariff(
            element(energy("1"), start_time="02:30", end_time="05:00"),
            element(energy("0")),
        ),
        period(
            datetime(2026, 10, 24, 22, tzinfo=UTC),
            datetime(2026, 10, 25, 5, tzinfo=UTC),
            7000,
        ),
        zone="Europe/Berlin",
    )
    assert quantities(cdr) == [
        ("0", "2.5"),
        ("1", "0.5"),
        ("0", "0.5"),
        ("1", "2.5"),
        ("0", "1"),
    ]


def test_weekday_and_date_change_at_local_midnight() -> None:
    """Midnight is the station's: 22:00 UTC in Berlin's summer."""
    saturday = datetime(2026, 6, 20, 21, tzinfo=UTC)
    by_day = tariff(
        element(energy("1"), day_of_week=frozenset({DayOfWeek.SUNDAY})),
        element(energy("2")),
    )
    by_date = tariff(
        element(energy("1"), start_date=date(2026, 6, 21), end_date=date(2026, 6, 22)),
        element(energy("2")),
    )
    for priced in by_day, by_date:
        cdr = rated(
            priced,
            period(saturday, saturday + timedelta(hours=2), 2000),
            zone="Europe/Berlin",
        )
        assert quantities(cdr) == [("2", "1"), ("1", "1")]


def test_a_weekday_and_a_night_are_tested_on_their_own() -> None:
    """22:00-06:00 at the weekend means Saturday's and Sunday's hours, not Monday's first six."""
    weekend_nights = tariff(
        element(energy("1"), start_time="22:00", end_time="06:00", day_of_week=WEEKEND),
        element(energy("2")),
    )
    sunday_night = datetime(2026, 6, 21, 23, tzinfo=UTC)
    cdr = rated(
        weekend_nights, period(sunday_night, sunday_night + timedelta(hours=2), 2000)
    )
    assert quantities(cdr) == [("1", "1"), ("2", "1")]


def test_energy_thresholds_cut_a_period() -> None:
    """The first 10 kWh, those to 20 kWh and the rest each have their price."""
    cdr = rated(
        tariff(
            element(energy("1"), max_kwh="10"),
            element(energy("2"), max_kwh="20"),
            element(energy("3")),
        ),
        period(0, 60, 7000),
        period(60, 120, 30000),
    )
    assert quantities(cdr) == [("1", "10"), ("2", "10"), ("3", "17")]
    assert cdr.lines[1].started_at == at(66)


def test_a_threshold_met_exactly_starts_the_next_price() -> None:
    """min_kwh is inclusive and max_kwh exclusive."""
    cdr = rated(
        tariff(
            element(price(Dimension.FLAT, "5"), min_kwh="10"),
            element(energy("1"), max_kwh="10"),
            element(energy("2"), min_kwh="10"),
        ),
        period(0, 60, 10000),
        period(60, 120, 1),
    )
    assert quantities(cdr) == [("1", "10"), ("5", "1"), ("2", "0.001")]


def test_duration_counts_from_the_start_of_the_session() -> None:
    """Free for 30 minutes of the session, parking included."""
    cdr = rated(
        tariff(
            element(energy("0"), max_duration=timedelta(minutes=30)),
            element(energy("1")),
        ),
        period(0, 20, charging=False),
        period(20, 40, 2000),
    )
    assert quantities(cdr) == [("0", "1"), ("1", "1")]


def test_power_prices_a_period_by_its_mean_within_the_extremes() -> None:
    """A period that straddles a threshold has exactly one of the complementary prices."""
    by_power = tariff(
        element(energy("1"), max_power="7"), element(energy("2"), min_power="7")
    )
    for wh, wanted in ((6900, "1"), (7100, "2"), (7000, "2")):
        cdr = rated(
            by_power,
            period(0, 60, wh, min_power_w=Decimal(3000), max_power_w=Decimal(11000)),
        )
        assert [line.price for line in cdr.lines] == [Decimal(wanted)]


def test_an_unknown_current_holds_no_restriction() -> None:
    """Where current was not measured, an element that restricts it does not apply."""
    cdr = rated(
        tariff(element(energy("1"), max_current=Decimal(32)), element(energy("2"))),
        period(0, 60, 1000),
    )
    assert quantities(cdr) == [("2", "1")]


def test_the_first_element_wins_in_each_dimension() -> None:
    """Dimensions look for their element independently of each other."""
    cdr = rated(
        tariff(
            element(price(Dimension.TIME, "6"), start_time="12:00", end_time="13:00"),
            element(energy("1")),
            element(energy("2"), price(Dimension.TIME, "3")),
        ),
        period(0, 120, 2000),
    )
    assert {(line.dimension, line.element) for line in cdr.lines} == {
        (Dimension.TIME, 0),
        (Dimension.ENERGY, 1),
        (Dimension.TIME, 2),
    }
    assert cdr.total_cost.excl_vat == 6 + 2 + 3


def test_parking_and_charging_time_are_told_apart() -> None:
    """Connected without charging is PARKING_TIME."""
    cdr = rated(
        tariff(
            element(price(Dimension.TIME, "1"), price(Dimension.PARKING_TIME, "10"))
        ),
        period(0, 60, 7000),
        period(60, 90, charging=False, source=Source.NONE),
    )
    assert cdr.total_time_cost.excl_vat == 1
    assert cdr.total_parking_cost.excl_vat == 5
    assert cdr.total_time == timedelta(minutes=90)
    assert cdr.total_parking_time == timedelta(minutes=30)


def test_a_start_fee_is_charged_once() -> None:
    """However many periods and elements there are."""
    cdr = rated(
        tariff(
            element(price(Dimension.FLAT, "1"), max_kwh="1"),
            element(price(Dimension.FLAT, "2")),
        ),
        *(period(n, n + 1, 500) for n in range(10)),
    )
    assert cdr.total_fixed_cost.excl_vat == 1


def test_a_session_without_any_use_pays_the_start_fee() -> None:
    """Plugged in and out again: no period at all."""
    cdr = rate(
        [],
        tariff(element(price(Dimension.FLAT, "1", "20"), energy("1"))),
        "UTC",
        started_at=START,
        ended_at=START,
    )
    assert (cdr.total_cost.excl_vat, cdr.total_cost.incl_vat) == (
        Decimal(1),
        Decimal("1.2"),
    )


def test_what_no_element_prices_is_free_and_counted() -> None:
    """No matching element means no cost in that dimension (OCPI), not an error."""
    cdr = rated(tariff(element(price(Dimension.TIME, "1"))), period(0, 60, 5000))
    assert cdr.total_energy_kwh == 5
    assert cdr.total_energy_cost.excl_vat == 0
    assert [line.dimension for line in cdr.lines] == [Dimension.TIME]


def test_negative_prices_pay_the_driver() -> None:
    """Dynamic markets have them."""
    cdr = rated(tariff(element(energy("-0.05", "20"))), period(0, 60, 10000))
    assert (cdr.total_cost.excl_vat, cdr.total_cost.incl_vat) == (
        Decimal("-0.5"),
        Decimal("-0.6"),
    )


def test_prices_that_include_tax() -> None:
    """The price is what the driver pays; the net is derived from it."""
    cdr = rated(
        tariff(element(energy("0.36", "20")), tax_included=True), period(0, 60, 10000)
    )
    assert (cdr.total_cost.incl_vat, cdr.total_cost.excl_vat) == (
        Decimal("3.6"),
        Decimal(3),
    )


def test_limits_bind_net_and_gross_on_their_own() -> None:
    """The gross maximum may bind while the net one does not."""
    cdr = rated(
        tariff(
            element(energy("1", "20")),
            max_price=PriceLimit(excl_vat=Decimal(10), incl_vat=Decimal(11)),
        ),
        period(0, 60, 9500),
    )
    assert (cdr.total_cost.excl_vat, cdr.total_cost.incl_vat) == (
        Decimal("9.5"),
        Decimal(11),
    )
    assert {line.limit for line in cdr.lines} == {None, Limit.MAX_PRICE}


def test_a_limit_keeps_the_vat_of_every_rate_right() -> None:
    """Each adjusting line has a rate of the tariff, and its VAT is that rate of its net."""
    cdr = rated(
        tariff(
            element(price(Dimension.FLAT, "0.5", "20"), energy("0.25", "10")),
            max_price=PriceLimit(excl_vat=Decimal(10), incl_vat=Decimal(11)),
        ),
        period(0, 60, 50000),
    )
    adjusting = {line.vat: line.cost for line in cdr.lines if line.limit}
    assert {rate_: cost.excl_vat for rate_, cost in adjusting.items()} == {
        Decimal(10): Decimal("-2.5"),
        Decimal(20): Decimal("-0.5"),
    }
    for rate_, cost in adjusting.items():
        assert rate_ is not None
        assert cost.incl_vat == cost.excl_vat * (100 + rate_) / 100


def test_a_net_limit_alone_carries_its_vat() -> None:
    """A limit without a gross side raises the gross in step."""
    cdr = rated(
        tariff(
            element(energy("0.25", "10")), min_price=PriceLimit(excl_vat=Decimal("0.5"))
        ),
        period(0, 60, 0),
    )
    assert (cdr.total_cost.excl_vat, cdr.total_cost.incl_vat) == (
        Decimal("0.5"),
        Decimal("0.55"),
    )


def test_a_third_of_an_hour_loses_nothing() -> None:
    """Three thirds of an hour cost exactly three times a third of the price."""
    cdr = rated(
        tariff(
            element(price(Dimension.TIME, "1"), start_time="12:00", end_time="12:20"),
            element(price(Dimension.TIME, "1"), start_time="12:20", end_time="12:40"),
            element(price(Dimension.TIME, "1")),
        ),
        period(0, 60),
    )
    assert len(cdr.lines) == 3
    assert cdr.total_time_cost.excl_vat == 1
    assert sum(line.quantity for line in cdr.lines) == 1


def test_a_line_says_why() -> None:
    """Element, restriction and step are named."""
    cdr = rated(
        tariff(
            element(
                energy("1", step_size=1000),
                source=Source.SOLAR,
                start_time="10:00",
                end_time="16:00",
            )
        ),
        period(0, 60, 1500, Source.SOLAR),
    )
    (line,) = cdr.lines
    assert line.reason == (
        "Element 0 is the first that prices ENERGY when it applies "
        "(solar only; 10:00–16:00); billed in steps of 1000 Wh: 500 Wh added."
    )
    assert line.when == "10:00–16:00"


@pytest.mark.parametrize(
    "periods",
    [
        (period(0, 60, 1000), period(59, 61, 1000)),
        (period(60, 0, 1000),),
        (period(0, 60, -1),),
    ],
)
def test_impossible_periods_are_refused(periods: tuple[object, ...]) -> None:
    """Overlap, negative time and negative energy are errors, not prices."""
    with pytest.raises(ValueError, match=r"overlap|before it starts|negative"):
        rate(
            periods,  # type: ignore[arg-type]
            NIGHT,
            "UTC",
            started_at=START,
            ended_at=at(120),
        )


def test_an_unknown_zone_is_refused() -> None:
    """With a sentence that names it."""
    with pytest.raises(TariffInvalid, match="there is no time zone 'Mars/Olympus'"):
        rate([], NIGHT, "Mars/Olympus", started_at=START, ended_at=START)


def test_the_last_time_based_price_is_the_one_rounded() -> None:
    """Charging after a pause is rounded; the pause before it is not."""
    cdr = rated(
        tariff(
            element(
                price(Dimension.TIME, "1", step_size=600),
                price(Dimension.PARKING_TIME, "1", step_size=600),
            )
        ),
        period(0, 7, charging=False),
        period(7, 15, 1000),
    )
    assert cdr.total_parking_cost.excl_vat * 60 == pytest.approx(7)
    assert cdr.total_time_cost.excl_vat * 60 == pytest.approx(10)


def test_estimated_energy_is_told_apart() -> None:
    """Neighbouring estimates are one stretch, with its energy."""
    cdr = rated(
        NIGHT,
        period(0, 10, 100),
        period(10, 20, 200, estimated=True),
        period(20, 30, 300, Source.SOLAR, estimated=True),
        period(30, 40, 100),
        period(40, 50, 50, estimated=True),
    )
    assert [(e.started_at, e.ended_at, e.energy_wh) for e in cdr.estimates] == [
        (at(10), at(30), Decimal(500)),
        (at(40), at(50), Decimal(50)),
    ]
