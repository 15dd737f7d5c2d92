"""What all of them have in common. Money and energies are decimal strings, times are UTC."""

from decimal import Decimal
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
)

from billing_service import patterns

Number = Annotated[
    Decimal, PlainSerializer(lambda value: format(value, "f"), return_type=str)
]
"""A decimal as text: no exponent, every digit."""

Line = Annotated[str, Field(max_length=200, pattern=patterns.LINE)]
"""Printable text of one line."""


Group = Annotated[str, Field(pattern=patterns.GROUP)]
"""Who pays by the same tariff: staff, tenants, …"""


class In(BaseModel):
    """What a client sends. A field that is not known is a mistake worth telling."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """What the service sends, read off domain values."""

    model_config = ConfigDict(from_attributes=True)
