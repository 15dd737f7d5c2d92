"""Passwords, hashed with argon2id."""

from asyncio import Semaphore, to_thread

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

from billing_service.adapters.common_passwords import is_common

_AT_ONCE = 2
"""Each hash takes 64 MiB; a burst of sign-ins must not take the machine's memory."""

_NOBODYS = (
    "$argon2id$v=19$m=65536,t=3,p=4$c29sYXJyYWxseS1ub2JvZA"
    "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
"""A hash that no password has, of the same cost as everyone's."""


class Argon2Passwords:
    """The ``PasswordHasher`` of the auth service."""

    def __init__(self) -> None:
        """Use argon2id at the cost that the library recommends."""
        self._hash = PasswordHash.recommended()
        self._turn = Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return a salted hash."""
        async with self._turn:
            return await to_thread(self._hash.hash, password)

    async def verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        """Return whether it is the password, and a new hash if the old one is too weak today."""
        async with self._turn:
            try:
                return await to_thread(self._hash.verify_and_update, password, hashed)
            except UnknownHashError:
                return False, None

    def is_common(self, password: str) -> bool:
        """Tell whether it is one that everyone tries first."""
        return is_common(password)

    async def waste(self, password: str) -> None:
        """Take as long as ``verify`` would."""
        await self.verify(password, _NOBODYS)
