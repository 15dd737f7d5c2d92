"""What goes over the wire as JSON. Money and energies are decimal strings, times are UTC."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
)

from billing_service import patterns
from billing_service.domain.bill import Bill, BillKind, BillRecord, BillStatus
from billing_service.domain.cdr import Cdr, Limit
from billing_service.domain.frame import Frame
from billing_service.domain.period import Source
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.domain.tariff import Dimension
from billing_service.domain.timeline import wh
from billing_service.services.billing import SessionBill
from billing_service.services.ports import Role, ServiceToken
from billing_service.services.sessions import SessionDetail

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


# -- people ----------------------------------------------------------------------------------------


class TokenOut(Out):
    """An access token (RFC 6749, 5.1), and what the next one is asked for with, once."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 -- its kind, not its value
    expires_in: int = Field(description="seconds")
    refresh_token: str


class SignInOut(Out):
    """Where a user is signed in."""

    id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str
    client: str
    current: bool = Field(description="this is the one that asks")


class ServiceTokenIn(In):
    """A new service token; without ``expires_at`` it holds until it is revoked."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=patterns.LINE)]
    scopes: Annotated[list[str], Field(min_length=1, max_length=20)]
    expires_at: AwareDatetime | None = None


class ServiceTokenOut(Out):
    """A service token, without its secret."""

    id: str
    user_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def fields(cls, token: ServiceToken) -> dict[str, Any]:
        """Return what is shown of a token."""
        return {
            "id": token.id,
            "user_id": token.user_id,
            "name": token.name,
            "scopes": sorted(token.scopes),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
        }


class NewServiceTokenOut(ServiceTokenOut):
    """A service token that was just made: the only time that its secret is shown."""

    token: str


class UserOut(Out):
    """A user, without what only the service may know."""

    id: str
    name: str
    role: Role
    full_name: str
    email: str | None
    address: tuple[str, ...]
    active: bool
    group: str | None


class _ProfileIn(In):
    full_name: Line | None = None
    email: Annotated[str, Field(max_length=255)] | None = None
    address: Annotated[list[Line], Field(max_length=6)] | None = None


class ProfileIn(_ProfileIn):
    """What users change of themselves; what is left out stays."""


class UserIn(In):
    """A new user."""

    name: Annotated[str, Field(max_length=64)]
    role: Role = Role.USER
    password: SecretStr
    full_name: Line = ""
    email: Annotated[str, Field(max_length=255)] | None = None
    address: Annotated[list[Line], Field(max_length=6)] = []
    group: Group | None = None


class UserPatch(_ProfileIn):
    """What an admin changes of a user; what is left out stays. ``group`` null: in none."""

    role: Role | None = None
    active: bool | None = None
    group: Group | None = None


class PasswordIn(In):
    """A new password."""

    password: SecretStr


class OwnPasswordIn(In):
    """A new password, by who knows the current one."""

    current_password: SecretStr
    password: SecretStr


# -- tariffs ---------------------------------------------------------------------------------------


class WarningOut(Out):
    """What may be meant but is often a mistake."""

    path: str
    message: str


class TariffSetOut(Out):
    """A stored tariff as OCPI JSON."""

    tariff: dict[str, Any]
    new: bool
    warnings: list[WarningOut]


# -- sessions --------------------------------------------------------------------------------------


class TariffRef(Out):
    """The version of a tariff that was frozen into a session."""

    id: str
    version: int
    name: str


class SessionOut(Out):
    """A charging session. Energies in Wh; ``energy_wh`` is what is billed."""

    id: str
    station_id: str
    station_session: str
    user_id: str | None
    status: SessionStatus
    started_at: datetime
    ended_at: datetime | None
    last_frame_at: datetime | None
    frames: int
    energy_wh: Number
    solar_wh: Number
    grid_wh: Number
    integrated_wh: Number
    estimated_wh: Number
    meter_start_wh: Number | None
    meter_stop_wh: Number | None
    flags: list[SessionFlag]
    end_reason: str | None
    token: str | None
    tariff: TariffRef | None
    bill_number: str | None

    @classmethod
    def of(cls, session: Session) -> Self:
        """Make it of a session."""
        return cls(**_session_fields(session))


class SessionPage(Out):
    """One page, and how many sessions there are in all."""

    items: list[SessionOut]
    total: int
    limit: int
    offset: int


class PeriodOut(Out):
    """Part of a session in which source and price do not change."""

    started_at: datetime
    ended_at: datetime
    source: Source
    charging: bool
    energy_wh: Number
    estimated: bool


class CostLineOut(Out):
    """What one price component costs, and why."""

    dimension: Dimension
    element: int | None
    started_at: datetime
    ended_at: datetime
    source: Source | None
    quantity: Number
    price: Number
    vat_percent: Number | None
    excl_vat: Number
    incl_vat: Number
    reason: str


class CostOut(Out):
    """A session's cost at full precision; a bill rounds each of its lines."""

    currency: str
    excl_vat: Number
    incl_vat: Number
    lines: list[CostLineOut]

    @classmethod
    def of(cls, cdr: Cdr) -> Self:
        """Make it of a rated session."""
        return cls(
            currency=cdr.currency,
            excl_vat=cdr.total_cost.excl_vat,
            incl_vat=cdr.total_cost.incl_vat,
            lines=[
                CostLineOut(
                    dimension=line.dimension,
                    element=line.element,
                    started_at=line.started_at,
                    ended_at=line.ended_at,
                    source=line.source,
                    quantity=line.quantity,
                    price=line.price,
                    vat_percent=line.vat,
                    excl_vat=line.cost.excl_vat,
                    incl_vat=line.cost.incl_vat,
                    reason=line.reason,
                )
                for line in cdr.lines
            ],
        )


class SessionDetailOut(SessionOut):
    """A session with its periods and its cost so far; ``cost`` is null while none can be said."""

    time_zone: str
    periods: list[PeriodOut]
    cost: CostOut | None

    @classmethod
    def of_detail(cls, detail: SessionDetail) -> Self:
        """Make it of a session and what goes with it."""
        return cls(
            **_session_fields(detail.session),
            time_zone=detail.time_zone,
            periods=[PeriodOut.model_validate(period) for period in detail.periods],
            cost=None if detail.cost is None else CostOut.of(detail.cost),
        )


class StartIn(In):
    """Where to start a charge."""

    station_id: Annotated[str, Field(pattern=patterns.STATION_ID)]


class StartingOut(Out):
    """The station agreed; its session has not appeared yet."""

    station_id: str
    status: Literal["PENDING"] = "PENDING"


class SessionIn(In):
    """What to change of a session; what is left out stays.

    ``charging`` starts or stops the flow of power. For admins: ``user_id`` assigns the driver
    (null: nobody), ``status`` COMPLETED ends a session whose station fell silent.
    """

    charging: bool | None = None
    user_id: Annotated[str, Field(max_length=64)] | None = None
    status: Literal["COMPLETED"] | None = None


class FrameOut(Out):
    """One reading. V, A, W, Wh."""

    at: datetime
    voltage_v: Number
    current_a: Number
    power_w: Number
    register_wh: Number | None
    source: Source
    pilot: str | None

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """Make it of a frame."""
        return cls(
            at=frame.at,
            voltage_v=wh(frame.voltage_mv),
            current_a=wh(frame.current_ma),
            power_w=wh(frame.power_mw),
            register_wh=None if frame.register_mwh is None else wh(frame.register_mwh),
            source=frame.source,
            pilot=frame.pilot,
        )


class RunningCostOut(Out):
    """What a running session has cost so far."""

    currency: str
    excl_vat: Number
    incl_vat: Number

    @classmethod
    def of(cls, cdr: Cdr) -> Self:
        """Make it of what has been rated."""
        return cls(
            currency=cdr.currency,
            excl_vat=cdr.total_cost.excl_vat,
            incl_vat=cdr.total_cost.incl_vat,
        )


class LiveOut(Out):
    """One message of ``/live/{session_id}``; the first has no frame."""

    session: SessionOut
    frame: FrameOut | None
    cost: RunningCostOut | None


# -- bills -----------------------------------------------------------------------------------------


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


# -- messages that broke the contract --------------------------------------------------------------


class RejectedOut(Out):
    """A message that broke the contract. ``payload`` may be cut, and shows bytes as text."""

    received_at: datetime
    topic: str
    reason: str
    message: str
    payload: str


class RejectedPage(Out):
    """One page, newest first, and how many are kept by reason."""

    items: list[RejectedOut]
    counts: dict[str, int]
    total: int
    limit: int
    offset: int


# -- audit log -------------------------------------------------------------------------------------


class AuditEntryOut(Out):
    """Who did what to what, when and from where, and how it was before and after."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str | None


class AuditPage(Out):
    """One page, newest first, and how many entries there are in all."""

    items: list[AuditEntryOut]
    total: int
    limit: int
    offset: int


# -- health ----------------------------------------------------------------------------------------


class HealthOut(Out):
    """Whether the process lives."""

    status: Literal["ok"] = "ok"


class ReadyOut(Out):
    """Whether the service can do its work, part by part: ``ok``, or what is wrong."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str]


def _session_fields(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "station_id": session.station_id,
        "station_session": session.station_session,
        "user_id": session.user_id,
        "status": session.status,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "last_frame_at": session.last_frame_at,
        "frames": session.frames,
        "energy_wh": session.energy_wh,
        "solar_wh": session.solar_wh,
        "grid_wh": session.grid_wh,
        "integrated_wh": session.integrated_wh,
        "estimated_wh": session.estimated_wh,
        "meter_start_wh": session.meter_start_wh,
        "meter_stop_wh": session.meter_stop_wh,
        "flags": sorted(session.flags),
        "end_reason": session.end_reason,
        "token": session.token,
        "tariff": session.tariff and TariffRef.model_validate(session.tariff),
        "bill_number": session.bill_id,
    }
