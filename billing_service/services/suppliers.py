"""Who issues bills."""

from dataclasses import asdict

from billing_service.domain.errors import InvalidInput, NotFound
from billing_service.services.audit import Actor, plain
from billing_service.services.issuing import Issuer
from billing_service.services.ports import (
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    Supplier,
)


class Suppliers:
    """Shows and sets what new bills say of who issues them. Issued bills stay as they are."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        issuer: Issuer,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._issuer = issuer

    async def get(self) -> Supplier:
        """Return what an admin has set, or the settings say. The caller has checked who asks."""
        async with self._open_read() as read:
            return await self._issuer.supplier(read)

    async def set(self, actor: Actor, new: Supplier) -> Supplier:
        """Set it whole. Raises InvalidInput. The caller has checked who asks."""
        if new.bill_series == new.credit_series:
            raise InvalidInput(("credit_series", "must differ from bill_series"))
        async with self._open_uow() as uow:
            before = await self._issuer.supplier(uow)
            await uow.supplier.save(new)
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="supplier.set",
                subject="supplier",
                before=plain(asdict(before)),
                after=plain(asdict(new)),
                address=actor.address,
            )
            await uow.commit()
        return new

    async def reset(self, actor: Actor) -> None:
        """Go back to the settings'. Raises NotFound. The caller has checked who asks."""
        async with self._open_uow() as uow:
            before = await uow.supplier.get()
            if before is None:
                raise NotFound("no supplier was set here; the settings' holds")
            await uow.supplier.delete()
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="supplier.reset",
                subject="supplier",
                before=plain(asdict(before)),
                after=plain(asdict(await self._issuer.supplier(uow))),
                address=actor.address,
            )
            await uow.commit()
