"""Signing in, and what a token proves."""

import hashlib
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Protocol
from uuid import uuid4

from billing_service.domain.errors import NotSignedIn, TooManyAttempts
from billing_service.services.audit import Actor
from billing_service.services.ports import (
    Attempts,
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    User,
)

ACCESS_TOKEN_LASTS = timedelta(minutes=15)

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

    async def waste(self, password: str) -> None:
        """Take as long as ``verify`` would, so that time does not tell who exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an access token says."""

    subject: str
    token_id: str
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
class AccessToken:
    """A signed token and how long it lasts."""

    token: str
    expires_in: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Who a token belongs to and until when it holds."""

    user: User
    actor: Actor
    expires_at: datetime


class Auth:
    """Checks passwords and tokens."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        passwords: PasswordHasher,
        tokens: TokenSigner,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._passwords = passwords
        self._tokens = tokens

    async def sign_in(self, name: str, password: str, address: str) -> AccessToken:
        """Return a token for a name and password.

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
            if rehashed is not None:
                fresh = await uow.users.get(user.id)
                if fresh is not None and fresh.password_hash == user.password_hash:
                    await uow.users.save(replace(fresh, password_hash=rehashed))
            await uow.commit()
        return self.issue(user)

    def issue(self, user: User) -> AccessToken:
        """Return a token for a user who has been recognised."""
        now = self._clock()
        claims = Claims(
            subject=user.id,
            token_id=str(uuid4()),
            issued_at=now,
            expires_at=now + ACCESS_TOKEN_LASTS,
        )
        return AccessToken(
            token=self._tokens.sign(claims), expires_in=ACCESS_TOKEN_LASTS
        )

    async def recognise(self, token: str, address: str | None) -> SignedIn:
        """Return who a token belongs to. Raises NotSignedIn.

        The user is looked up each time: a role taken away is gone at once.
        """
        claims = self._tokens.read(token)
        now = self._clock()
        if now >= claims.expires_at:
            raise NotSignedIn("The sign-in has expired.")
        async with self._open_read() as read:
            user = await read.users.get(claims.subject)
        if user is None or not user.active:
            raise NotSignedIn("The sign-in is no longer valid.")
        void_before = user.tokens_valid_from
        if void_before is not None and claims.issued_at < void_before:
            raise NotSignedIn("The sign-in is no longer valid.")
        return SignedIn(
            user=user,
            actor=Actor(
                user_id=user.id, name=user.name, role=user.role, address=address
            ),
            expires_at=claims.expires_at,
        )

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
