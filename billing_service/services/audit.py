"""Who does something, and what of it is kept for good."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from billing_service.domain.errors import NotAllowed
from billing_service.services.ports import (
    AuditEntry,
    AuditQuery,
    OpenReadUnitOfWork,
    Page,
    Role,
    User,
    Viewer,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks for something to be done. ``address`` is the network address it came from.

    A person by a sign-in (``grant_id``), or a program by a service token, whose ``scopes`` are
    all it may do; None: whatever the role allows.
    """

    user_id: str
    name: str
    role: Role
    address: str | None = None
    grant_id: str | None = None
    service_token_id: str | None = None
    scopes: frozenset[str] | None = None

    @property
    def viewer(self) -> Viewer:
        """What they may see."""
        return Viewer(self.user_id, self.role)

    @property
    def label(self) -> str:
        """How the audit log names them: the id stays when the name changes."""
        person = f"user:{self.user_id} ({self.name})"
        if self.service_token_id is None:
            return person
        return f"service-token:{self.service_token_id} of {person}"


@dataclass(frozen=True, slots=True)
class Console:
    """Whoever has a shell on the machine: the command line."""

    label: str = "console"
    address: str | None = None


type Author = Actor | Console


class AuditLog:
    """Reads the log; only the use cases write it, each in its own transaction."""

    def __init__(self, open_read: OpenReadUnitOfWork) -> None:
        """Take what it works with."""
        self._open_read = open_read

    async def page(self, query: AuditQuery, viewer: Viewer) -> Page[AuditEntry]:
        """Return one page, newest first. Raises NotAllowed unless the viewer is an admin."""
        if not viewer.is_admin:
            raise NotAllowed("Only an admin may read the audit log.")
        async with self._open_read() as read:
            return await read.audit.page(query)


def user_facts(user: User) -> dict[str, Any]:
    """Return what the log may keep of a user: no password hash."""
    facts = asdict(user)
    del facts["password_hash"]
    return plain(facts)


def masked(uid: str) -> str:
    """Return what the log keeps of a card's uid: its end, a quarter of it at most.

    Who knows a uid can charge in its owner's name, and the log keeps what it has for ever. A
    digest would not do: there are only 4,294,967,296 uids of four bytes to try.
    """
    shown = min(len(uid) // 4, 4)
    return "*" + uid.upper()[len(uid) - shown :]


def plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts as JSON has them: times and decimals as text."""
    return {name: _plain(value) for name, value in facts.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return plain(value)
    return str(value)
