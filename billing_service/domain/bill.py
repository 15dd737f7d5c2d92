"""The numbered document a driver receives. All arithmetic of a bill is here; the PDF does none."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from billing_service.domain.cdr import Estimate, Limit
from billing_service.domain.period import Source
from billing_service.domain.session import SessionFlag
from billing_service.domain.tariff import Dimension, Reservation


class BillKind(StrEnum):
    """What the document is."""

    BILL = "bill"
    CREDIT_NOTE = "credit_note"


class BillStatus(StrEnum):
    """What has become of a bill. A draft has no number; a void one was taken back."""

    DRAFT = "draft"
    ISSUED = "issued"
    PAID = "paid"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Supplier or customer as printed; ``address`` is its lines."""

    name: str
    address: tuple[str, ...] = ()
    vat_id: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a supplier says on every bill.

    ``vat_note`` says why there is none where a line has no VAT. ``verify_at`` is the address of
    the service that people reach. ``co2_g_per_kwh`` is what a kWh from the grid causes.
    """

    locale: str = ""
    verify_at: str = ""
    co2_g_per_kwh: Decimal | None = None
    vat_note: str = ""
    payment_days: int | None = None
    payment_info: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One printed line: rounded once, half up, to the currency's decimals.

    ``quantity`` is in ``unit`` (``kWh``, ``h``, ``session``). ``amount`` is without VAT unless the
    bill is ``tax_included``. ``when`` is the restriction it was priced under, in short. A line with
    ``limit`` brings the session's total to a minimum or maximum price.
    """

    dimension: Dimension
    source: Source | None
    quantity: Decimal
    unit: str
    unit_price: Decimal
    vat_percent: Decimal | None
    amount: Decimal
    description: str
    when: str = ""
    limit: Limit | None = None
    reservation: Reservation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VatLine:
    """Sums of all printed lines of one VAT rate."""

    rate_percent: Decimal | None
    net: Decimal
    vat: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledSession:
    """The metering facts of a session, as printed. Registers in Wh, None where none were sent.

    ``amount`` is the sum of its lines.
    """

    session_id: str
    station_id: str
    station_name: str
    started_at: datetime
    ended_at: datetime
    time_zone: str
    solar_wh: Decimal
    grid_wh: Decimal
    meter_start_wh: Decimal | None
    meter_stop_wh: Decimal | None
    estimated_wh: Decimal
    tariff_name: str
    tariff_version: int
    lines: tuple[BillLine, ...]
    tariff_id: str = ""
    flags: tuple[SessionFlag, ...] = ()
    amount: Decimal = Decimal(0)
    estimates: tuple[Estimate, ...] = ()

    @property
    def energy_wh(self) -> Decimal:
        """Everything delivered, from both sources."""
        return self.solar_wh + self.grid_wh

    @property
    def solar_percent(self) -> int | None:
        """The share of solar energy, None when there was no energy."""
        return _percent(self.solar_wh, self.energy_wh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A bill's numbers. Once issued it never changes.

    A credit note has negative amounts and names in ``corrects`` the bill that it takes back.
    ``locale`` is what it is printed in, ``verify_at`` where its hash may be looked up.
    """

    number: str
    issued_on: date
    currency: str
    tax_included: bool
    supplier: Party
    customer: Party
    sessions: tuple[BilledSession, ...]
    vat_lines: tuple[VatLine, ...]
    net: Decimal
    vat: Decimal
    total: Decimal
    rounding: str = "ROUND_HALF_UP"
    kind: BillKind = BillKind.BILL
    corrects: str | None = None
    locale: str = ""
    verify_at: str = ""
    due_on: date | None = None
    notes: tuple[str, ...] = ()
    payment_info: str = ""
    co2_g_per_kwh: Decimal | None = None
    co2_avoided_g: Decimal | None = None

    @property
    def solar_wh(self) -> Decimal:
        """Solar energy of all sessions."""
        return sum((session.solar_wh for session in self.sessions), Decimal(0))

    @property
    def grid_wh(self) -> Decimal:
        """Grid energy of all sessions."""
        return sum((session.grid_wh for session in self.sessions), Decimal(0))

    @property
    def energy_wh(self) -> Decimal:
        """Energy of all sessions."""
        return self.solar_wh + self.grid_wh

    @property
    def solar_percent(self) -> int | None:
        """The share of solar energy, None when there was no energy."""
        return _percent(self.solar_wh, self.energy_wh)


def _percent(part: Decimal, whole: Decimal) -> int | None:
    if not whole:
        return None
    return int((100 * part / whole).quantize(Decimal(1), rounding=ROUND_HALF_UP))


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRecord:
    """An issued bill and what has become of it since.

    ``user_id`` is whose it is, ``sha256`` the hash over its evidence; None for bills from before
    there was one. ``credited_by`` is the credit note that took it back, and
    ``credit_reason`` why; a credit note carries the reason itself.
    """

    bill: Bill
    user_id: str | None = None
    sha256: str | None = None
    paid_on: date | None = None
    payment_reference: str = ""
    credited_by: str | None = None
    credit_reason: str = ""

    @property
    def status(self) -> BillStatus:
        """Void once it was taken back, paid or not: what was paid is to be returned."""
        if self.credited_by is not None:
            return BillStatus.VOID
        return BillStatus.ISSUED if self.paid_on is None else BillStatus.PAID
