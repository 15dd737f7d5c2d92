"""People who sign in."""

import unicodedata
from typing import Any

from sqlalchemy import Row, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import (
    audit_personal,
    charging_tokens,
    customers,
    grants,
    service_tokens,
    session_events,
    sessions,
    station_claims,
    station_users,
    users,
)
from billing_service.domain.errors import Conflict
from billing_service.services.ports import NO_PASSWORD, Role, User

ERASED = (
    audit_personal,
    charging_tokens,
    customers,
    grants,
    service_tokens,
    station_claims,
    station_users,
)
"""Tables whose rows go with the person whose they are."""

_STILL_HERE = users.c.password_hash != NO_PASSWORD


class UserRepository(Repository):
    """The ``Users`` port."""

    async def by_name(self, name: str) -> User | None:
        """Return one, whatever the case of the name."""
        if "\x00" in name:
            return None  # no name has it, and PostgreSQL refuses to look for it
        return await self._one(users.c.name_key == name_key(name))

    async def get(self, user_id: str) -> User | None:
        """Return one."""
        return await self._one(users.c.id == user_id)

    async def add(self, user: User) -> None:
        """Store a new one. Raises Conflict when the name is taken."""
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(insert(users).values(_row(user)))
        except IntegrityError as error:
            raise Conflict(f"there is a user {user.name} already") from error

    async def save(self, user: User) -> None:
        """Replace. Raises Conflict when the name is another's."""
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(
                    update(users).where(users.c.id == user.id).values(_row(user))
                )
        except IntegrityError as error:
            raise Conflict(f"there is a user {user.name} already") from error

    async def all(self) -> list[User]:
        """Return all, by name."""
        result = await self._connection.execute(
            select(users).where(_STILL_HERE).order_by(users.c.name_key)
        )
        return [_user(row) for row in result]

    async def erase_traces(self, user_id: str) -> None:
        """Forget a user's tokens, sign-ins, claims, and what links them to unbilled sessions."""
        run = self._connection.execute
        uids = select(charging_tokens.c.uid).where(charging_tokens.c.user_id == user_id)
        for table in (sessions, session_events):
            await run(
                update(table)
                .where(func.upper(table.c.token).in_(uids))
                .values(token=None)
            )
        await run(
            update(sessions).where(sessions.c.user_id == user_id).values(token=None)
        )
        await run(
            update(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.bill_id.is_(None))
            .values(user_id=None)
        )
        for mine in ERASED:
            await run(delete(mine).where(mine.c.user_id == user_id))

    async def any_admin(self) -> bool:
        """Return whether an active admin exists."""
        found = await self._connection.scalar(
            select(exists().where(users.c.role == Role.ADMIN.value, users.c.active))
        )
        return bool(found)

    async def _one(self, where: Any) -> User | None:
        row = (
            await self._connection.execute(select(users).where(where, _STILL_HERE))
        ).first()
        return None if row is None else _user(row)


def name_key(name: str) -> str:
    """Return a name as it is compared: compatible forms and case folded."""
    return unicodedata.normalize("NFKC", name).casefold()


def _row(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "name_key": name_key(user.name),
        "role": user.role.value,
        "password_hash": user.password_hash,
        "full_name": user.full_name,
        "email": user.email,
        "address": list(user.address),
        "active": user.active,
        "tokens_valid_from": user.tokens_valid_from,
        "group_name": user.group,
    }


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        password_hash=row.password_hash,
        full_name=row.full_name,
        email=row.email,
        address=tuple(row.address),
        active=row.active,
        tokens_valid_from=row.tokens_valid_from,
        group=row.group_name,
    )
