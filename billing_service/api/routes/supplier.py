"""Who issues bills."""

from http import HTTPStatus

from fastapi import APIRouter

from billing_service.api.deps import AdminActor, ServicesDep
from billing_service.api.schemas.billing import SupplierIn, SupplierOut

router = APIRouter(prefix="/supplier", tags=["bills"])


@router.get("")
async def get_supplier(_actor: AdminActor, services: ServicesDep) -> SupplierOut:
    """Return what new bills say of who issues them; the settings', until it is set here."""
    return SupplierOut.model_validate(await services.suppliers.get())


@router.put("")
async def set_supplier(
    actor: AdminActor, services: ServicesDep, body: SupplierIn
) -> SupplierOut:
    """Set what bills say from now on, whole; what is left out is empty. Issued bills stay.

    Another series begins to count at 1. From now on ``SOLARRALLY_SUPPLIER_…`` and the like are
    ignored, until ``DELETE``.
    """
    return SupplierOut.model_validate(
        await services.suppliers.set(actor, body.supplier())
    )


@router.delete("", status_code=HTTPStatus.NO_CONTENT)
async def reset_supplier(actor: AdminActor, services: ServicesDep) -> None:
    """Go back to the settings' supplier for new bills. Issued bills stay.

    Its series goes on counting where it was. 404 when none was set.
    """
    await services.suppliers.reset(actor)
