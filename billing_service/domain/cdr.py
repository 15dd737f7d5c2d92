"""The charge detail record: what a session cost, line by line, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from billing_service.domain.period import Source
from billing_service.domain.tariff import Dimension, Reservation


class Limit(StrEnum):
    """Why a line adjusts a total instead of pricing something."""

    MIN_PRICE = "min_price"
    MAX_PRICE = "max_price"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """A cost at full precision, without and with VAT."""

    excl_vat: Decimal = Decimal(0)
    incl_vat: Decimal = Decimal(0)

    def __add__(self, other: Cost) -> Cost:
        """Add side by side."""
        return Cost(
            excl_vat=self.excl_vat + other.excl_vat,
            incl_vat=self.incl_vat + other.incl_vat,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrLine:
    """What one price component cost over one stretch of time.

    ``quantity`` is kWh (ENERGY), hours (TIME, PARKING_TIME) or 1 (FLAT), after ``step_size``.
    ``source`` is given for energy, and for what is priced by source. ``element`` is the index of
    the tariff element that won; None for an adjustment, whose ``limit`` names the bound and whose
    dimension is FLAT. ``when`` is the element's restriction in short (``22:00–06:00``), empty when
    it always applies; ``reason`` says in a sentence why it applied.
    """

    dimension: Dimension
    element: int | None
    started_at: datetime
    ended_at: datetime
    source: Source | None
    quantity: Decimal
    price: Decimal
    vat: Decimal | None
    cost: Cost
    reason: str
    when: str = ""
    limit: Limit | None = None
    reservation: Reservation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A stretch whose energy was not seen flowing but derived from registers around a gap."""

    started_at: datetime
    ended_at: datetime
    energy_wh: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdr:
    """The immutable rated record of one session (OCPI CDR), at full precision.

    ``total_cost`` is the sum of all lines. The totals by dimension are before a minimum or maximum
    price, which OCPI applies to the whole session only. ``total_time`` includes parking and leaves
    out a reservation.
    """

    currency: str
    tariff_id: str
    tariff_version: int
    started_at: datetime
    ended_at: datetime
    total_energy_kwh: Decimal
    solar_energy_kwh: Decimal
    grid_energy_kwh: Decimal
    total_time: timedelta
    total_parking_time: timedelta
    total_cost: Cost
    total_fixed_cost: Cost
    total_energy_cost: Cost
    total_time_cost: Cost
    total_parking_cost: Cost
    lines: tuple[CdrLine, ...]
    total_reservation_cost: Cost = Cost()
    tax_included: bool = False
    estimates: tuple[Estimate, ...] = ()
