"""Bills, as they are issued."""

from datetime import date, datetime
from typing import Self

from pydantic import Field

from billing_service.api.schemas.base import Number, Out
from billing_service.domain.bill import Bill, BillKind, BillRecord, BillStatus
from billing_service.domain.cdr import Limit
from billing_service.domain.period import Source
from billing_service.domain.session import SessionFlag
from billing_service.domain.tariff import Dimension
from billing_service.services.billing import SessionBill


class PartyOut(Out):
    """Supplier or customer as printed."""

    name: str
    address: tuple[str, ...]
    vat_id: str | None
    email: str | None


class BillLineOut(Out):
    """One printed line."""

    dimension: Dimension
    source: Source | None
    quantity: Number
    unit: str
    unit_price: Number
    vat_percent: Number | None
    amount: Number
    description: str
    when: str
    limit: Limit | None


class VatLineOut(Out):
    """The sums of one VAT rate."""

    rate_percent: Number | None
    net: Number
    vat: Number
    gross: Number


class BilledSessionOut(Out):
    """The metering facts of a session, as printed."""

    session_id: str
    station_id: str
    station_name: str
    started_at: datetime
    ended_at: datetime
    time_zone: str
    solar_wh: Number
    grid_wh: Number
    meter_start_wh: Number | None
    meter_stop_wh: Number | None
    estimated_wh: Number
    tariff_id: str
    tariff_name: str
    tariff_version: int
    flags: list[SessionFlag]
    lines: list[BillLineOut]
    amount: Number


class BillOut(Out):
    """A bill. Its number is ``DRAFT`` until it is issued; then it never changes."""

    status: BillStatus
    kind: BillKind
    number: str
    corrects: str | None
    issued_on: date
    currency: str
    tax_included: bool
    supplier: PartyOut
    customer: PartyOut
    sessions: list[BilledSessionOut]
    energy_wh: Number
    solar_wh: Number
    grid_wh: Number
    solar_percent: int | None
    vat_lines: list[VatLineOut]
    net: Number
    vat: Number
    total: Number
    rounding: str
    locale: str
    due_on: date | None
    notes: tuple[str, ...]
    payment_info: str
    co2_g_per_kwh: Number | None
    co2_avoided_g: Number | None
    sha256: str | None = Field(
        description="of its evidence; None for a draft. GET /verify/{sha256} says what it proves"
    )
    paid_on: date | None
    payment_reference: str
    credited_by: str | None
    credit_reason: str

    @classmethod
    def of(cls, billed: SessionBill) -> Self:
        """Make it of a session's bill."""
        if billed.record is not None:
            return cls.of_record(billed.record)
        return cls.of_draft(billed.bill)

    @classmethod
    def of_draft(cls, bill: Bill) -> Self:
        """Make it of a bill that has not been issued."""
        return cls._of(bill, BillStatus.DRAFT, BillRecord(bill=bill))

    @classmethod
    def of_record(cls, record: BillRecord) -> Self:
        """Make it of an issued bill and what has become of it."""
        return cls._of(record.bill, record.status, record)

    @classmethod
    def _of(cls, bill: Bill, status: BillStatus, record: BillRecord) -> Self:
        return cls(
            status=status,
            paid_on=record.paid_on,
            payment_reference=record.payment_reference,
            credited_by=record.credited_by,
            credit_reason=record.credit_reason,
            kind=bill.kind,
            number=bill.number,
            corrects=bill.corrects,
            energy_wh=bill.energy_wh,
            solar_wh=bill.solar_wh,
            grid_wh=bill.grid_wh,
            solar_percent=bill.solar_percent,
            issued_on=bill.issued_on,
            currency=bill.currency,
            tax_included=bill.tax_included,
            supplier=PartyOut.model_validate(bill.supplier),
            customer=PartyOut.model_validate(bill.customer),
            sessions=[BilledSessionOut.model_validate(each) for each in bill.sessions],
            vat_lines=[VatLineOut.model_validate(each) for each in bill.vat_lines],
            net=bill.net,
            vat=bill.vat,
            total=bill.total,
            rounding=bill.rounding,
            locale=bill.locale,
            due_on=bill.due_on,
            notes=bill.notes,
            payment_info=bill.payment_info,
            co2_g_per_kwh=bill.co2_g_per_kwh,
            co2_avoided_g=bill.co2_avoided_g,
            sha256=record.sha256,
        )
