"""From exact fractions to decimals, once, at the edge of a calculation."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

PLACES = 12
"""Decimals kept of a value that has no end, such as a third of an hour."""


def decimals(values: Iterable[Fraction]) -> list[Decimal]:
    """Turn exact values into decimals of 12 places whose sum is the rounded exact sum.

    Each is the step of the rounded running total, so that no line loses what the total has.
    """
    result = []
    total, shown = Fraction(0), 0
    for value in values:
        total += value
        rounded = round(total * 10**PLACES)
        result.append(_scaled(rounded - shown))
        shown = rounded
    return result


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
