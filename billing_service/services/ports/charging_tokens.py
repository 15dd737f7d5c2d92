"""Tokens that people start charges with."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class TokenType(StrEnum):
    """OCPI 2.2.1 TokenType."""

    AD_HOC_USER = "AD_HOC_USER"
    APP_USER = "APP_USER"
    OTHER = "OTHER"
    RFID = "RFID"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingToken:
    """What a person shows to start a charge (OCPI Token); ``uid`` in upper case.

    ``visual_number`` is what is printed on it. One that is not ``valid`` is blocked.
    """

    uid: str
    type: TokenType
    user_id: str
    visual_number: str
    valid: bool
    last_updated: datetime


class ChargingTokens(Protocol):
    """Tokens that people start charges with; uids are compared without case."""

    async def all(self) -> list[ChargingToken]:
        """Return all, by uid."""

    async def get(self, uid: str) -> ChargingToken:
        """Return one. Raises NotFound."""

    async def user_of(self, uid: str) -> str | None:
        """Return the active user of a valid token, None for any other."""

    async def add(self, token: ChargingToken) -> None:
        """Store a new one. Raises Conflict when there is one with its uid."""

    async def save(self, token: ChargingToken) -> None:
        """Replace."""

    async def delete(self, uid: str) -> None:
        """Remove; sessions keep their drivers."""
