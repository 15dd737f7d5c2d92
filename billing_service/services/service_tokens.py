"""Tokens for programs: Home Assistant, exporters, Prometheus.

A service token acts for the user who made it, sees what that user sees, and does what its scopes
name, nothing else. It is shown once, when it is made; the service keeps its digest.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from billing_service.domain.errors import Conflict, InvalidInput
from billing_service.services.audit import Actor
from billing_service.services.grants import digest_of
from billing_service.services.ports import (
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    ServiceToken,
    Viewer,
)

PREFIX = "srs_"
"""Makes a leaked token recognisable to people and to scanners for secrets."""

MAX_PER_USER = 50

SCOPES = {
    "stations:read": "stations and their state",
    "sessions:read": "charging sessions, also live",
    "sessions:write": "start and stop a charge",
    "tariffs:read": "tariffs and prices, and what a charge would cost",
    "tariffs:write": "new versions of tariffs (of an admin's token only)",
    "bills:read": "bills",
    "metrics:read": "metrics of the service (of an admin's token only)",
}
"""What a service token may be allowed, and what that means."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new service token, and the secret that is never shown again."""

    token: ServiceToken
    secret: str


class ServiceTokens:
    """Makes, lists and revokes service tokens; all but the listing is noted in the audit log."""

    def __init__(
        self, open_uow: OpenUnitOfWork, open_read: OpenReadUnitOfWork, clock: Clock
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock

    async def visible(self, viewer: Viewer) -> list[ServiceToken]:
        """Return the viewer's own, an admin's are all; the newest first."""
        async with self._open_read() as read:
            return await read.service_tokens.visible(viewer)

    async def make(
        self,
        actor: Actor,
        *,
        name: str,
        scopes: frozenset[str],
        expires_at: datetime | None,
    ) -> Made:
        """Make one that acts for the actor. Raises InvalidInput, Conflict."""
        now = self._clock()
        problems = [
            ("scopes", f"{scope} is none of {', '.join(SCOPES)}")
            for scope in sorted(scopes - SCOPES.keys())
        ]
        if not scopes:
            problems.append(("scopes", "name at least one"))
        if expires_at is not None and expires_at <= now:
            problems.append(("expires_at", "is past"))
        if problems:
            raise InvalidInput(*problems)
        secret = PREFIX + secrets.token_urlsafe(32)
        token = ServiceToken(
            id=str(uuid4()),
            user_id=actor.user_id,
            name=name,
            digest=digest_of(secret),
            scopes=scopes,
            created_at=now,
            expires_at=expires_at,
        )
        async with self._open_uow() as uow:
            own = await uow.service_tokens.visible(actor.viewer)
            if sum(each.user_id == actor.user_id for each in own) >= MAX_PER_USER:
                raise Conflict(f"You have {MAX_PER_USER} service tokens: revoke one.")
            await uow.service_tokens.add(token)
            await uow.audit.add(
                at=now,
                actor=actor.label,
                action="service_token.make",
                subject=f"service-token:{token.id}",
                after={"name": name, "scopes": sorted(scopes)},
                address=actor.address,
            )
            await uow.commit()
        return Made(token, secret)

    async def revoke(self, actor: Actor, token_id: str) -> None:
        """Revoke one; it is void at once. Raises NotFound, also for another's."""
        async with self._open_uow() as uow:
            token = await uow.service_tokens.one(token_id, actor.viewer)
            await uow.service_tokens.delete(token_id)
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="service_token.revoke",
                subject=f"service-token:{token_id}",
                before={"name": token.name, "scopes": sorted(token.scopes)},
                address=actor.address,
            )
            await uow.commit()
