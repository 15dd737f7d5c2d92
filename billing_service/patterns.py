"""The forms that text must have where people and programs give it, each with its rule in words.

A pattern belongs here: whoever gave what does not match reads the rule, never the expression.
"""

from collections.abc import Mapping
from typing import Any

ID = "^[A-Za-z0-9_.-]{1,64}$"
STATION_ID = "^[a-z0-9_-]{1,32}$"
TARIFF_ID = r"^[\x21-\x7e]{1,36}$"
CARD_UID = "^[A-Za-z0-9._:@*=+-]{1,36}$"
CLIENT_ID = "^[A-Za-z0-9_-]{1,64}$"
SHA256 = "^[0-9a-f]{64}$"
TICKET = "^[A-Za-z0-9_-]{43}$"
LINE = r"^[^\x00-\x1f\x7f]*$"
SAYING_LINE = r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$"
SOUGHT = r"^[^\x00]+$"
GROUP = r"^[\w.@+ -]{1,64}$"
BILL_NUMBER = "^[A-Z0-9-]{1,40}$"
BILL_SERIES = "^([A-Z0-9-]{0,11}[A-Z-])?$"
MONTH = "^[12][0-9]{3}-(0[1-9]|1[0-2])$"
VAT_ID = "^([A-Z0-9][A-Z0-9 .*+-]{1,29})?$"
COUNTRY_ALPHA_2 = "^[A-Z]{2}$"
COUNTRY_ALPHA_3 = "^[A-Z]{3}$"
PARTY_ID = "^[A-Z0-9]{3}$"
LOG_LEVEL = "^(debug|info|warning|error)$"

RULES = {
    ID: "must be 1 to 64 of A-Z, a-z, 0-9, _, . and -",
    STATION_ID: "must be 1 to 32 of a-z, 0-9, _ and -",
    TARIFF_ID: "must be 1 to 36 printable ASCII characters without spaces",
    CARD_UID: "must be 1 to 36 of A-Z, a-z, 0-9 and . _ : @ * = + -",
    CLIENT_ID: "must be 1 to 64 of A-Z, a-z, 0-9, _ and -",
    SHA256: "must be a SHA-256: 64 of 0-9 and a-f",
    TICKET: "must be 43 of A-Z, a-z, 0-9, _ and -",
    LINE: "must be one line, without tabs and other control characters",
    SAYING_LINE: (
        "must be one line that is not blank, without tabs and other control characters"
    ),
    SOUGHT: "must not be empty, nor have a NUL character",
    GROUP: "must be 1 to 64 letters, digits, spaces and . _ @ + -",
    BILL_NUMBER: "must be 1 to 40 of A-Z, 0-9 and -",
    BILL_SERIES: "must be up to 12 of A-Z, 0-9 and -, and must not end in a digit",
    MONTH: "must be a month such as 2026-11",
    VAT_ID: (
        "must be 2 to 30 of A-Z, 0-9, spaces and . * + -, with a letter or digit first; or empty"
    ),
    COUNTRY_ALPHA_2: "must be a country's two capital letters, such as AT",
    COUNTRY_ALPHA_3: "must be a country's three capital letters, such as AUT",
    PARTY_ID: "must be 3 of A-Z and 0-9",
    LOG_LEVEL: "must be debug, info, warning or error",
}


def in_words(error: Mapping[str, Any]) -> str:
    """Return what one of Pydantic's errors says to people."""
    if error.get("type") == "string_pattern_mismatch":
        return RULES.get(error["ctx"]["pattern"], "has a form that is not allowed")
    message: str = error["msg"]
    return message.removeprefix("Value error, ")
