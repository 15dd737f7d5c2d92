"""Gives out bills as PDF."""

import asyncio

from billing_service.domain.bill import Bill, BillKind
from billing_service.domain.proof import ChartPoint, sha256_of
from billing_service.services.evidence import chart_of
from billing_service.services.issuing import EVERYTHING
from billing_service.services.ports import (
    BillRenderer,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    ReadUnitOfWork,
    Viewer,
)


class BillDocuments:
    """Renders issued bills, and writes down which files it gives out.

    A later version may lay bills out otherwise. What an earlier one gave out is known all the same.
    """

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        render: BillRenderer,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._render = render

    async def pdf(self, number: str, viewer: Viewer) -> tuple[Bill, bytes]:
        """Return a bill or credit note as PDF. Raises NotFound."""
        async with self._open_read() as read:
            record = await read.bills.get(number, viewer)
            chart = await _chart_of(read, record.bill)
            known = {each.sha256 for each in await read.proofs.files(number)}
        document = await asyncio.to_thread(
            self._render, record.bill, chart, record.sha256
        )
        sha256 = sha256_of(document)
        if sha256 not in known:
            # Before it leaves: nobody may have a file that the service does not know.
            async with self._open_uow() as uow:
                await uow.proofs.give_out(number, sha256)
                await uow.commit()
        return record.bill, document


async def _chart_of(read: ReadUnitOfWork, bill: Bill) -> tuple[ChartPoint, ...]:
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
