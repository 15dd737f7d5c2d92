"""What becomes of issued bills: paid, or taken back by a credit note."""

from datetime import date

from billing_service.domain.bill import Bill, BillKind, BillRecord, BillStatus
from billing_service.domain.correction import CorrectionStatus
from billing_service.domain.errors import Conflict, InvalidInput
from billing_service.domain.frame import NO_BOOT, to_ms
from billing_service.domain.session import Session, SessionFlag
from billing_service.services.audit import Actor
from billing_service.services.documents import BillDocuments
from billing_service.services.issuing import EVERYTHING, Issuer, hold
from billing_service.services.ports import (
    BillQuery,
    Clock,
    Mark,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    Page,
    Viewer,
)


class Bills:
    """Lists issued bills, notes payments and issues credit notes."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        issuer: Issuer,
        documents: BillDocuments,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._issuer = issuer
        self._documents = documents

    async def page(self, query: BillQuery, viewer: Viewer) -> Page[BillRecord]:
        """Return one page of the viewer's bills and credit notes, newest first."""
        async with self._open_read() as read:
            return await read.bills.page(query, viewer)

    async def get(self, number: str, viewer: Viewer) -> BillRecord:
        """Return one. Raises NotFound, also for another's."""
        async with self._open_read() as read:
            return await read.bills.get(number, viewer)

    async def pdf(self, number: str, viewer: Viewer) -> tuple[Bill, bytes]:
        """Return a bill or credit note as PDF. Raises NotFound."""
        return await self._documents.pdf(number, viewer)

    async def pay(
        self, actor: Actor, number: str, *, paid_on: date | None, reference: str
    ) -> BillRecord:
        """Note that a bill was paid in full, today unless ``paid_on`` says when.

        Raises NotFound, Conflict, InvalidInput.
        """
        today = self._issuer.today()
        async with self._open_uow() as uow:
            record = await uow.bills.get(number, actor.viewer)
            if record.bill.kind is BillKind.CREDIT_NOTE:
                raise Conflict(f"{number} is a credit note: nobody pays it.")
            if record.status is not BillStatus.ISSUED:
                raise Conflict(f"Bill {number} is {record.status} already.")
            day = paid_on or today
            if day > today:
                raise InvalidInput(("paid_on", "lies in the future"))
            if day < record.bill.issued_on:
                raise InvalidInput(("paid_on", "lies before the day of issue"))
            await uow.bills.pay(number, paid_on=day, reference=reference)
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="bill.pay",
                subject=f"bill:{number}",
                after={"paid_on": day.isoformat(), "reference": reference},
                address=actor.address,
            )
            paid = await uow.bills.get(number, actor.viewer)
            await uow.commit()
        return paid

    async def credit(self, actor: Actor, number: str, *, reason: str) -> BillRecord:
        """Take a bill back by a credit note; its sessions can be billed anew.

        Sessions that frames came late for are metered again. Raises NotFound, Conflict.
        """
        async with self._open_uow() as uow:
            bill = (await uow.bills.get(number, actor.viewer)).bill
            ids = [each.session_id for each in bill.sessions]
            await hold(uow, [await uow.sessions.get(each, EVERYTHING) for each in ids])
            credited = await self._issuer.take_back(uow, actor, number, reason)
            late: dict[str, tuple[int, int]] = {}
            for each in await uow.corrections.of_bill(number):
                late[each.session_id] = to_ms(each.late_from), to_ms(each.late_to)
                await uow.corrections.close(
                    each.id,
                    CorrectionStatus.OVERTAKEN,
                    at=self._clock(),
                    by=actor.label,
                    reason=reason,
                    credit_number=credited.note.number,
                )
            await uow.marks.add(
                [
                    _mark(session, late.get(session.id))
                    for session in credited.sessions
                    if SessionFlag.LATE_FRAMES in session.flags or session.id in late
                ]
            )
            record = await uow.bills.get(credited.note.number, actor.viewer)
            await uow.commit()
        return record


def _mark(session: Session, late: tuple[int, int] | None) -> Mark:
    """Have metering look at a session again, and at what came late."""
    inferred = SessionFlag.INFERRED in session.flags
    first = to_ms(session.started_at)
    last = to_ms(session.last_frame_at or session.started_at)
    late = late or (first, last)
    return Mark(
        station_id=session.station_id,
        session=None if inferred else session.station_session,
        boot=NO_BOOT,
        seq=0,
        from_ms=min(first, late[0]),
        to_ms=max(last, late[1]),
    )
