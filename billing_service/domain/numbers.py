"""From exact fractions to decimals, once, at the edge of a calculation."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from math import lcm

PLACES = 12
"""Decimals kept of a value that has no end, such as a third of an hour."""


def decimals(values: Iterable[Fraction]) -> list[Decimal]:
    """Turn exact values into decimals of 12 places whose sum is the rounded exact sum.

    Each is the step of the rounded running total, so that no line loses what the total has.
    """
    exact = [*values]
    # Over one denominator for all, the running total is a whole number, and not reduced each time.
    whole = lcm(*(value.denominator for value in exact))
    result = []
    total = shown = 0
    for value in exact:
        total += value.numerator * (whole // value.denominator)
        rounded = _rounded(total * 10**PLACES, whole)
        result.append(_scaled(rounded - shown))
        shown = rounded
    return result


def _rounded(numerator: int, denominator: int) -> int:
    """Round a fraction to a whole number, a half to the even one, as ``round`` does."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2))


def decimal(value: Fraction) -> Decimal:
    """Turn one exact value into a decimal of at most 12 places."""
    return _scaled(round(value * 10**PLACES))


def plain(value: Decimal) -> Decimal:
    """Drop trailing zeros, without the exponent that ``normalize`` gives to 20."""
    short = value.normalize()
    exponent = short.as_tuple().exponent
    return (
        short.quantize(Decimal(1))
        if isinstance(exponent, int) and exponent > 0
        else short
    )


def _scaled(units: int) -> Decimal:
    return plain(Decimal(units).scaleb(-PLACES))
