"""The people who sign in."""

import re
from dataclasses import dataclass, replace
from uuid import uuid4

from billing_service.domain.errors import InvalidInput, LastAdmin, NotFound
from billing_service.services.audit import Author, user_facts
from billing_service.services.auth import PasswordHasher
from billing_service.services.ports import (
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    ReadUnitOfWork,
    Role,
    User,
)

MIN_PASSWORD_CHARS = 12
MAX_PASSWORD_BYTES = 1024

_NAME = re.compile(r"[\w.@+-]{1,64}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,190}")


class Unset:
    """What was not given, where None means something."""


UNSET = Unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What to change of a user; UNSET stays as it is."""

    role: Role | Unset = UNSET
    active: bool | Unset = UNSET
    full_name: str | Unset = UNSET
    email: str | Unset | None = UNSET
    address: tuple[str, ...] | Unset = UNSET
    group: str | Unset | None = UNSET


class Users:
    """Makes users and changes them; everything is noted in the audit log."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        passwords: PasswordHasher,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._passwords = passwords

    async def all(self) -> list[User]:
        """Return all users, by name."""
        async with self._open_read() as read:
            return await read.users.all()

    async def get(self, user_id: str) -> User:
        """Return one. Raises NotFound."""
        async with self._open_read() as read:
            return await _known(read, user_id)

    async def by_name(self, name: str) -> User:
        """Return one by name, whatever its case. Raises NotFound."""
        async with self._open_read() as read:
            user = await read.users.by_name(name)
        if user is None:
            raise NotFound(f"there is no user {name}")
        return user

    async def any_admin(self) -> bool:
        """Return whether an active admin exists."""
        async with self._open_read() as read:
            return await read.users.any_admin()

    async def add(
        self,
        author: Author,
        *,
        name: str,
        role: Role,
        password: str,
        full_name: str = "",
        email: str | None = None,
        address: tuple[str, ...] = (),
        group: str | None = None,
    ) -> User:
        """Make a user. Raises InvalidInput, and Conflict when the name is taken."""
        _refuse(
            [
                *_name_problems(name),
                *self._password_problems(password, name),
                *_email_problems(email),
            ]
        )
        user = User(
            id=str(uuid4()),
            name=name,
            role=role,
            password_hash=await self._passwords.hash(password),
            full_name=full_name,
            email=email,
            address=address,
            group=group,
        )
        async with self._open_uow() as uow:
            await uow.users.add(user)
            await uow.audit.add(
                at=self._clock(),
                actor=author.label,
                action="user.add",
                subject=f"user:{user.id}",
                after=user_facts(user),
                address=author.address,
            )
            await uow.commit()
        return user

    async def change(self, author: Author, user_id: str, changes: Changes) -> User:
        """Change a user. Raises NotFound, InvalidInput, LastAdmin."""
        if not isinstance(changes.email, Unset):
            _refuse(_email_problems(changes.email))
        async with self._open_uow() as uow:
            before = await _known(uow, user_id)
            after = _changed(before, changes)
            if after.role is not before.role or after.active != before.active:
                now = self._clock()
                after = replace(after, tokens_valid_from=now)
                await uow.grants.revoke(now, user_id=user_id)
            await uow.users.save(after)
            if not await uow.users.any_admin():
                raise LastAdmin(
                    f"{before.name} is the only admin: make another one first"
                )
            await uow.audit.add(
                at=self._clock(),
                actor=author.label,
                action="user.change",
                subject=f"user:{user_id}",
                before=user_facts(before),
                after=user_facts(after),
                address=author.address,
            )
            await uow.commit()
        return after

    async def set_password(self, author: Author, user_id: str, password: str) -> None:
        """Set a new password; all sign-ins end. Raises NotFound, InvalidInput."""
        user = await self.get(user_id)
        _refuse(self._password_problems(password, user.name))
        hashed = await self._passwords.hash(password)
        async with self._open_uow() as uow:
            user = await _known(uow, user_id)
            now = self._clock()
            await uow.users.save(
                replace(user, password_hash=hashed, tokens_valid_from=now)
            )
            await uow.grants.revoke(now, user_id=user_id)
            await uow.audit.add(
                at=now,
                actor=author.label,
                action="user.password",
                subject=f"user:{user_id}",
                address=author.address,
            )
            await uow.commit()

    async def change_own_password(
        self, author: Author, user_id: str, current: str, new: str
    ) -> None:
        """Set a new password for who knows the old one. Raises InvalidInput."""
        user = await self.get(user_id)
        right, _ = await self._passwords.verify(current, user.password_hash)
        if not right:
            raise InvalidInput(("current_password", "is not your password"))
        await self.set_password(author, user_id, new)

    def _password_problems(self, password: str, name: str) -> list[tuple[str, str]]:
        """Judge by length and by what is known to be tried first (NIST SP 800-63B, 3.1.1.2)."""
        if len(password) < MIN_PASSWORD_CHARS:
            return [("password", f"must have at least {MIN_PASSWORD_CHARS} characters")]
        if len(password.encode("utf-8", "replace")) > MAX_PASSWORD_BYTES:
            return [("password", f"must have at most {MAX_PASSWORD_BYTES} bytes")]
        folded = password.casefold()
        if (
            len(set(folded)) < 4
            or name.casefold() in (folded, folded[: len(folded) // 2])
            or "solarrally" in folded.replace(" ", "")
            or self._passwords.is_common(password)
        ):
            return [("password", "is too easy to guess: it is a common one")]
        return []


async def _known(uow: ReadUnitOfWork, user_id: str) -> User:
    user = await uow.users.get(user_id)
    if user is None:
        raise NotFound(f"there is no user {user_id}")
    return user


def _changed(user: User, changes: Changes) -> User:
    if not isinstance(changes.role, Unset):
        user = replace(user, role=changes.role)
    if not isinstance(changes.active, Unset):
        user = replace(user, active=changes.active)
    if not isinstance(changes.full_name, Unset):
        user = replace(user, full_name=changes.full_name)
    if not isinstance(changes.email, Unset):
        user = replace(user, email=changes.email)
    if not isinstance(changes.address, Unset):
        user = replace(user, address=changes.address)
    if not isinstance(changes.group, Unset):
        user = replace(user, group=changes.group)
    return user


def _refuse(problems: list[tuple[str, str]]) -> None:
    if problems:
        raise InvalidInput(*problems)


def _name_problems(name: str) -> list[tuple[str, str]]:
    if _NAME.fullmatch(name):
        return []
    return [("name", "must be 1 to 64 letters, digits or any of . _ @ + -")]


def _email_problems(email: str | None) -> list[tuple[str, str]]:
    if email is None or _EMAIL.fullmatch(email):
        return []
    return [("email", "is not an address such as name@example.org")]
