"""Tariffs that cannot be right are refused with the path; doubtful ones are warned of."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing_service.domain.errors import TariffInvalid
from billing_service.domain.period import Source
from billing_service.domain.tariff import (
    DayOfWeek,
    Dimension,
    PriceLimit,
    Reservation,
    Tariff,
)
from billing_service.domain.tariff_check import check, ensure_valid
from tests.domain.rating_builders import WEEKEND, element, energy, price, tariff

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FIRST = "$.elements[0]"


def limit(excl_vat: str, incl_vat: str | None = None) -> PriceLimit:
    """A price limit."""
    return PriceLimit(
        excl_vat=Decimal(excl_vat),
        incl_vat=None if incl_vat is None else Decimal(incl_vat),
    )


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (tariff(), "$.elements"),
        (tariff(element()), f"{FIRST}.price_components"),
        (tariff(element(energy("1")), id=""), "$.id"),
        (tariff(element(energy("1")), currency="eur"), "$.currency"),
        (tariff(element(energy("NaN"))), f"{FIRST}.price_components[0].price"),
        (tariff(element(energy("1e9"))), f"{FIRST}.price_components[0].price"),
        (tariff(element(energy("1", "101"))), f"{FIRST}.price_components[0].vat"),
        (tariff(element(energy("1", "-1"))), f"{FIRST}.price_components[0].vat"),
        (
            tariff(element(energy("1", step_size=-1))),
            f"{FIRST}.price_components[0].step_size",
        ),
        (
            tariff(element(energy("1"), energy("2"))),
            f"{FIRST}.price_components[1].type",
        ),
        (
            tariff(element(energy("1"), min_kwh="5", max_kwh="5")),
            f"{FIRST}.restrictions.max_kwh",
        ),
        (tariff(element(energy("1"), min_kwh="-1")), f"{FIRST}.restrictions.min_kwh"),
        (
            tariff(element(energy("1"), max_power="0")),
            f"{FIRST}.restrictions.max_power",
        ),
        (
            tariff(element(energy("1"), max_duration=timedelta(seconds=-1))),
            f"{FIRST}.restrictions.max_duration",
        ),
        (
            tariff(
                element(
                    energy("1"), start_date=date(2026, 1, 2), end_date=date(2026, 1, 2)
                )
            ),
            f"{FIRST}.restrictions.end_date",
        ),
        (
            tariff(
                element(
                    energy("1"),
                    start_date=date(2026, 6, 15),
                    end_date=date(2026, 6, 18),
                    day_of_week=WEEKEND,
                )
            ),
            f"{FIRST}.restrictions.day_of_week",
        ),
        (
            tariff(element(energy("1"), source=Source.NONE)),
            f"{FIRST}.restrictions.source",
        ),
        (
            tariff(element(energy("1"), reservation=Reservation.RESERVATION)),
            f"{FIRST}.price_components[0].type",
        ),
        (
            tariff(element(energy("1")), valid_from=NOON, valid_until=NOON),
            "$.end_date_time",
        ),
        (tariff(element(energy("1")), min_price=limit("-1")), "$.min_price.excl_vat"),
        (
            tariff(element(energy("1")), min_price=limit("2", "1")),
            "$.min_price.incl_vat",
        ),
        (
            tariff(element(energy("1")), min_price=limit("2"), max_price=limit("1")),
            "$.max_price.excl_vat",
        ),
    ],
)
def test_a_tariff_that_cannot_be_right_is_refused(wrong: Tariff, path: str) -> None:
    """With the path of what is wrong, and nothing else."""
    problems, _ = check(wrong)
    assert [found for found, _ in problems] == [path]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"start_time": "10:00", "end_time": "12:00"}),
        ({"start_time": "22:00", "end_time": "06:00"}, {"start_time": "23:00"}),
        ({"max_kwh": "10"}, {"max_kwh": "5"}),
        ({"source": Source.GRID}, {"source": Source.GRID, "max_kwh": "5"}),
        ({"start_date": date(2026, 1, 1)}, {"start_date": date(2026, 2, 1)}),
        ({"day_of_week": WEEKEND}, {"day_of_week": frozenset({DayOfWeek.SUNDAY})}),
    ],
)
def test_an_element_behind_a_wider_one_is_unreachable(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """The element that is never reached is named."""
    problems, _ = check(
        tariff(element(energy("1"), **before), element(energy("2"), **after))
    )
    assert [path for path, _ in problems] == ["$.elements[1].price_components[0]"]


def test_elements_that_cover_it_together_make_one_unreachable() -> None:
    """Day and night before a fallback leave nothing to it."""
    problems, _ = check(
        tariff(
            element(energy("1"), start_time="06:00", end_time="22:00"),
            element(energy("2"), start_time="22:00", end_time="06:00"),
            element(energy("3"), price(Dimension.TIME, "1")),
        )
    )
    assert [path for path, _ in problems] == ["$.elements[2].price_components[0]"]


def test_an_element_that_is_reached_by_an_overlap_is_fine() -> None:
    """Solar first, then nights, then the rest."""
    assert check(
        tariff(
            element(energy("1"), source=Source.SOLAR),
            element(energy("2"), start_time="22:00", end_time="06:00"),
            element(energy("3")),
        )
    ) == ((), ())


def test_every_problem_is_reported_at_once() -> None:
    """So that all can be mended at once."""
    wrong = tariff(element(energy("1", "101", step_size=-1)), currency="€")
    with pytest.raises(TariffInvalid) as caught:
        ensure_valid(wrong)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("doubtful", "word"),
    [
        (
            tariff(element(energy("1"), start_time="08:00", end_time="20:00")),
            "ENERGY is priced at some moments and free at others, for example: 00:00",
        ),
        (
            tariff(element(energy("1"), source=Source.SOLAR)),
            "for example: source grid",
        ),
        (
            tariff(element(energy("1"), day_of_week=WEEKEND)),
            "for example: Monday",
        ),
        (tariff(element(energy("1"), min_kwh="5")), "for example: from 0 kWh"),
        (
            tariff(element(energy("1", "20"), price(Dimension.FLAT, "1"))),
            "some prices have VAT",
        ),
        (
            tariff(element(energy("1", "20")), max_price=limit("10", "10.50")),
            "implies 5.0 % VAT",
        ),
        (
            tariff(
                element(energy("1"), start_time="08:00", end_time="08:00"),
            ),
            "applies all day",
        ),
        (
            tariff(
                element(
                    energy("1"),
                    start_time="22:00",
                    end_time="06:00",
                    day_of_week=WEEKEND,
                ),
                element(energy("2")),
            ),
            "the hours after midnight are those of the same days (Sat, Sun)",
        ),
    ],
)
def test_what_is_often_a_mistake_is_a_warning(doubtful: Tariff, word: str) -> None:
    """It is accepted, and the admin is told."""
    warnings = ensure_valid(doubtful)
    assert any(word in text for _, text in warnings)


def test_a_start_fee_at_some_hours_is_no_warning() -> None:
    """Only use that is free at times is doubtful."""
    assert (
        ensure_valid(
            tariff(
                element(price(Dimension.FLAT, "1"), start_time="08:00"),
                element(energy("1")),
            )
        )
        == ()
    )


def test_a_huge_tariff_is_checked_in_bounded_time() -> None:
    """A year of hourly prices is accepted; a repeated element is still found."""
    hours = [
        element(
            energy("1"),
            start_date=date(2026, 1, 1) + timedelta(days=day),
            end_date=date(2026, 1, 2) + timedelta(days=day),
            start_time=f"{hour:02}:00",
            end_time=f"{(hour + 1) % 24:02}:00",
        )
        for day in range(365)
        for hour in range(24)
    ]
    assert check(tariff(*hours)) == ((), ())
    problems, _ = check(tariff(*hours, hours[0]))
    assert [path for path, _ in problems] == ["$.elements[8760].price_components[0]"]
