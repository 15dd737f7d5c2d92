"""How users are named on bills."""

from sqlalchemy import select

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import customers
from billing_service.services.ports import Customer


class CustomerRepository(Repository):
    """The ``Customers`` port."""

    async def get(self, user_id: str) -> Customer:
        """Return what was set for a user; nothing but their id when nothing was."""
        row = (
            await self._connection.execute(
                select(customers).where(customers.c.user_id == user_id)
            )
        ).first()
        if row is None:
            return Customer(user_id=user_id)
        return Customer(
            user_id=row.user_id,
            name=row.name,
            address=tuple(row.address),
            vat_id=row.vat_id,
            email=row.email,
            locale=row.locale,
        )

    async def save(self, customer: Customer) -> None:
        """Insert or replace."""
        values = {
            "name": customer.name,
            "address": list(customer.address),
            "vat_id": customer.vat_id,
            "email": customer.email,
            "locale": customer.locale,
        }
        statement = self._insert(customers).values(user_id=customer.user_id, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["user_id"], set_=values)
        )
