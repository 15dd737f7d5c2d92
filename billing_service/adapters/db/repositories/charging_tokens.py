"""Tokens that people start charges with."""

from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import charging_tokens, users
from billing_service.domain.errors import Conflict, NotFound
from billing_service.services.ports import ChargingToken, TokenType


class ChargingTokenRepository(Repository):
    """The ``ChargingTokens`` port. Uids are stored in upper case (OCPI CiString)."""

    async def all(self) -> list[ChargingToken]:
        """Return all, by uid."""
        result = await self._connection.execute(
            select(charging_tokens).order_by(charging_tokens.c.uid)
        )
        return [_token(row) for row in result]

    async def get(self, uid: str) -> ChargingToken:
        """Return one, whatever its case. Raises NotFound."""
        result = await self._connection.execute(
            select(charging_tokens).where(charging_tokens.c.uid == uid.upper())
        )
        row = result.first()
        if row is None:
            raise NotFound(f"there is no token {uid}")
        return _token(row)

    async def user_of(self, uid: str) -> str | None:
        """Return the active user of a valid token, None for any other."""
        if "\x00" in uid:
            return None  # no token has it, and PostgreSQL refuses to look for it
        found: str | None = await self._connection.scalar(
            select(charging_tokens.c.user_id)
            .join(users, users.c.id == charging_tokens.c.user_id)
            .where(
                charging_tokens.c.uid == uid.upper(),
                charging_tokens.c.valid,
                users.c.active,
            )
        )
        return found

    async def add(self, token: ChargingToken) -> None:
        """Store a new one. Raises Conflict when there is one with its uid."""
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(
                    insert(charging_tokens).values(_row(token))
                )
        except IntegrityError as error:
            raise Conflict(f"There is a token {token.uid} already.") from error

    async def save(self, token: ChargingToken) -> None:
        """Replace."""
        await self._connection.execute(
            update(charging_tokens)
            .where(charging_tokens.c.uid == token.uid)
            .values(_row(token))
        )

    async def delete(self, uid: str) -> None:
        """Remove; sessions keep their drivers."""
        await self._connection.execute(
            delete(charging_tokens).where(charging_tokens.c.uid == uid)
        )


def _row(token: ChargingToken) -> dict[str, Any]:
    return {
        "uid": token.uid,
        "type": token.type.value,
        "user_id": token.user_id,
        "visual_number": token.visual_number,
        "valid": token.valid,
        "last_updated": token.last_updated,
    }


def _token(row: Row[Any]) -> ChargingToken:
    return ChargingToken(
        uid=row.uid,
        type=TokenType(row.type),
        user_id=row.user_id,
        visual_number=row.visual_number,
        valid=row.valid,
        last_updated=row.last_updated,
    )
