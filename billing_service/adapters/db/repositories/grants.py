"""Who is signed in where, and the tokens of programs. Tokens are kept as digests only."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, insert, or_, select, update

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import grants, refresh_tokens, service_tokens
from billing_service.domain.errors import NotFound
from billing_service.services.ports import Grant, RefreshToken, ServiceToken, Viewer


class GrantRepository(Repository):
    """The ``Grants`` port."""

    async def get(self, grant_id: str) -> Grant | None:
        """Return one."""
        return await self._one(select(grants).where(grants.c.id == grant_id))

    async def hold(self, grant_id: str) -> Grant | None:
        """Return one, and let nobody else change it until the transaction ends."""
        return await self._one(
            select(grants).where(grants.c.id == grant_id).with_for_update()
        )

    async def of_user(self, user_id: str) -> list[Grant]:
        """Return a user's grants that were not ended, the last used first."""
        result = await self._connection.execute(
            select(grants)
            .where(grants.c.user_id == user_id, grants.c.revoked_at.is_(None))
            .order_by(grants.c.last_used_at.desc(), grants.c.id)
        )
        return [_grant(row) for row in result]

    async def save(self, grant: Grant) -> None:
        """Insert or replace."""
        row = {
            "id": grant.id,
            "user_id": grant.user_id,
            "created_at": grant.created_at,
            "expires_at": grant.expires_at,
            "last_used_at": grant.last_used_at,
            "address": grant.address,
            "client": grant.client,
            "revoked_at": grant.revoked_at,
        }
        await self._connection.execute(
            self._insert(grants)
            .values(row)
            .on_conflict_do_update(index_elements=["id"], set_=row)
        )

    async def by_token(self, digest: str) -> RefreshToken | None:
        """Return a refresh token."""
        return await self._token(
            select(refresh_tokens).where(refresh_tokens.c.digest == digest)
        )

    async def newest_token(self, grant_id: str) -> RefreshToken | None:
        """Return the last one given out for a grant."""
        return await self._token(
            select(refresh_tokens)
            .where(refresh_tokens.c.grant_id == grant_id)
            .order_by(refresh_tokens.c.id.desc())
            .limit(1)
        )

    async def save_token(self, token: RefreshToken) -> None:
        """Insert or replace."""
        row = {
            "digest": token.digest,
            "grant_id": token.grant_id,
            "issued_at": token.issued_at,
            "expires_at": token.expires_at,
            "used_at": token.used_at,
            "replaces": token.replaces,
        }
        await self._connection.execute(
            self._insert(refresh_tokens)
            .values(row)
            .on_conflict_do_update(index_elements=["digest"], set_=row)
        )

    async def revoke(
        self, at: datetime, *, user_id: str | None = None, grant_id: str | None = None
    ) -> int:
        """End one grant, or all of a user; return how many held."""
        which = grants.c.id == grant_id if grant_id else grants.c.user_id == user_id
        result = await self._connection.execute(
            update(grants)
            .where(which, grants.c.revoked_at.is_(None))
            .values(revoked_at=at)
        )
        return result.rowcount

    async def purge(self, before: datetime) -> None:
        """Forget grants that expired or were ended before; their tokens go with them."""
        await self._connection.execute(
            delete(grants).where(
                or_(grants.c.expires_at < before, grants.c.revoked_at < before)
            )
        )

    async def _one(self, query: Select[Any]) -> Grant | None:
        row = (await self._connection.execute(query)).first()
        return None if row is None else _grant(row)

    async def _token(self, query: Select[Any]) -> RefreshToken | None:
        row = (await self._connection.execute(query)).first()
        if row is None:
            return None
        return RefreshToken(
            digest=row.digest,
            grant_id=row.grant_id,
            issued_at=row.issued_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
            replaces=row.replaces,
        )


class ServiceTokenRepository(Repository):
    """The ``ServiceTokens`` port."""

    async def by_digest(self, digest: str) -> ServiceToken | None:
        """Return one."""
        result = await self._connection.execute(
            select(service_tokens).where(service_tokens.c.digest == digest)
        )
        row = result.first()
        return None if row is None else _service_token(row)

    async def visible(self, viewer: Viewer) -> list[ServiceToken]:
        """Return the viewer's own, an admin's are all; the newest first."""
        result = await self._connection.execute(
            _visible(select(service_tokens), viewer).order_by(
                service_tokens.c.created_at.desc(), service_tokens.c.id
            )
        )
        return [_service_token(row) for row in result]

    async def one(self, token_id: str, viewer: Viewer) -> ServiceToken:
        """Return one. Raises NotFound, also for another's."""
        result = await self._connection.execute(
            _visible(select(service_tokens), viewer).where(
                service_tokens.c.id == token_id
            )
        )
        row = result.first()
        if row is None:
            raise NotFound(f"there is no service token {token_id}")
        return _service_token(row)

    async def add(self, token: ServiceToken) -> None:
        """Store a new one."""
        await self._connection.execute(
            insert(service_tokens).values(
                id=token.id,
                user_id=token.user_id,
                name=token.name,
                digest=token.digest,
                scopes=sorted(token.scopes),
                created_at=token.created_at,
                expires_at=token.expires_at,
                last_used_at=token.last_used_at,
            )
        )

    async def used(self, token_id: str, at: datetime) -> None:
        """Remember when it was last used."""
        await self._connection.execute(
            update(service_tokens)
            .where(service_tokens.c.id == token_id)
            .values(last_used_at=at)
        )

    async def delete(self, token_id: str) -> None:
        """Forget one."""
        await self._connection.execute(
            delete(service_tokens).where(service_tokens.c.id == token_id)
        )

    async def delete_of(self, user_id: str) -> int:
        """Forget all of a user; return how many there were."""
        result = await self._connection.execute(
            delete(service_tokens).where(service_tokens.c.user_id == user_id)
        )
        return result.rowcount


def _visible(query: Select[Any], viewer: Viewer) -> Select[Any]:
    if viewer.is_admin:
        return query
    return query.where(service_tokens.c.user_id == viewer.user_id)


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        id=row.id,
        user_id=row.user_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        address=row.address,
        client=row.client,
        revoked_at=row.revoked_at,
    )


def _service_token(row: Row[Any]) -> ServiceToken:
    return ServiceToken(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        digest=row.digest,
        scopes=frozenset(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
