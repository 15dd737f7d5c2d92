"""Signing in, and what a token proves."""

import hashlib
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Protocol
from uuid import uuid4

from billing_service.domain.errors import NotFound, NotSignedIn, TooManyAttempts
from billing_service.services import grants, service_tokens
from billing_service.services.audit import Actor
from billing_service.services.ports import (
    Attempts,
    Clock,
    Grant,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    User,
)

ACCESS_TOKEN_LASTS = timedelta(minutes=15)

USE_NOTED_EVERY = timedelta(minutes=1)
"""How often it is noted that a service token was used: not at each request."""

ATTEMPTS_WITHIN = timedelta(minutes=15)
ATTEMPTS_PER_ACCOUNT = 10
ATTEMPTS_PER_ADDRESS = 50
"""More than an account's: a household signs in from one address."""


class PasswordHasher(Protocol):
    """Slow on purpose; runs beside the event loop."""

    async def hash(self, password: str) -> str:
        """Return a salted hash."""

    async def verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        """Return whether it is the password, and a new hash if the old one is too weak today."""

    def is_common(self, password: str) -> bool:
        """Tell whether it is one that everyone tries first."""

    async def waste(self, password: str) -> None:
        """Take as long as ``verify`` would, so that time does not tell who exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an access token says."""

    subject: str
    token_id: str
    grant_id: str
    issued_at: datetime
    expires_at: datetime


class TokenSigner(Protocol):
    """Makes and reads access tokens."""

    def sign(self, claims: Claims) -> str:
        """Return a token."""

    def read(self, token: str) -> Claims:
        """Return what a token says. Raises NotSignedIn unless it is ours, whole and typed right.

        Whether it has expired is for the caller to see.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A signed access token, how long it lasts, and what the next one is asked for with."""

    access_token: str
    expires_in: timedelta
    refresh_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Who a token belongs to and until when it holds; None: until it is revoked."""

    user: User
    actor: Actor
    expires_at: datetime | None


class Auth:
    """Checks passwords and tokens."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        passwords: PasswordHasher,
        signer: TokenSigner,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._passwords = passwords
        self._signer = signer

    async def sign_in(
        self, name: str, password: str, address: str, client: str = ""
    ) -> Tokens:
        """Return tokens for a name and password.

        Raises NotSignedIn with one and the same sentence whether the name is unknown, the
        password wrong or the user inactive, and TooManyAttempts.
        """
        account, network = _account(name), _network(address)
        await self._count(account, network)
        async with self._open_read() as read:
            user = await read.users.by_name(name)
        if user is None:
            await self._passwords.waste(password)
            raise _refused()
        right, rehashed = await self._passwords.verify(password, user.password_hash)
        if not right or not user.active:
            raise _refused()
        async with self._open_uow() as uow:
            await uow.sign_ins.forgive(account=account, address=network)
            fresh = await uow.users.get(user.id)
            # The password may have been changed while it was being verified.
            if fresh is None or fresh.password_hash != user.password_hash:
                raise _refused()
            if rehashed is not None:
                await uow.users.save(replace(fresh, password_hash=rehashed))
            grant, refresh_token = await grants.open_grant(
                uow, fresh, self._clock(), address, client
            )
            await uow.commit()
        return self._tokens_for(grant, refresh_token)

    async def refresh(self, refresh_token: str, address: str) -> Tokens:
        """Exchange a refresh token for new tokens. Raises NotSignedIn.

        One that was used before ends its grant: it may have been stolen.
        """
        now = self._clock()
        async with self._open_uow() as uow:
            used = await grants.use(uow, refresh_token, now, address)
            if used is None:
                raise NotSignedIn("Sign in again.")
            if isinstance(used, grants.Reused):
                await uow.audit.add(
                    at=now,
                    actor="system",
                    action="user.refresh_token_reused",
                    subject=f"user:{used.grant.user_id}",
                    after={"grant": used.grant.id, "first_address": used.grant.address},
                    address=address,
                )
                await uow.commit()
                raise NotSignedIn("Sign in again.")
            grant, token = used
            user = await uow.users.get(grant.user_id)
            if user is None or not user.active:
                raise NotSignedIn("Sign in again.")
            await uow.commit()
        return self._tokens_for(grant, token)

    def _tokens_for(self, grant: Grant, refresh_token: str) -> Tokens:
        now = self._clock()
        claims = Claims(
            subject=grant.user_id,
            token_id=str(uuid4()),
            grant_id=grant.id,
            issued_at=now,
            expires_at=now + ACCESS_TOKEN_LASTS,
        )
        return Tokens(
            access_token=self._signer.sign(claims),
            expires_in=ACCESS_TOKEN_LASTS,
            refresh_token=refresh_token,
        )

    async def recognise(self, token: str, address: str | None) -> SignedIn:
        """Return who a token belongs to. Raises NotSignedIn.

        The user and the grant are looked up each time: a role taken away is gone at once, and so
        is a sign-in that was ended.
        """
        if token.startswith(service_tokens.PREFIX):
            return await self._service(token, address)
        claims = self._signer.read(token)
        if self._clock() >= claims.expires_at:
            raise NotSignedIn("The sign-in has expired.")
        async with self._open_read() as read:
            user = await read.users.get(claims.subject)
            grant = await read.grants.get(claims.grant_id)
        if user is None or not user.active:
            raise NotSignedIn("The sign-in is no longer valid.")
        if (
            grant is None
            or grant.user_id != user.id
            or not grant.holds(self._clock())
            or (
                user.tokens_valid_from is not None
                and claims.issued_at < user.tokens_valid_from
            )
        ):
            raise NotSignedIn("The sign-in is no longer valid.")
        return SignedIn(
            user=user,
            actor=Actor(
                user_id=user.id,
                name=user.name,
                role=user.role,
                address=address,
                grant_id=grant.id,
            ),
            expires_at=claims.expires_at,
        )

    async def _service(self, token: str, address: str | None) -> SignedIn:
        now = self._clock()
        async with self._open_read() as read:
            known = await read.service_tokens.by_digest(grants.digest_of(token))
            user = None if known is None else await read.users.get(known.user_id)
        if known is None or user is None or not user.active:
            raise NotSignedIn("The token is not valid.")
        if known.expires_at is not None and now >= known.expires_at:
            raise NotSignedIn("The token has expired.")
        if known.last_used_at is None or now - known.last_used_at >= USE_NOTED_EVERY:
            async with self._open_uow() as uow:
                await uow.service_tokens.used(known.id, now)
                await uow.commit()
        return SignedIn(
            user=user,
            actor=Actor(
                user_id=user.id,
                name=user.name,
                role=user.role,
                address=address,
                service_token_id=known.id,
                scopes=known.scopes,
            ),
            expires_at=known.expires_at,
        )

    async def sign_out(self, actor: Actor) -> None:
        """End the sign-in that asks; its tokens are void at once."""
        async with self._open_uow() as uow:
            if actor.grant_id is not None:
                await uow.grants.revoke(self._clock(), grant_id=actor.grant_id)
            await uow.commit()

    async def sign_out_everywhere(self, actor: Actor, user_id: str) -> None:
        """End all of a user's sign-ins. Service tokens stay. Raises NotFound."""
        now = self._clock()
        async with self._open_uow() as uow:
            user = await uow.users.get(user_id)
            if user is None:
                raise NotFound(f"there is no user {user_id}")
            await uow.users.save(replace(user, tokens_valid_from=now))
            ended = await uow.grants.revoke(now, user_id=user_id)
            await uow.audit.add(
                at=now,
                actor=actor.label,
                action="user.sign_out",
                subject=f"user:{user_id}",
                after={"ended": ended},
                address=actor.address,
            )
            await uow.commit()

    async def sign_ins(self, user_id: str) -> list[Grant]:
        """Return where a user is signed in, the last used first."""
        now = self._clock()
        async with self._open_read() as read:
            return [g for g in await read.grants.of_user(user_id) if g.holds(now)]

    async def _count(self, account: str, network: str) -> None:
        """Count an attempt before it is made, so that many at once do not slip through."""
        now = self._clock()
        since = now - ATTEMPTS_WITHIN
        async with self._open_uow() as uow:
            await uow.sign_ins.purge(since)
            on_account, from_address = await uow.sign_ins.attempts(
                account=account, address=network, since=since
            )
            for attempts, limit in (
                (on_account, ATTEMPTS_PER_ACCOUNT),
                (from_address, ATTEMPTS_PER_ADDRESS),
            ):
                if attempts.number >= limit:
                    raise TooManyAttempts(_retry_after_s(attempts, now))
            await uow.sign_ins.add(account=account, address=network, at=now)
            await uow.commit()


def _refused() -> NotSignedIn:
    return NotSignedIn("Name and password do not match.")


def _retry_after_s(attempts: Attempts, now: datetime) -> int:
    oldest = attempts.oldest_at or now
    return max(1, round((oldest + ATTEMPTS_WITHIN - now).total_seconds()))


def _account(name: str) -> str:
    """Return a digest of the name as typed: people type passwords into the wrong field."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return hashlib.sha256(folded.encode("utf-8", "replace")).hexdigest()


def _network(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or an IPv6 subscriber's /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or IPv6Network((parsed, 64), strict=False))
    return str(parsed)
