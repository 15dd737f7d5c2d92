"""Who issues bills."""

from sqlalchemy import delete, select

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import supplier
from billing_service.services.ports import Supplier

_ONLY = 1


class SupplierRepository(Repository):
    """The ``Suppliers`` port."""

    async def get(self) -> Supplier | None:
        """Return what an admin has set; None: nothing yet."""
        row = (await self._connection.execute(select(supplier))).first()
        if row is None:
            return None
        return Supplier(
            name=row.name,
            address=tuple(row.address),
            vat_id=row.vat_id,
            email=row.email,
            bill_series=row.bill_series,
            credit_series=row.credit_series,
            locale=row.locale,
            vat_note=row.vat_note,
            payment_days=row.payment_days,
            payment_info=row.payment_info,
        )

    async def save(self, new: Supplier) -> None:
        """Insert or replace."""
        values = {
            "name": new.name,
            "address": list(new.address),
            "vat_id": new.vat_id,
            "email": new.email,
            "bill_series": new.bill_series,
            "credit_series": new.credit_series,
            "locale": new.locale,
            "vat_note": new.vat_note,
            "payment_days": new.payment_days,
            "payment_info": new.payment_info,
        }
        await self._connection.execute(
            self._insert(supplier)
            .values(id=_ONLY, **values)
            .on_conflict_do_update(index_elements=["id"], set_=values)
        )

    async def delete(self) -> None:
        """Forget what an admin has set."""
        await self._connection.execute(delete(supplier))
