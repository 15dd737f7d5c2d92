"""Staying signed in: refresh tokens that rotate, and noticing when one was stolen.

A *grant* is one sign-in on one device (RFC 6749). It has exactly one refresh token that works;
using it gives the next one and ends it (RFC 9700, 4.14.2). A refresh token that is used again was
copied: by whom cannot be told, so the whole grant ends and both have to sign in. Only a client
that asks again within seconds, because the answer got lost, gets another one; the token it did
not receive is void from then on.
"""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from billing_service.services.ports import Grant, RefreshToken, UnitOfWork, User

REFRESH_TOKEN_LASTS = timedelta(days=30)
"""Since it was last used: a phone in the drawer for a month signs in again."""

GRANT_LASTS = timedelta(days=365)
"""However often it is used."""

REPEAT_WITHIN = timedelta(seconds=20)

REFRESH_PREFIX = "srr_"
"""Makes a leaked token recognisable to people and to scanners for secrets."""


@dataclass(frozen=True, slots=True)
class Reused:
    """A refresh token came a second time; its grant has been ended."""

    grant: Grant


async def open_grant(
    uow: UnitOfWork, user: User, now: datetime, address: str, client: str
) -> tuple[Grant, str]:
    """Store a new grant; return it and its first refresh token."""
    grant = Grant(
        id=str(uuid4()),
        user_id=user.id,
        created_at=now,
        expires_at=now + GRANT_LASTS,
        last_used_at=now,
        address=address,
        client=client[:200],
    )
    await uow.grants.purge(now)
    await uow.grants.save(grant)
    return grant, await _next(uow, grant, now, replaces="")


async def use(
    uow: UnitOfWork, token: str, now: datetime, address: str
) -> tuple[Grant, str] | Reused | None:
    """Exchange a refresh token for the next one of its grant; None when it does not work.

    The caller commits, also when it was reused: the grant's end must stand.
    """
    digest = digest_of(token)
    known = await uow.grants.by_token(digest)
    if known is None:
        return None
    # From here on the grant is this transaction's; what was read before may be old.
    grant = await uow.grants.hold(known.grant_id)
    found = await uow.grants.by_token(digest)
    if grant is None or found is None or not grant.holds(now):
        return None
    if found.used_at is not None and not await _repeats(uow, found, now):
        await uow.grants.revoke(now, grant_id=grant.id)
        return Reused(grant)
    if now >= found.expires_at:
        return None
    if found.used_at is None:
        await uow.grants.save_token(replace(found, used_at=now))
    grant = replace(grant, last_used_at=now, address=address)
    await uow.grants.save(grant)
    return grant, await _next(uow, grant, now, replaces=digest)


def digest_of(token: str) -> str:
    """Return what is stored of a random token: it has no salt, for it cannot be guessed."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


async def _repeats(uow: UnitOfWork, used: RefreshToken, now: datetime) -> bool:
    """Tell whether the answer to its first use was lost; if so its successor is void."""
    if used.used_at is None or now - used.used_at > REPEAT_WITHIN:
        return False
    newest = await uow.grants.newest_token(used.grant_id)
    if newest is None or newest.used_at is not None or newest.replaces != used.digest:
        return False
    # Whoever comes with it later has copied it.
    await uow.grants.save_token(replace(newest, used_at=used.used_at, replaces=""))
    return True


async def _next(uow: UnitOfWork, grant: Grant, now: datetime, *, replaces: str) -> str:
    token = REFRESH_PREFIX + secrets.token_urlsafe(32)
    await uow.grants.save_token(
        RefreshToken(
            digest=digest_of(token),
            grant_id=grant.id,
            issued_at=now,
            expires_at=min(now + REFRESH_TOKEN_LASTS, grant.expires_at),
            replaces=replaces,
        )
    )
    return token
