"""Tokens that people start charges with: RFID cards and the like (OCPI 2.2.1, Token).

A station tells which token was shown. A valid one makes the session its user's.
"""

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from billing_service.domain.errors import InvalidInput
from billing_service.services.audit import Actor, masked, plain
from billing_service.services.issuing import hold
from billing_service.services.ports import (
    ChargingToken,
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    TokenType,
    UnitOfWork,
)
from billing_service.services.sessions import with_tariff_of_driver
from billing_service.services.users import UNSET, Unset


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChanges:
    """What to change of a token; UNSET stays as it is."""

    user_id: str | Unset = UNSET
    visual_number: str | Unset = UNSET
    valid: bool | Unset = UNSET


class ChargingTokens:
    """Lists, makes, changes and removes tokens; an admin's work."""

    def __init__(
        self, open_uow: OpenUnitOfWork, open_read: OpenReadUnitOfWork, clock: Clock
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock

    async def all(self) -> list[ChargingToken]:
        """Return all, by uid."""
        async with self._open_read() as read:
            return await read.charging_tokens.all()

    async def get(self, uid: str) -> ChargingToken:
        """Return one. Raises NotFound."""
        async with self._open_read() as read:
            return await read.charging_tokens.get(uid)

    async def add(
        self,
        actor: Actor,
        uid: str,
        user_id: str,
        *,
        type_: TokenType = TokenType.RFID,
        visual_number: str = "",
        valid: bool = True,
    ) -> ChargingToken:
        """Give a user a token. Unbilled sessions that it started and nobody has become theirs.

        Raises Conflict, InvalidInput.
        """
        token = ChargingToken(
            uid=uid.upper(),
            type=type_,
            user_id=user_id,
            visual_number=visual_number,
            valid=valid,
            last_updated=self._clock(),
        )
        async with self._open_uow() as uow:
            await _check_user(uow, user_id)
            await uow.charging_tokens.add(token)
            await self._note(uow, actor, "token.add", token.uid, None, token)
            await self._take_sessions(uow, actor, token)
            await uow.commit()
        return token

    async def change(
        self, actor: Actor, uid: str, changes: TokenChanges
    ) -> ChargingToken:
        """Change a token; sessions keep the drivers they have. Raises NotFound, InvalidInput."""
        async with self._open_uow() as uow:
            before = await uow.charging_tokens.get(uid)
            after = replace(
                before,
                last_updated=self._clock(),
                **{
                    name: value
                    for name in ("user_id", "visual_number", "valid")
                    if not isinstance(value := getattr(changes, name), Unset)
                },
            )
            await _check_user(uow, after.user_id)
            await uow.charging_tokens.save(after)
            await self._note(uow, actor, "token.change", after.uid, before, after)
            await self._take_sessions(uow, actor, after)
            await uow.commit()
        return after

    async def delete(self, actor: Actor, uid: str) -> None:
        """Remove a token; sessions keep the drivers they have. Raises NotFound."""
        async with self._open_uow() as uow:
            before = await uow.charging_tokens.get(uid)
            await uow.charging_tokens.delete(before.uid)
            await self._note(uow, actor, "token.delete", before.uid, before, None)
            await uow.commit()

    async def _take_sessions(
        self, uow: UnitOfWork, actor: Actor, token: ChargingToken
    ) -> None:
        """Give sessions that the token started, and that are nobody's, to its user."""
        if not token.valid:
            return
        found = await uow.sessions.driverless(token.uid)
        await hold(uow, [await uow.sessions.get(each, actor.viewer) for each in found])
        for session_id in await uow.sessions.driverless(token.uid):
            await uow.sessions.assign(session_id, token.user_id)
            session = await uow.sessions.get(session_id, actor.viewer)
            await with_tariff_of_driver(uow, session)
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="session.assign",
                subject=f"session:{session_id}",
                after={"user_id": token.user_id, "token": masked(token.uid)},
                address=actor.address,
            )

    async def _note(
        self,
        uow: UnitOfWork,
        actor: Actor,
        action: str,
        uid: str,
        before: ChargingToken | None,
        after: ChargingToken | None,
    ) -> None:
        await uow.audit.add(
            at=self._clock(),
            actor=actor.label,
            action=action,
            subject=f"token:{masked(uid)}",
            before=_facts(before),
            after=_facts(after),
            address=actor.address,
        )


async def _check_user(uow: UnitOfWork, user_id: str) -> None:
    if await uow.users.get(user_id) is None:
        raise InvalidInput(("user_id", "there is no such user"))


def _facts(token: ChargingToken | None) -> dict[str, Any] | None:
    if token is None:
        return None
    number = token.visual_number
    if _bare(token.uid) in _bare(number):
        # The uid is printed on the card.
        number = masked(token.uid)
    return plain(asdict(token) | {"uid": masked(token.uid), "visual_number": number})


def _bare(number: str) -> str:
    return re.sub("[^0-9A-Z]", "", number.upper()) or number
