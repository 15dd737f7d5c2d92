"""Issued bills and credit notes, by number."""

from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse

from billing_service import patterns
from billing_service.api.deps import (
    AdminActor,
    CurrentActor,
    IdFilter,
    Limit,
    Offset,
    ServicesDep,
)
from billing_service.api.documents import PDF, Accept, Format, pdf, wants_pdf
from billing_service.api.schemas.billing import (
    BillPage,
    CreditIn,
    MonthIn,
    MonthOut,
    PaidIn,
)
from billing_service.api.schemas.bills import BillOut
from billing_service.domain.bill import BillKind, BillStatus
from billing_service.services.ports import BillQuery

router = APIRouter(prefix="/bills", tags=["bills"])

Number = Annotated[str, Path(pattern=patterns.BILL_NUMBER)]
Month = Annotated[
    str,
    Path(pattern=patterns.MONTH, description="as in 2026-11"),
]


@router.get("/")
async def list_bills(
    actor: CurrentActor,
    services: ServicesDep,
    kind: BillKind | None = None,
    status: BillStatus | None = None,
    user_id: IdFilter = None,
    issued_from: date | None = None,
    issued_to: date | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> BillPage:
    """Return one page of one's bills and credit notes, newest first; an admin's are everyone's.

    ``issued_to`` is included.
    """
    page = await services.bills.page(
        BillQuery(
            kind=kind,
            status=status,
            user_id=user_id,
            issued_from=issued_from,
            issued_to=issued_to,
            limit=limit,
            offset=offset,
        ),
        actor.viewer,
    )
    return BillPage(
        items=[BillOut.of_record(record) for record in page.items],
        total=page.total,
        limit=limit,
        offset=offset,
    )


@router.get("/months/{month}")
async def draft_month(
    actor: CurrentActor, services: ServicesDep, month: Month, user_id: IdFilter = None
) -> MonthOut:
    """Return what a month's bills would say today: one's own, an admin's are everyone's."""
    drafts = await services.months.drafts(_first(month), actor.viewer, user_id)
    return MonthOut.of_drafts(month, drafts)


@router.post("/months/{month}")
async def issue_month(
    actor: AdminActor, services: ServicesDep, month: Month, body: MonthIn
) -> MonthOut:
    """Issue one bill for each driver over the month's sessions that have none.

    It may be repeated: what is billed already is left alone, and ``bills`` are those issued now.
    409 ``conflict`` while the month lasts.
    """
    issued = await services.months.issue(actor, _first(month), body.user_id)
    return MonthOut.of_issued(month, issued)


@router.get(
    "/{number}",
    response_model=BillOut,
    responses={200: {"content": {PDF: {}}}},
)
async def get_numbered_bill(
    actor: CurrentActor,
    services: ServicesDep,
    number: Number,
    as_: Format = None,
    accept: Accept = "*/*",
) -> Response:
    """Return a bill or credit note as JSON, or as PDF by ``Accept`` or ``?format=pdf``."""
    if wants_pdf(as_, accept):
        return pdf(*await services.bills.pdf(number, actor.viewer))
    record = await services.bills.get(number, actor.viewer)
    return JSONResponse(BillOut.of_record(record).model_dump(mode="json"))


@router.post("/{number}/paid")
async def pay_bill(
    actor: AdminActor, services: ServicesDep, number: Number, body: PaidIn
) -> BillOut:
    """Note that a bill was paid in full. 409 ``conflict`` when it is paid or void already."""
    return BillOut.of_record(
        await services.bills.pay(
            actor, number, paid_on=body.paid_on, reference=body.reference
        )
    )


@router.post("/{number}/credit", status_code=HTTPStatus.CREATED)
async def credit_bill(
    actor: AdminActor, services: ServicesDep, number: Number, body: CreditIn
) -> BillOut:
    """Take a bill back: return its credit note. Its sessions can be billed anew.

    409 ``conflict`` when it was taken back already, or is a credit note itself.
    """
    return BillOut.of_record(
        await services.bills.credit(actor, number, reason=body.reason)
    )


def _first(month: str) -> date:
    return date.fromisoformat(f"{month}-01")
