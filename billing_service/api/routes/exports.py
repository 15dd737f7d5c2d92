"""Everything one may see, in one file: sessions, bills, OCPI CDRs."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime

from billing_service.api.deps import CurrentActor, ServicesDep
from billing_service.api.exporting import CSV, Cell, as_csv, as_json
from billing_service.api.schemas.bills import BillOut
from billing_service.api.schemas.sessions import SessionOut
from billing_service.domain.bill import BillRecord
from billing_service.domain.session import Session

router = APIRouter(prefix="/exports")

FileFormat = Annotated[Literal["json", "csv"], Query(alias="format")]

_SESSION_COLUMNS = (
    *("id", "station_id", "user_id", "status", "started_at", "ended_at"),
    *("energy_kwh", "solar_kwh", "grid_kwh", "estimated_kwh"),
    *("meter_start_kwh", "meter_stop_kwh", "flags", "tariff_id", "tariff_version"),
    *("token", "bill_number"),
)
_BILL_COLUMNS = (
    *("number", "kind", "status", "issued_on", "due_on", "corrects", "customer"),
    *("user_id", "sessions", "energy_kwh", "solar_kwh", "grid_kwh", "currency"),
    *("net", "vat", "total", "paid_on", "payment_reference", "credited_by"),
    *("credit_reason", "sha256"),
)


@router.get("/sessions", tags=["sessions"], responses={200: {"content": {CSV: {}}}})
async def export_sessions(
    actor: CurrentActor,
    services: ServicesDep,
    format_: FileFormat = "json",
    started_from: AwareDatetime | None = None,
    started_to: AwareDatetime | None = None,
) -> Response:
    """Return one's sessions, oldest first, as JSON or CSV; an admin's are everyone's.

    ``started_to`` is excluded.
    """
    found = services.exports.sessions(
        actor.viewer, started_from=started_from, started_to=started_to
    )
    if format_ == "csv":
        return await as_csv(found, _SESSION_COLUMNS, _session_row, "sessions")
    return await as_json(
        found, lambda each: SessionOut.of(each).model_dump(mode="json"), "sessions"
    )


@router.get("/bills", tags=["bills"], responses={200: {"content": {CSV: {}}}})
async def export_bills(
    actor: CurrentActor,
    services: ServicesDep,
    format_: FileFormat = "json",
    issued_from: date | None = None,
    issued_to: date | None = None,
) -> Response:
    """Return one's bills and credit notes, oldest first, as JSON or CSV.

    An admin's are everyone's. ``issued_to`` is included.
    """
    found = services.exports.bills(
        actor.viewer, issued_from=issued_from, issued_to=issued_to
    )
    if format_ == "csv":
        return await as_csv(found, _BILL_COLUMNS, _bill_row, "bills")
    return await as_json(
        found, lambda each: BillOut.of_record(each).model_dump(mode="json"), "bills"
    )


@router.get("/cdrs", tags=["bills"])
async def export_cdrs(
    actor: CurrentActor,
    services: ServicesDep,
    issued_from: date | None = None,
    issued_to: date | None = None,
) -> Response:
    """Return the OCPI 2.2.1 CDRs of one's bills and credit notes, oldest first.

    An admin's are everyone's. ``issued_to`` is included.
    """
    found = services.exports.cdrs(
        actor.viewer, issued_from=issued_from, issued_to=issued_to
    )
    return await as_json(found, services.export_cdr, "cdrs")


def _session_row(session: Session) -> tuple[Cell, ...]:
    tariff = session.tariff
    return (
        session.id,
        session.station_id,
        session.user_id,
        session.status.value,
        session.started_at,
        session.ended_at,
        session.energy_wh.scaleb(-3),
        session.solar_wh.scaleb(-3),
        session.grid_wh.scaleb(-3),
        session.estimated_wh.scaleb(-3),
        None if session.meter_start_wh is None else session.meter_start_wh.scaleb(-3),
        None if session.meter_stop_wh is None else session.meter_stop_wh.scaleb(-3),
        " ".join(sorted(session.flags)),
        None if tariff is None else tariff.id,
        None if tariff is None else tariff.version,
        session.token,
        session.bill_id,
    )


def _bill_row(record: BillRecord) -> tuple[Cell, ...]:
    bill = record.bill
    return (
        bill.number,
        bill.kind.value,
        record.status.value,
        bill.issued_on,
        bill.due_on,
        bill.corrects,
        bill.customer.name,
        record.user_id,
        len(bill.sessions),
        bill.energy_wh.scaleb(-3),
        bill.solar_wh.scaleb(-3),
        bill.grid_wh.scaleb(-3),
        bill.currency,
        bill.net,
        bill.vat,
        bill.total,
        record.paid_on,
        record.payment_reference,
        record.credited_by,
        record.credit_reason,
        record.sha256,
    )
