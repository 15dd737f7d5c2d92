"""From a completed session to an issued bill."""

import asyncio
from dataclasses import dataclass, replace

from billing_service.domain.bill import Bill, BillKind, BillRecord
from billing_service.domain.cdr import Cdr
from billing_service.domain.errors import Conflict, SessionBilled
from billing_service.domain.proof import ChartPoint
from billing_service.domain.session import Session
from billing_service.services.audit import Actor
from billing_service.services.evidence import chart_of
from billing_service.services.issuing import (
    EVERYTHING,
    Issuer,
    lacks_tariff,
    rate_session,
)
from billing_service.services.ports import (
    BillRenderer,
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
    """Drafts, issues and renders bills of one session."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        issuer: Issuer,
        render: BillRenderer,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._issuer = issuer
        self._render = render

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
            record = await read.bills.get(session.bill_id, viewer)
            chart = await chart_of_bill(read, record.bill)
        return record.bill, await asyncio.to_thread(
            self._render, record.bill, chart, record.sha256
        )


async def chart_of_bill(read: ReadUnitOfWork, bill: Bill) -> tuple[ChartPoint, ...]:
    """Return the chart of a bill of one session as it was when the bill was issued.

    None for a month's bill, nor for a credit note. A bill from before there was evidence is drawn
    from the readings that are left.
    """
    evidence = await read.proofs.evidence(bill.number)
    if evidence is not None:
        return evidence.chart
    if len(bill.sessions) != 1 or bill.kind is BillKind.CREDIT_NOTE:
        return ()
    session = await read.sessions.get(bill.sessions[0].session_id, EVERYTHING)
    return await chart_of(read, session)
