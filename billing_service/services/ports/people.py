"""People, how bills name them, and who asks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a user may do."""

    ADMIN = "admin"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who signs in. ``password_hash`` is argon2; it never leaves the service.

    Tokens issued before ``tokens_valid_from`` are void.
    """

    id: str
    name: str
    role: Role
    password_hash: str
    full_name: str = ""
    email: str | None = None
    address: tuple[str, ...] = ()
    active: bool = True
    tokens_valid_from: datetime | None = None
    group: str | None = None


NO_PASSWORD = "!"  # noqa: S105 -- no password has this hash
"""The ``password_hash`` of who was erased; no other user has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """How a user is named on bills, where it differs from how they are known here.

    What is empty is the user's own. ``locale`` is what their bills are printed in.
    """

    user_id: str
    name: str = ""
    address: tuple[str, ...] = ()
    vat_id: str = ""
    email: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. A user sees their own; an admin all."""

    user_id: str
    role: Role

    @property
    def is_admin(self) -> bool:
        """Whether nothing is hidden from them."""
        return self.role is Role.ADMIN


class Customers(Protocol):
    """How users are named on bills."""

    async def get(self, user_id: str) -> Customer:
        """Return what was set for a user; nothing but their id when nothing was."""

    async def save(self, customer: Customer) -> None:
        """Insert or replace."""


class Users(Protocol):
    """People who sign in. Who was erased is not among them, though bills still refer to them."""

    async def by_name(self, name: str) -> User | None:
        """Return one, whatever the case of the name."""

    async def get(self, user_id: str) -> User | None:
        """Return one."""

    async def add(self, user: User) -> None:
        """Store a new one. Raises Conflict when the name is taken."""

    async def save(self, user: User) -> None:
        """Replace."""

    async def all(self) -> list[User]:
        """Return all, by name."""

    async def erase_traces(self, user_id: str) -> None:
        """Forget a user's tokens, sign-ins, claims, and what links them to unbilled sessions."""

    async def any_admin(self) -> bool:
        """Return whether an active admin exists."""
