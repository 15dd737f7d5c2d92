"""Which currencies there are (ISO 4217), as CLDR lists them."""

from babel.numbers import list_currencies

RULE = "must be an ISO 4217 code such as EUR"

_NO_MONEY = frozenset({"XTS", "XXX"})
"""Codes for tests, and for no currency at all."""


def is_currency(code: str) -> bool:
    """Whether there is such a currency, or was: a CDR may be old."""
    return code in list_currencies() and code not in _NO_MONEY
