"""Sessions, bills and CDRs as streams: a few hundred at a time, each in a transaction of its own.

A viewer gets what they may see. What is added while a stream runs may or may not be in it; what
was there when it began is, once.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime

from billing_service.domain.bill import BilledSession, BillKind, BillRecord
from billing_service.domain.cdr import Cdr
from billing_service.domain.period import ChargingPeriod
from billing_service.domain.session import Session
from billing_service.domain.tariff import Tariff
from billing_service.services.issuing import EVERYTHING
from billing_service.services.ports import OpenReadUnitOfWork, ReadUnitOfWork, Viewer

AT_A_TIME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledCdr:
    """The CDR of a session on a bill, or on a credit note, with what it rests on.

    ``id`` is the document's number and the session's place on it; ``credits`` the id of the CDR
    that it takes back, with totals to be negated.
    """

    id: str
    session: Session
    record: BillRecord
    billed: BilledSession
    cdr: Cdr
    periods: tuple[ChargingPeriod, ...]
    tariff: Tariff | None
    credits: str | None = None


class Exports:
    """Reads everything a viewer may see, in order."""

    def __init__(self, open_read: OpenReadUnitOfWork) -> None:
        """Take what it works with."""
        self._open_read = open_read

    async def sessions(
        self,
        viewer: Viewer,
        *,
        started_from: datetime | None,
        started_to: datetime | None,
    ) -> AsyncIterator[Session]:
        """Yield sessions that began then (end excluded), oldest first."""
        after: tuple[datetime, str] | None = None
        while True:
            async with self._open_read() as read:
                part = await read.sessions.stretch(
                    viewer,
                    started_from=started_from,
                    started_to=started_to,
                    after=after,
                    limit=AT_A_TIME,
                )
            for session in part:
                yield session
            if len(part) < AT_A_TIME:
                return
            after = part[-1].started_at, part[-1].id

    async def bills(
        self, viewer: Viewer, *, issued_from: date | None, issued_to: date | None
    ) -> AsyncIterator[BillRecord]:
        """Yield bills and credit notes issued then (both days included), oldest first."""
        after: tuple[date, str] | None = None
        while True:
            async with self._open_read() as read:
                part = await read.bills.stretch(
                    viewer,
                    issued_from=issued_from,
                    issued_to=issued_to,
                    after=after,
                    limit=AT_A_TIME,
                )
            for record in part:
                yield record
            if len(part) < AT_A_TIME:
                return
            after = part[-1].bill.issued_on, part[-1].bill.number

    async def cdrs(
        self, viewer: Viewer, *, issued_from: date | None, issued_to: date | None
    ) -> AsyncIterator[BilledCdr]:
        """Yield the CDRs of bills and credit notes issued then, oldest first."""
        async for record in self.bills(
            viewer, issued_from=issued_from, issued_to=issued_to
        ):
            async with self._open_read() as read:
                found = await _cdrs(read, record)
            for each in found:
                yield each


async def _cdrs(read: ReadUnitOfWork, record: BillRecord) -> list[BilledCdr]:
    bill = record.bill
    credited = bill.corrects if bill.kind is BillKind.CREDIT_NOTE else None
    number = credited or bill.number
    cdrs = await read.bills.cdrs(number)
    evidence = await read.proofs.evidence(number)
    proofs = {each.session_id: each for each in evidence.sessions} if evidence else {}
    found = []
    for place, billed in enumerate(bill.sessions, 1):
        session = await read.sessions.get(billed.session_id, EVERYTHING)
        proof = proofs.get(billed.session_id)
        found.append(
            BilledCdr(
                id=f"{bill.number}-{place}",
                session=session,
                record=record,
                billed=billed,
                cdr=cdrs[billed.session_id],
                periods=proof.periods
                if proof
                else tuple(await read.sessions.periods(session.id)),
                tariff=proof.tariff if proof else session.tariff,
                credits=None if credited is None else f"{credited}-{place}",
            )
        )
    return found
