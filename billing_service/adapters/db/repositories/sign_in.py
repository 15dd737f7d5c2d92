"""Attempts to sign in, counted across processes."""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import sign_in_attempts
from billing_service.services.ports import Attempts

_LOCKS = 0x516E_1205
"""Any number: keeps these locks apart from others by name."""


class SignInRepository(Repository):
    """The ``SignIns`` port."""

    async def attempts(
        self, *, account: str, address: str, since: datetime
    ) -> tuple[Attempts, Attempts]:
        """Return the attempts since then on the account, and from the address.

        Until the transaction ends no other process counts them: many at once would all see room.
        """
        if self._connection.dialect.name == "postgresql":
            for what in ("account:" + account, "address:" + address):
                await self._connection.execute(
                    select(
                        func.pg_advisory_xact_lock(func.hashtextextended(what, _LOCKS))
                    )
                )
        return (
            await self._count(sign_in_attempts.c.account == account, since),
            await self._count(sign_in_attempts.c.address == address, since),
        )

    async def add(self, *, account: str, address: str, at: datetime) -> None:
        """Count one."""
        await self._connection.execute(
            insert(sign_in_attempts).values(account=account, address=address, at=at)
        )

    async def forgive(self, *, account: str, address: str) -> None:
        """Forget the account's attempts from the address: its owner has signed in."""
        await self._connection.execute(
            delete(sign_in_attempts).where(
                sign_in_attempts.c.account == account,
                sign_in_attempts.c.address == address,
            )
        )

    async def purge(self, before: datetime) -> None:
        """Forget what is too old to count."""
        await self._connection.execute(
            delete(sign_in_attempts).where(sign_in_attempts.c.at < before)
        )

    async def _count(self, where: ColumnElement[bool], since: datetime) -> Attempts:
        result = await self._connection.execute(
            select(func.count(), func.min(sign_in_attempts.c.at)).where(
                where, sign_in_attempts.c.at >= since
            )
        )
        number, oldest = result.one()
        return Attempts(number, oldest)
