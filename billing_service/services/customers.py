"""How users are named on their bills."""

from dataclasses import asdict

from billing_service.domain.errors import NotFound
from billing_service.services.audit import Actor, plain
from billing_service.services.ports import (
    Clock,
    Customer,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
)


class Customers:
    """Shows and sets what bills say of a user. Issued bills stay as they are."""

    def __init__(
        self, open_uow: OpenUnitOfWork, open_read: OpenReadUnitOfWork, clock: Clock
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock

    async def get(self, user_id: str) -> Customer:
        """Return what was set for a user. Raises NotFound. The caller has checked who asks."""
        async with self._open_read() as read:
            if await read.users.get(user_id) is None:
                raise NotFound(f"there is no user {user_id}")
            return await read.customers.get(user_id)

    async def set(self, actor: Actor, customer: Customer) -> Customer:
        """Set it whole. Raises NotFound. The caller has checked who asks."""
        async with self._open_uow() as uow:
            if await uow.users.get(customer.user_id) is None:
                raise NotFound(f"there is no user {customer.user_id}")
            before = await uow.customers.get(customer.user_id)
            await uow.customers.save(customer)
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="customer.set",
                subject=f"user:{customer.user_id}",
                before=plain(asdict(before)),
                after=plain(asdict(customer)),
                address=actor.address,
            )
            await uow.commit()
        return customer
