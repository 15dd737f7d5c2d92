"""OCPI 2.2.1 objects as JSON, to and from the domain."""

from billing_service.adapters.ocpi.cdr import (
    cdr_to_ocpi,
    session_from_ocpi,
)
from billing_service.adapters.ocpi.export import CdrExport, Site
from billing_service.adapters.ocpi.tariff import tariff_from_dict, tariff_to_dict

__all__ = [
    "CdrExport",
    "Site",
    "cdr_to_ocpi",
    "session_from_ocpi",
    "tariff_from_dict",
    "tariff_to_dict",
]
