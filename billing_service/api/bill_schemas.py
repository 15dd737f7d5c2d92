"""What goes over the wire about issued bills."""

from datetime import date
from typing import Annotated

from pydantic import Field

from billing_service.api.schemas import BillOut, In, Line, Out

Reason = Annotated[
    str,
    Field(
        min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$"
    ),
]
"""Why something was done, in printable text."""


class PaidIn(In):
    """That a bill was paid in full; today when ``paid_on`` is left out."""

    paid_on: date | None = None
    reference: Line = ""


class CreditIn(In):
    """Why a bill is taken back."""

    reason: Reason


class BillPage(Out):
    """One page, and how many bills there are in all."""

    items: list[BillOut]
    total: int
    limit: int
    offset: int
