"""Billed sessions that readings came late for: an admin decides."""

from typing import Annotated

from fastapi import APIRouter, Path

from billing_service import patterns
from billing_service.api.deps import AdminActor, Limit, Offset, ServicesDep
from billing_service.api.schemas.billing import (
    CorrectionDetailOut,
    CorrectionOut,
    CorrectionPage,
    DismissIn,
)
from billing_service.domain.correction import CorrectionStatus

router = APIRouter(prefix="/corrections", tags=["bills"])

CorrectionId = Annotated[str, Path(pattern=patterns.ID)]


@router.get("/")
async def list_corrections(
    _actor: AdminActor,
    services: ServicesDep,
    status: CorrectionStatus | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> CorrectionPage:
    """Return one page of corrections, newest first."""
    page = await services.corrections.page(status, limit=limit, offset=offset)
    return CorrectionPage(
        items=[CorrectionOut.model_validate(each) for each in page.items],
        total=page.total,
        limit=limit,
        offset=offset,
    )


@router.get("/{correction_id}")
async def get_correction(
    actor: AdminActor, services: ServicesDep, correction_id: CorrectionId
) -> CorrectionDetailOut:
    """Return a correction with the bill as it is, and as it would be, or is, after it."""
    return CorrectionDetailOut.of(await services.corrections.get(actor, correction_id))


@router.post("/{correction_id}/confirm")
async def confirm_correction(
    actor: AdminActor, services: ServicesDep, correction_id: CorrectionId
) -> CorrectionDetailOut:
    """Take the bill back by a credit note and issue a new one with what came late.

    409 ``conflict`` when it was decided on already.
    """
    return CorrectionDetailOut.of(
        await services.corrections.confirm(actor, correction_id)
    )


@router.post("/{correction_id}/dismiss")
async def dismiss_correction(
    actor: AdminActor,
    services: ServicesDep,
    correction_id: CorrectionId,
    body: DismissIn,
) -> CorrectionDetailOut:
    """Let the bill stand, for a reason. 409 ``conflict`` when it was decided on already."""
    return CorrectionDetailOut.of(
        await services.corrections.dismiss(actor, correction_id, reason=body.reason)
    )
