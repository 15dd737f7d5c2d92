"""Corrections: what came late for a billed session, until an admin decides."""

from dataclasses import dataclass

from billing_service.domain.bill import Bill, BillRecord
from billing_service.domain.correction import Correction, CorrectionStatus
from billing_service.domain.errors import Conflict, NotFound
from billing_service.domain.frame import to_ms
from billing_service.domain.session import Session, SessionStatus
from billing_service.services.audit import Actor
from billing_service.services.issuing import (
    EVERYTHING,
    Issuer,
    NewMetering,
    rate_session,
)
from billing_service.services.ports import (
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    Page,
    UnitOfWork,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionDetail:
    """A correction, the bill it is about, and the one that would be, or was, issued instead.

    ``after`` is None when the bill stands, or was taken back without a new one.
    """

    correction: Correction
    before: BillRecord
    after: Bill | None


class Corrections:
    """Lists, confirms and dismisses corrections."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        issuer: Issuer,
        metering: NewMetering,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._issuer = issuer
        self._metering = metering

    async def page(
        self, status: CorrectionStatus | None, *, limit: int, offset: int
    ) -> Page[Correction]:
        """Return one page, newest first."""
        async with self._open_read() as read:
            return await read.corrections.page(status, limit=limit, offset=offset)

    async def get(self, actor: Actor, correction_id: str) -> CorrectionDetail:
        """Return one with both bills. Raises NotFound, Conflict.

        What an open one would lead to is found by doing it and leaving it undone.
        """
        async with self._open_uow() as uow:
            correction = await uow.corrections.get(correction_id)
            before = await uow.bills.get(correction.bill_number, EVERYTHING)
            after: Bill | None = None
            if correction.status is CorrectionStatus.OPEN:
                after = (await self._replace(uow, actor, correction)).bill
            elif correction.new_bill_number is not None:
                new = await uow.bills.get(correction.new_bill_number, EVERYTHING)
                after = new.bill
        return CorrectionDetail(correction=correction, before=before, after=after)

    async def confirm(self, actor: Actor, correction_id: str) -> CorrectionDetail:
        """Take the bill back, meter what came late, and issue a new bill of the same sessions.

        Other open corrections of the same bill are confirmed with it. Raises NotFound, Conflict,
        NoDriver, NoTariff.
        """
        async with self._open_uow() as uow:
            correction = await uow.corrections.get(correction_id)
            _must_be_open(correction)
            after = await self._replace(uow, actor, correction)
            correction = await uow.corrections.get(correction_id)
            before = await uow.bills.get(correction.bill_number, EVERYTHING)
            await uow.commit()
        return CorrectionDetail(correction=correction, before=before, after=after.bill)

    async def dismiss(
        self, actor: Actor, correction_id: str, *, reason: str
    ) -> CorrectionDetail:
        """Let the bill stand. Raises NotFound, Conflict."""
        async with self._open_uow() as uow:
            correction = await uow.corrections.get(correction_id)
            _must_be_open(correction)
            await self._close(
                uow, actor, correction, CorrectionStatus.DISMISSED, reason=reason
            )
            correction = await uow.corrections.get(correction_id)
            before = await uow.bills.get(correction.bill_number, EVERYTHING)
            await uow.commit()
        return CorrectionDetail(correction=correction, before=before, after=None)

    async def _replace(
        self, uow: UnitOfWork, actor: Actor, correction: Correction
    ) -> BillRecord:
        """Correct a bill in the transaction at hand; return the new one."""
        number = correction.bill_number
        before = await uow.bills.get(number, EVERYTHING)
        ids = [each.session_id for each in before.bill.sessions]
        await self._issuer.prepare(
            uow, [await uow.sessions.get(each, EVERYTHING) for each in ids]
        )
        pending = [
            each
            for each in await uow.corrections.of_bill(number)
            if each.status is CorrectionStatus.OPEN
        ]
        credited = await self._issuer.take_back(
            uow, actor, number, "meter readings came late"
        )
        for each in pending:
            late = (to_ms(each.late_from), to_ms(each.late_to))
            session = await uow.sessions.get(each.session_id, EVERYTHING)
            await self._metering().meter_again(uow, session, late)
        rated = [await rate_session(uow, session) for session in await _still(uow, ids)]
        if not rated:
            raise Conflict(f"Nothing is left of bill {number} to be billed.")
        after = await self._issuer.issue(uow, actor, rated, before.bill)
        for each in pending:
            await self._close(
                uow,
                actor,
                each,
                CorrectionStatus.CONFIRMED,
                credit_number=credited.note.number,
                new_bill_number=after.bill.number,
            )
        return after

    async def _close(
        self,
        uow: UnitOfWork,
        actor: Actor,
        correction: Correction,
        status: CorrectionStatus,
        **more: str,
    ) -> None:
        now = self._clock()
        if not await uow.corrections.close(
            correction.id, status, at=now, by=actor.label, **more
        ):
            raise Conflict("The correction was decided on in the meantime.")
        await uow.audit.add(
            at=now,
            actor=actor.label,
            action=f"correction.{status.value}",
            subject=f"correction:{correction.id}",
            before={"bill": correction.bill_number},
            after=dict(more),
            address=actor.address,
        )


def _must_be_open(correction: Correction) -> None:
    if correction.status is not CorrectionStatus.OPEN:
        raise Conflict(f"The correction is {correction.status} already.")


async def _still(uow: UnitOfWork, ids: list[str]) -> list[Session]:
    """Return the sessions that are still there: a late stretch may have joined two."""
    found = []
    for each in ids:
        try:
            session = await uow.sessions.get(each, EVERYTHING)
        except NotFound:
            continue
        if session.status is not SessionStatus.INVALID:
            found.append(session)
    return found
