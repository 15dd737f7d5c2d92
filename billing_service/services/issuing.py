"""Issues bills and credit notes, in the transaction at hand."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from billing_service.domain.bill import Bill, BillKind, BillRecord, Party, Terms
from billing_service.domain.billing import (
    credit_note,
    make_collective_bill,
    with_terms,
)
from billing_service.domain.errors import (
    Conflict,
    NoDriver,
    NoTariff,
    NotFound,
    SessionOpen,
)
from billing_service.domain.proof import BillEvidence, Proof
from billing_service.domain.rating import rate
from billing_service.domain.session import Session, SessionStatus
from billing_service.services.audit import Author
from billing_service.services.evidence import Rated, evidence_of
from billing_service.services.metering import Metering
from billing_service.services.ports import (
    Clock,
    ReadUnitOfWork,
    Role,
    Supplier,
    UnitOfWork,
    Viewer,
)
from billing_service.services.sessions import OPEN, with_tariff_of_driver

DRAFT_NUMBER = "DRAFT"

EVERYTHING = Viewer("", Role.ADMIN)
"""Sees all: for what rests on something that its viewer was found to see."""

type NewMetering = Callable[[], Metering]


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingSettings:
    """What an installation says on bills.

    ``supplier`` holds until an admin sets another; ``time_zone`` is where the day of issue is
    taken. ``verify_at`` and ``co2_g_per_kwh``: see Terms.
    """

    supplier: Supplier
    time_zone: str
    verify_at: str = ""
    co2_g_per_kwh: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Credited:
    """A credit note, and the sessions that it freed to be billed anew."""

    note: Bill
    sessions: tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class Billed:
    """Whom a bill is for, and the locale that they want it in, if any."""

    party: Party
    locale: str = ""


class Issuer:
    """Drafts, issues and takes back bills.

    Who changes bills takes locks in one order, so that none waits for the other for ever: the
    metering of the stations concerned by their ids, then the numbers.
    """

    def __init__(
        self, clock: Clock, settings: BillingSettings, metering: NewMetering
    ) -> None:
        """Take what it works with; ``metering`` is made anew for each use: it remembers things."""
        self._clock = clock
        self._settings = settings
        self._metering = metering

    @property
    def time_zone(self) -> ZoneInfo:
        """Where the days and months of bills are counted."""
        return ZoneInfo(self._settings.time_zone)

    def today(self) -> date:
        """Return the day of issue."""
        return self._clock().astimezone(self.time_zone).date()

    async def supplier(self, read: ReadUnitOfWork) -> Supplier:
        """Return who issues bills now."""
        return await read.supplier.get() or self._settings.supplier

    async def prepare(self, uow: UnitOfWork, sessions: Iterable[Session]) -> None:
        """Hold the stations of sessions and bring them up to date; the caller reads them again.

        What waits there to be metered is metered, so that a bill need not be corrected at once.
        A session without a tariff gets one that was made since, to hold from before it began, and
        is cut where that changes its price.
        """
        sessions = [*sessions]
        await hold(uow, sessions)
        for each in sessions:
            try:
                session = await uow.sessions.get(each.id, EVERYTHING)
            except NotFound:
                continue
            if lacks_tariff(session):
                await with_tariff_of_driver(uow, session)
        for station_id in sorted({each.station_id for each in sessions}):
            await self._metering().catch_up(uow, station_id)

    async def draft(self, read: ReadUnitOfWork, rated: Sequence[Rated]) -> Bill:
        """Return what a bill over sessions of one driver would say today. Raises Conflict."""
        customer = await customer_of(read, rated[0].session)
        supplier = await self.supplier(read)
        return self._make(
            DRAFT_NUMBER, rated, supplier, customer or Billed(Party(name=""))
        )

    async def issue(
        self,
        uow: UnitOfWork,
        author: Author,
        rated: Sequence[Rated],
        instead_of: Bill | None = None,
    ) -> BillRecord:
        """Issue one bill over sessions of one driver; it never changes after.

        The caller holds their stations. Raises NoDriver, Conflict, SessionBilled.
        """
        driven = rated[0].session
        customer = await customer_of(uow, driven)
        if customer is None and driven.user_id is not None and instead_of is not None:
            # Who drove was erased. The bill that is corrected is the last to know them.
            customer = Billed(instead_of.customer, instead_of.locale)
        if customer is None:
            raise NoDriver("Nobody drove this session: assign a driver first.")
        place = await uow.proofs.next()
        supplier = await self.supplier(uow)
        bill = await uow.bills.issue_collective(
            [(each.session, each.cdr) for each in rated],
            lambda number: self._make(number, rated, supplier, customer),
            series=supplier.bill_series,
            year=self.today().year,
        )
        proof = await uow.proofs.add(place, await evidence_of(uow, bill, rated))
        tariffs = {f"{each.cdr.tariff_id} v{each.cdr.tariff_version}" for each in rated}
        await uow.audit.add(
            at=self._clock(),
            actor=author.label,
            action="bill.issue",
            subject=f"bill:{bill.number}",
            after={
                "session_ids": [each.session.id for each in rated],
                "total": str(bill.total),
                "currency": bill.currency,
                "tariffs": sorted(tariffs),
            }
            | _chained(proof),
            address=author.address,
        )
        return BillRecord(
            bill=bill, user_id=rated[0].session.user_id, sha256=proof.sha256
        )

    async def take_back(
        self, uow: UnitOfWork, author: Author, number: str, reason: str
    ) -> Credited:
        """Issue a bill's credit note and free its sessions. Raises NotFound, Conflict.

        The caller holds their stations, and decides on open corrections of the bill.
        """
        record = await uow.bills.get(number, EVERYTHING)
        if record.credited_by is not None:
            raise Conflict(
                f"Bill {number} was taken back by {record.credited_by} already."
            )
        if record.bill.kind is BillKind.CREDIT_NOTE:
            raise Conflict(f"{number} is a credit note and cannot be taken back.")
        today = self.today()
        place = await uow.proofs.next()
        supplier = await self.supplier(uow)
        note = await uow.bills.credit(
            record,
            lambda taken: credit_note(record.bill, number=taken, issued_on=today),
            series=supplier.credit_series,
            year=today.year,
            reason=reason,
        )
        proof = await uow.proofs.add(
            place, BillEvidence(bill=note, corrects_sha256=record.sha256)
        )
        sessions = [
            await uow.sessions.get(each.session_id, EVERYTHING)
            for each in record.bill.sessions
        ]
        await uow.audit.add(
            at=self._clock(),
            actor=author.label,
            action="bill.credit",
            subject=f"bill:{number}",
            before={"status": record.status.value, "total": str(record.bill.total)},
            after={
                "credit_note": note.number,
                "reason": reason,
                "session_ids": [session.id for session in sessions],
            }
            | _chained(proof),
            address=author.address,
        )
        return Credited(note, tuple(sessions))

    def _make(
        self,
        number: str,
        rated: Sequence[Rated],
        supplier: Supplier,
        customer: Billed,
    ) -> Bill:
        bill = make_collective_bill(
            number=number,
            issued_on=self.today(),
            rated=[(each.session, each.station, each.cdr) for each in rated],
            supplier=Party(
                name=supplier.name,
                address=supplier.address,
                vat_id=supplier.vat_id or None,
                email=supplier.email or None,
            ),
            customer=customer.party,
        )
        return with_terms(
            bill,
            Terms(
                locale=customer.locale or supplier.locale,
                verify_at=self._settings.verify_at,
                co2_g_per_kwh=self._settings.co2_g_per_kwh,
                vat_note=supplier.vat_note,
                payment_days=supplier.payment_days,
                payment_info=supplier.payment_info,
            ),
        )


def _chained(proof: Proof) -> dict[str, Any]:
    """Return what the audit log keeps of a bill's place in the chain."""
    return {
        "evidence": proof.sha256,
        "place": proof.ordinal,
        "previous": proof.previous,
        "link": proof.link,
    }


async def hold(uow: UnitOfWork, sessions: Iterable[Session]) -> None:
    """Keep metering away from the sessions' stations until the transaction ends."""
    for station_id in sorted({session.station_id for session in sessions}):
        await uow.marks.hold(station_id)


def lacks_tariff(session: Session) -> bool:
    """Whether a session could be billed, had it a tariff."""
    return (
        session.tariff is None
        and session.bill_id is None
        and session.status is SessionStatus.COMPLETED
    )


async def rate_session(read: ReadUnitOfWork, session: Session) -> Rated:
    """Rate a completed session by its frozen tariff. Raises SessionOpen, NoTariff, Conflict.

    See ``Issuer.prepare`` for one without.
    """
    if session.status in OPEN:
        raise SessionOpen("The session is under way.")
    if session.status is not SessionStatus.COMPLETED or session.ended_at is None:
        raise Conflict("The session is not valid and cannot be billed.")
    station = await read.stations.get(session.station_id)
    if station is None:
        raise Conflict(f"The station {session.station_id} is not known.")
    if session.tariff is None:
        raise NoTariff("No tariff covers the start of this session.")
    cdr = rate(
        await read.sessions.periods(session.id),
        session.tariff,
        station.time_zone,
        started_at=session.started_at,
        ended_at=session.ended_at,
    )
    return Rated(session, station, cdr)


async def customer_of(read: ReadUnitOfWork, session: Session) -> Billed | None:
    """Return whom a session is billed to, None when nobody drove it."""
    user = None if session.user_id is None else await read.users.get(session.user_id)
    if user is None:
        return None
    own = await read.customers.get(user.id)
    party = Party(
        name=own.name or user.full_name or user.name,
        address=own.address or user.address,
        vat_id=own.vat_id or None,
        email=own.email or user.email,
    )
    return Billed(party, own.locale)
