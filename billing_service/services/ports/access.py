"""Sign-ins and what they give: grants, refresh tokens, tokens of programs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing_service.services.ports.people import Viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One sign-in on one device, kept alive by refresh tokens that rotate.

    ``address`` is where it was last used from, ``client`` what the program says it is.
    """

    id: str
    user_id: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime
    address: str
    client: str
    revoked_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Tell whether it was neither ended nor has expired."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A refresh token, known by its digest. ``replaces`` is the one it was given out for."""

    digest: str
    grant_id: str
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    replaces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceToken:
    """A long-lived token for a program: its user's rights, narrowed to ``scopes``."""

    id: str
    user_id: str
    name: str
    digest: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many attempts to sign in were counted, and when the oldest of them was."""

    number: int
    oldest_at: datetime | None


class SignIns(Protocol):
    """Attempts to sign in, counted across processes. ``account`` is a digest of the name."""

    async def attempts(
        self, *, account: str, address: str, since: datetime
    ) -> tuple[Attempts, Attempts]:
        """Return the attempts since then on the account, and from the address."""

    async def add(self, *, account: str, address: str, at: datetime) -> None:
        """Count one."""

    async def forgive(self, *, account: str, address: str) -> None:
        """Forget the account's attempts from the address: its owner has signed in."""

    async def purge(self, before: datetime) -> None:
        """Forget what is too old to count."""


class Grants(Protocol):
    """Who is signed in where."""

    async def get(self, grant_id: str) -> Grant | None:
        """Return one."""

    async def hold(self, grant_id: str) -> Grant | None:
        """Return one, and let nobody else change it until the transaction ends."""

    async def of_user(self, user_id: str) -> list[Grant]:
        """Return a user's grants that still hold, the last used first."""

    async def save(self, grant: Grant) -> None:
        """Insert or replace."""

    async def by_token(self, digest: str) -> RefreshToken | None:
        """Return a refresh token."""

    async def newest_token(self, grant_id: str) -> RefreshToken | None:
        """Return the last one given out for a grant."""

    async def save_token(self, token: RefreshToken) -> None:
        """Insert or replace."""

    async def revoke(
        self, at: datetime, *, user_id: str | None = None, grant_id: str | None = None
    ) -> int:
        """End one grant, or all of a user; return how many held."""

    async def purge(self, before: datetime) -> None:
        """Forget grants that expired or were ended before."""


class ServiceTokens(Protocol):
    """Tokens of programs."""

    async def by_digest(self, digest: str) -> ServiceToken | None:
        """Return one."""

    async def visible(self, viewer: Viewer) -> list[ServiceToken]:
        """Return the viewer's own, an admin's are all; the newest first."""

    async def one(self, token_id: str, viewer: Viewer) -> ServiceToken:
        """Return one. Raises NotFound, also for another's."""

    async def add(self, token: ServiceToken) -> None:
        """Store a new one."""

    async def used(self, token_id: str, at: datetime) -> None:
        """Remember when it was last used."""

    async def delete(self, token_id: str) -> None:
        """Forget one."""

    async def delete_of(self, user_id: str) -> int:
        """Forget all of a user; return how many there were."""
