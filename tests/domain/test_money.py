"""Amounts keep their currency and are rounded half up."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_service.domain.errors import CurrencyMismatch
from billing_service.domain.money import Money, currency_digits, round_money


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.005", "EUR", "0.01"),
        ("-0.005", "EUR", "-0.01"),
        ("0.00499999", "EUR", "0.00"),
        ("2.675", "EUR", "2.68"),
        ("1.5", "JPY", "2"),
        ("1.0005", "KWD", "1.001"),
        ("1234567890123456.785", "EUR", "1234567890123456.79"),
    ],
)
def test_rounding_is_half_up_to_the_currency_s_decimals(
    amount: str, currency: str, rounded: str
) -> None:
    """ISO 4217 decides how many decimals there are."""
    assert str(round_money(Decimal(amount), currency)) == rounded


def test_an_unlisted_currency_has_two_decimals() -> None:
    """Most have."""
    assert currency_digits("CHF") == 2


@pytest.mark.parametrize("operation", ["__add__", "__sub__"])
def test_currencies_do_not_mix(operation: str) -> None:
    """Euro and yen have no sum."""
    with pytest.raises(CurrencyMismatch):
        getattr(Money(Decimal(1), "EUR"), operation)(Money(Decimal(1), "JPY"))


@given(
    st.decimals(-(10**9), 10**9, places=6),
    st.decimals(-(10**9), 10**9, places=6),
)
def test_adding_and_taking_away_is_exact(one: Decimal, two: Decimal) -> None:
    """No cent is lost on the way."""
    first, second = Money(one, "EUR"), Money(two, "EUR")
    assert first + second - second == first
    assert first + -first == Money(Decimal(0), "EUR")


def test_scaling_keeps_full_precision() -> None:
    """Rounding happens on purpose only."""
    scaled = Money(Decimal("0.333"), "EUR") * Decimal("0.1")
    assert scaled.amount == Decimal("0.0333")
    assert scaled.rounded().amount == Decimal("0.03")
