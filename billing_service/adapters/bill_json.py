"""Bills and CDRs as JSON objects: every amount a decimal string, and back without a change."""

from typing import Any

from pydantic import TypeAdapter

from billing_service.domain.bill import Bill
from billing_service.domain.cdr import Cdr

_BILL = TypeAdapter(Bill)
_CDR = TypeAdapter(Cdr)


def bill_to_dict(bill: Bill) -> dict[str, Any]:
    """Write a bill."""
    data: dict[str, Any] = _BILL.dump_python(bill, mode="json")
    return data


def bill_from_dict(data: object) -> Bill:
    """Read what ``bill_to_dict`` wrote. Raises pydantic's ValidationError for anything else."""
    return _BILL.validate_python(data)


def cdr_to_dict(cdr: Cdr) -> dict[str, Any]:
    """Write a CDR, lines and reasons included."""
    data: dict[str, Any] = _CDR.dump_python(cdr, mode="json")
    return data


def cdr_from_dict(data: object) -> Cdr:
    """Read what ``cdr_to_dict`` wrote. Raises pydantic's ValidationError for anything else."""
    return _CDR.validate_python(data)
