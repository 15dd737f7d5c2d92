"""From a completed session to an issued bill."""

from dataclasses import dataclass, replace

from billing_service.domain.bill import Bill, BillRecord
from billing_service.domain.cdr import Cdr
from billing_service.domain.errors import Conflict, SessionBilled
from billing_service.domain.session import Session
from billing_service.services.audit import Actor
from billing_service.services.documents import BillDocuments
from billing_service.services.issuing import (
    Issuer,
    lacks_tariff,
    rate_session,
)
from billing_service.services.ports import (
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    ReadUnitOfWork,
    Viewer,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBill:
    """A session's bill, issued or as it would be today; ``record`` is None for such a draft."""

    session: Session
    bill: Bill
    cdr: Cdr
    record: BillRecord | None = None


class Billing:
    """Drafts, issues and gives out bills of one session."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        issuer: Issuer,
        documents: BillDocuments,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._issuer = issuer
        self._documents = documents

    async def of_session(self, session_id: str, viewer: Viewer) -> SessionBill:
        """Return the issued bill, or a draft with what it would say today.

        Raises NotFound, SessionOpen, NoTariff, Conflict.
        """
        async with self._open_read() as read:
            session = await read.sessions.get(session_id, viewer)
            cdr = await read.bills.cdr(session_id)
            if session.bill_id is not None and cdr is not None:
                record = await read.bills.get(session.bill_id, viewer)
                return SessionBill(
                    session=session, bill=record.bill, cdr=cdr, record=record
                )
            if not lacks_tariff(session):
                return await self._draft(read, session)
        # A tariff made since may cover it: found out by doing it and leaving it undone.
        async with self._open_uow() as uow:
            await self._issuer.prepare(uow, [session])
            return await self._draft(uow, await uow.sessions.get(session_id, viewer))

    async def issue(self, actor: Actor, session_id: str) -> SessionBill:
        """Issue the bill of a completed session; it never changes after.

        Raises NotFound, SessionBilled, SessionOpen, NoDriver, NoTariff, Conflict.
        """
        async with self._open_uow() as uow:
            stored = await uow.sessions.get(session_id, actor.viewer)
            await self._issuer.prepare(uow, [stored])
            stored = await uow.sessions.get(session_id, actor.viewer)
            if stored.bill_id is not None:
                raise SessionBilled(f"The session has bill {stored.bill_id} already.")
            rated = await rate_session(uow, stored)
            record = await self._issuer.issue(uow, actor, [rated])
            await uow.commit()
        return SessionBill(
            session=replace(rated.session, bill_id=record.bill.number),
            bill=record.bill,
            cdr=rated.cdr,
            record=record,
        )

    async def _draft(self, read: ReadUnitOfWork, session: Session) -> SessionBill:
        rated = await rate_session(read, session)
        bill = await self._issuer.draft(read, [rated])
        return SessionBill(session=rated.session, bill=bill, cdr=rated.cdr)

    async def pdf(self, session_id: str, viewer: Viewer) -> tuple[Bill, bytes]:
        """Return an issued bill as PDF. Raises NotFound, and Conflict while there is none."""
        async with self._open_read() as read:
            session = await read.sessions.get(session_id, viewer)
        if session.bill_id is None:
            raise Conflict("The session's bill has not been issued yet.")
        return await self._documents.pdf(session.bill_id, viewer)
