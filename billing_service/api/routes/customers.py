"""What bills say of a user, where it differs from how they are known here."""

from fastapi import APIRouter

from billing_service.api.deps import AdminActor, CurrentActor, ServicesDep, UserId
from billing_service.api.schemas.billing import CustomerIn, CustomerOut

router = APIRouter(prefix="/customers", tags=["bills"])


@router.get("/me")
async def get_own_customer(actor: CurrentActor, services: ServicesDep) -> CustomerOut:
    """Return what one's own bills say; what is empty is taken from one's profile."""
    return CustomerOut.model_validate(await services.customers.get(actor.user_id))


@router.put("/me")
async def set_own_customer(
    actor: CurrentActor, services: ServicesDep, body: CustomerIn
) -> CustomerOut:
    """Set what one's own bills say from now on: a company, its VAT ID, the language."""
    return CustomerOut.model_validate(
        await services.customers.set(actor, body.customer(actor.user_id))
    )


@router.get("/{user_id}")
async def get_customer(
    _actor: AdminActor, services: ServicesDep, user_id: UserId
) -> CustomerOut:
    """Return what a user's bills say."""
    return CustomerOut.model_validate(await services.customers.get(user_id))


@router.put("/{user_id}")
async def set_customer(
    actor: AdminActor, services: ServicesDep, user_id: UserId, body: CustomerIn
) -> CustomerOut:
    """Set what a user's bills say from now on."""
    return CustomerOut.model_validate(
        await services.customers.set(actor, body.customer(user_id))
    )
