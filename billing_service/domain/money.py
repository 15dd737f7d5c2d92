"""An amount and its currency, which never mix and never become floats."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Self

from billing_service.domain.errors import CurrencyMismatch

# ISO 4217 minor units that differ from two (table A.1).
_DIGITS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}


def currency_digits(currency: str) -> int:
    """Return the number of decimals of an ISO 4217 currency code."""
    return _DIGITS.get(currency, 2)


@dataclass(frozen=True, slots=True)
class Money:
    """An immutable amount in one currency, at full precision until it is rounded on purpose."""

    amount: Decimal
    currency: str

    def __add__(self, other: Money) -> Money:
        """Add two amounts of one currency. Raises CurrencyMismatch."""
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        """Subtract an amount of the same currency. Raises CurrencyMismatch."""
        return Money(self.amount - self._same(other), self.currency)

    def __neg__(self) -> Money:
        """Return the amount that cancels this one: credit notes."""
        return Money(-self.amount, self.currency)

    def __mul__(self, factor: Decimal) -> Money:
        """Scale by a number without a currency."""
        return Money(self.amount * factor, self.currency)

    def rounded(self) -> Self:
        """Round half up to the currency's decimals (ISO 4217)."""
        return type(self)(round_money(self.amount, self.currency), self.currency)

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"cannot mix {self.currency} and {other.currency}")
        return other.amount


def round_money(amount: Decimal, currency: str) -> Decimal:
    """Round half up to the decimals of the currency: 0.005 EUR → 0.01, −0.005 EUR → −0.01."""
    return amount.quantize(
        Decimal(1).scaleb(-currency_digits(currency)), rounding=ROUND_HALF_UP
    )
