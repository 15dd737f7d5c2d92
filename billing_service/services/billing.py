"""From a completed session to an issued bill."""

import asyncio
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol
from zoneinfo import ZoneInfo

from billing_service.domain.bill import Bill, BillKind, BillRecord, Party
from billing_service.domain.cdr import Cdr
from billing_service.domain.errors import (
    Conflict,
    NoDriver,
    NoTariff,
    SessionBilled,
    SessionOpen,
)
from billing_service.domain.frame import to_ms
from billing_service.domain.rating import rate
from billing_service.domain.session import Session, SessionFlag, SessionStatus
from billing_service.services.audit import Actor
from billing_service.services.chart import power_chart
from billing_service.services.ports import (
    BillRenderer,
    ChartPoint,
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    ReadUnitOfWork,
    Role,
    Station,
    UnitOfWork,
    Viewer,
)
from billing_service.services.sessions import OPEN

DRAFT_NUMBER = "DRAFT"

EVERYTHING = Viewer("", Role.ADMIN)
"""Sees all: for reading what a bill that its viewer may see rests on."""


class MakeBill(Protocol):
    """Makes a bill's numbers from a rated session; all arithmetic is the domain's."""

    def __call__(
        self,
        *,
        number: str,
        issued_on: date,
        session: Session,
        station: Station,
        cdr: Cdr,
        supplier: Party,
        customer: Party,
    ) -> Bill:
        """Return the bill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingSettings:
    """What bills say of who issues them.

    ``series`` begins each bill's number, ``credit_series`` each credit note's; ``time_zone`` is
    where the day of issue is taken.
    """

    supplier: Party
    series: str
    time_zone: str
    credit_series: str = "CN-"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBill:
    """A session's bill, issued or as it would be today; ``record`` is None for such a draft."""

    session: Session
    bill: Bill
    cdr: Cdr
    record: BillRecord | None = None


class Billing:
    """Drafts, issues and renders bills."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        make_bill: MakeBill,
        render: BillRenderer,
        settings: BillingSettings,
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._make_bill = make_bill
        self._render = render
        self._settings = settings

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
            session, station, cdr = await rated(read, session)
            customer = await customer_of(read, session)
        bill = self._make_bill(
            number=DRAFT_NUMBER,
            issued_on=self._today(),
            session=session,
            station=station,
            cdr=cdr,
            supplier=self._settings.supplier,
            customer=customer or Party(name=""),
        )
        return SessionBill(session=session, bill=bill, cdr=cdr)

    async def issue(self, actor: Actor, session_id: str) -> SessionBill:
        """Issue the bill of a completed session; it never changes after.

        Raises NotFound, SessionBilled, SessionOpen, NoDriver, NoTariff, Conflict.
        """
        async with self._open_uow() as uow:
            issued = await self.issue_in(uow, actor, session_id)
            await uow.commit()
        return issued

    async def issue_in(
        self, uow: UnitOfWork, actor: Actor, session_id: str
    ) -> SessionBill:
        """Do what ``issue`` does in the transaction at hand."""
        stored = await uow.sessions.get(session_id, actor.viewer)
        await uow.marks.hold(stored.station_id)
        stored = await uow.sessions.get(session_id, actor.viewer)
        if stored.bill_id is not None:
            raise SessionBilled(f"The session has bill {stored.bill_id} already.")
        session, station, cdr = await rated(uow, stored)
        customer = await customer_of(uow, session)
        if customer is None:
            raise NoDriver("Nobody drove this session: assign a driver first.")
        if session != stored:
            await uow.sessions.save(session)
        today = self._today()
        bill = await uow.bills.issue(
            session,
            cdr,
            lambda number: self._make_bill(
                number=number,
                issued_on=today,
                session=session,
                station=station,
                cdr=cdr,
                supplier=self._settings.supplier,
                customer=customer,
            ),
            series=self._settings.series,
            year=today.year,
        )
        await uow.audit.add(
            at=self._clock(),
            actor=actor.label,
            action="bill.issue",
            subject=f"bill:{bill.number}",
            after={
                "session_id": session_id,
                "total": str(bill.total),
                "currency": bill.currency,
                "tariff": f"{cdr.tariff_id} v{cdr.tariff_version}",
            },
            address=actor.address,
        )
        return SessionBill(
            session=replace(session, bill_id=bill.number),
            bill=bill,
            cdr=cdr,
            record=BillRecord(bill=bill, user_id=session.user_id),
        )

    async def pdf(self, session_id: str, viewer: Viewer) -> tuple[Bill, bytes]:
        """Return an issued bill as PDF. Raises NotFound, and Conflict while there is none."""
        async with self._open_read() as read:
            await read.sessions.get(session_id, viewer)
            bill = await read.bills.of_session(session_id)
            if bill is None:
                raise Conflict("The session's bill has not been issued yet.")
            chart = await chart_of(read, bill)
        return bill, await asyncio.to_thread(self._render, bill, chart)

    def _today(self) -> date:
        return self._clock().astimezone(ZoneInfo(self._settings.time_zone)).date()


async def rated(read: ReadUnitOfWork, session: Session) -> tuple[Session, Station, Cdr]:
    """Rate a completed session by its frozen tariff.

    The session is returned with a tariff that was made since, to hold from before it began. Raises
    SessionOpen, NoTariff, Conflict.
    """
    if session.status in OPEN:
        raise SessionOpen("The session is under way.")
    if session.status is not SessionStatus.COMPLETED or session.ended_at is None:
        raise Conflict("The session is not valid and cannot be billed.")
    station = await read.stations.get(session.station_id)
    if station is None:
        raise Conflict(f"The station {session.station_id} is not known.")
    tariff = session.tariff
    if tariff is None:
        tariff = await read.tariffs.in_force(
            session.started_at,
            station_id=session.station_id,
            user_id=session.user_id,
        )
        if tariff is None:
            raise NoTariff("No tariff covers the start of this session.")
        session = replace(session, tariff=tariff)
    cdr = rate(
        await read.sessions.periods(session.id),
        tariff,
        station.time_zone,
        started_at=session.started_at,
        ended_at=session.ended_at or session.started_at,
    )
    return session, station, cdr


async def customer_of(read: ReadUnitOfWork, session: Session) -> Party | None:
    """Return whom a session is billed to, None when nobody drove it."""
    user = None if session.user_id is None else await read.users.get(session.user_id)
    if user is None:
        return None
    return Party(
        name=user.full_name or user.name, address=user.address, email=user.email
    )


async def chart_of(read: ReadUnitOfWork, bill: Bill) -> tuple[ChartPoint, ...]:
    """Return the chart of a bill of one session; none for a month's, nor for a credit note."""
    if len(bill.sessions) != 1 or bill.kind is BillKind.CREDIT_NOTE:
        return ()
    (billed,) = bill.sessions
    session = await read.sessions.get(billed.session_id, EVERYTHING)
    if SessionFlag.INFERRED in billed.flags:
        frames = read.frames.unnamed(
            session.station_id, to_ms(billed.started_at), to_ms(billed.ended_at)
        )
    else:
        frames = read.frames.of_session(session.station_id, session.station_session)
    chart = await power_chart(frames, billed.started_at, billed.ended_at)
    return chart if any(point.solar_w or point.grid_w for point in chart) else ()
