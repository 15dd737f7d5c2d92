"""What is kept of a person: handed out, and erased (GDPR, articles 15, 17 and 20).

Erasing takes the name, the addresses, tokens, sign-ins, and the link to sessions that were never
billed. What the law wants kept stays: issued bills and the CDRs they rest on with what is printed
on them, and the audit log, which nobody can change; what it says of a person's name and address
stands beside it and goes; sign-in names and the ends of card numbers stay in it. The account stays as an id that nobody can
sign in with, so that bills still say whose they are to whoever has the paper.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from billing_service.domain.bill import Bill
from billing_service.domain.errors import (
    LastAdmin,
    NotFound,
    SessionOpen,
    UnbilledSessions,
)
from billing_service.domain.session import SessionStatus
from billing_service.services.audit import Actor, plain, user_facts
from billing_service.services.ports import (
    NO_PASSWORD,
    AuditQuery,
    BillQuery,
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    ReadUnitOfWork,
    Role,
    SessionQuery,
    User,
    Viewer,
)

_PAGE = 200
_OPEN = (SessionStatus.PENDING, SessionStatus.ACTIVE)


class Privacy:
    """Exports and erases what is kept of a person."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        write_bill: Callable[[Bill], dict[str, Any]],
    ) -> None:
        """Take what it works with; ``write_bill`` makes JSON of a bill."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._write_bill = write_bill

    async def export(self, user_id: str) -> dict[str, Any]:
        """Return everything that is kept of a user, as JSON. Raises NotFound."""
        viewer = Viewer(user_id, Role.USER)
        async with self._open_read() as read:
            user = await _known(read, user_id)
            cards = [
                asdict(each)
                for each in await read.charging_tokens.all()
                if each.user_id == user_id
            ]
            grants = [asdict(each) for each in await read.grants.of_user(user_id)]
            tokens = [
                asdict(each) for each in await read.service_tokens.visible(viewer)
            ]
            for token in tokens:
                del token["digest"]
            return plain(
                {
                    "user": user_facts(user),
                    "customer": asdict(await read.customers.get(user_id)),
                    "sign_ins": grants,
                    "service_tokens": tokens,
                    "charging_tokens": cards,
                    "stations": await read.stations.naming(user_id),
                    "sessions": await _sessions(read, viewer),
                    "bills": await self._bills(read, viewer),
                    "audit_log": await _noted(read, user_id),
                }
            ) | {"exported_at": self._clock().isoformat()}

    async def erase(
        self, actor: Actor, user_id: str, *, waive_unbilled: bool = False
    ) -> None:
        """Erase a person. Raises NotFound, SessionOpen, UnbilledSessions, LastAdmin.

        With ``waive_unbilled`` what they charged and was not billed becomes nobody's.
        """
        now = self._clock()
        async with self._open_uow() as uow:
            user = await _known(uow, user_id)
            mine = Viewer(user_id, Role.USER)
            for status in _OPEN:
                if (await _page(uow, mine, status=status)).total:
                    raise SessionOpen("A session of theirs is under way.")
            unbilled = await _page(
                uow, mine, status=SessionStatus.COMPLETED, billed=False
            )
            if unbilled.total and not waive_unbilled:
                raise UnbilledSessions(
                    f"{unbilled.total} of their sessions have no bill: bill them, or waive them."
                )
            await uow.users.erase_traces(user_id)
            await uow.users.save(_erased(user, now))
            if not await uow.users.any_admin():
                raise LastAdmin("They are the only admin: make another one first.")
            await uow.audit.add(
                at=now,
                actor=actor.label,
                action="user.erase",
                subject=f"user:{user_id}",
                after={"waived_sessions": unbilled.total},
                address=actor.address,
            )
            await uow.commit()

    async def _bills(
        self, read: ReadUnitOfWork, viewer: Viewer
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = await read.bills.page(
                BillQuery(limit=_PAGE, offset=len(found)), viewer
            )
            found += [self._write_bill(record.bill) for record in page.items]
            if not page.items:
                return found


def _erased(user: User, now: datetime) -> User:
    return replace(
        user,
        name=f"erased-{user.id}"[:64],
        role=Role.USER,
        password_hash=NO_PASSWORD,
        full_name="",
        email=None,
        address=(),
        active=False,
        group=None,
        tokens_valid_from=now,
    )


async def _known(read: ReadUnitOfWork, user_id: str) -> User:
    user = await read.users.get(user_id)
    if user is None:
        raise NotFound(f"there is no user {user_id}")
    return user


async def _page(read: ReadUnitOfWork, viewer: Viewer, **filters: Any) -> Any:
    return await read.sessions.page(SessionQuery(limit=1, **filters), viewer)


async def _sessions(read: ReadUnitOfWork, viewer: Viewer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = await read.sessions.page(
            SessionQuery(limit=_PAGE, offset=len(found)), viewer
        )
        for session in page.items:
            facts = asdict(replace(session, tariff=None))
            facts["tariff"] = (
                None
                if session.tariff is None
                else {"id": session.tariff.id, "version": session.tariff.version}
            )
            periods = await read.sessions.periods(session.id)
            facts["periods"] = [asdict(period) for period in periods]
            found.append(facts)
        if not page.items:
            return found


async def _noted(read: ReadUnitOfWork, user_id: str) -> list[dict[str, Any]]:
    """Return what the log says of the user, and what the user did."""
    entries: dict[int, dict[str, Any]] = {}
    for query in (
        AuditQuery(subject=f"user:{user_id}", limit=_PAGE),
        AuditQuery(actor=f"user:{user_id} ", limit=_PAGE),
    ):
        last: int | None = None
        while True:
            page = await read.audit.page(replace(query, before_id=last))
            if not page.items:
                break
            entries |= {entry.id: asdict(entry) for entry in page.items}
            last = page.items[-1].id
    return [entries[number] for number in sorted(entries)]
