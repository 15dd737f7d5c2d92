"""Sessions, their periods and cost, and what is told of them live."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from billing_service import patterns
from billing_service.api.schemas.base import In, Number, Out
from billing_service.api.schemas.tariffs import TariffRef
from billing_service.domain.cdr import Cdr
from billing_service.domain.frame import Frame
from billing_service.domain.period import Source
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.domain.tariff import Dimension
from billing_service.domain.timeline import wh
from billing_service.services.sessions import SessionDetail


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
