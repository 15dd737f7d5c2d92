"""A driver's month on one bill. Repeating it bills nothing twice."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import groupby
from zoneinfo import ZoneInfo

from billing_service.domain.bill import Bill, BillRecord
from billing_service.domain.errors import Conflict, DomainError, NoDriver, NoTariff
from billing_service.domain.session import Session
from billing_service.services.audit import Author
from billing_service.services.evidence import Rated
from billing_service.services.issuing import Issuer, lacks_tariff, rate_session
from billing_service.services.ports import (
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    ReadUnitOfWork,
    Viewer,
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A session that could not be billed, and what is in the way."""

    session: Session
    error: DomainError


@dataclass(frozen=True, slots=True)
class MonthDrafts:
    """What a month's bills would say today."""

    bills: tuple[Bill, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class MonthIssued:
    """The bills that were issued now; none when all was billed before."""

    bills: tuple[BillRecord, ...]
    skipped: tuple[Skipped, ...]


class Months:
    """Drafts and issues one bill for each driver over a month's sessions that have none.

    A session belongs to the month in which it began, in the supplier's time zone. Sessions that
    come late, or that could not be billed yet, are on the bill of the next run. Sessions of two
    currencies, or priced with and without VAT, need a bill of each.
    """

    def __init__(
        self, open_uow: OpenUnitOfWork, open_read: OpenReadUnitOfWork, issuer: Issuer
    ) -> None:
        """Take what it works with."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._issuer = issuer

    async def drafts(
        self, month: date, viewer: Viewer, user_id: str | None = None
    ) -> MonthDrafts:
        """Return what is not billed yet: the viewer's own, an admin's are everyone's."""
        who = user_id if viewer.is_admin else viewer.user_id
        async with self._open_read() as read:
            sessions = await read.sessions.unbilled(*self._span(month), user_id=who)
            without = [each for each in sessions if lacks_tariff(each)]
            if not without:
                return await self._drafts(read, sessions)
        # A tariff made since may cover them: found out by doing it and leaving it undone.
        async with self._open_uow() as uow:
            await self._issuer.prepare(uow, without)
            sessions = await uow.sessions.unbilled(*self._span(month), user_id=who)
            return await self._drafts(uow, sessions)

    async def issue(
        self, author: Author, month: date, user_id: str | None = None
    ) -> MonthIssued:
        """Bill a month that is over: one driver's, or everyone's. Each driver's is one transaction.

        Raises Conflict while the month lasts.
        """
        first, end = self._span(month)
        if self._issuer.today() < end.astimezone(self._issuer.time_zone).date():
            raise Conflict(f"{month:%Y-%m} has not ended yet.")
        async with self._open_read() as read:
            found = await read.sessions.unbilled(first, end, user_id=user_id)
        bills: list[BillRecord] = []
        skipped = [
            Skipped(each, NoDriver("Nobody drove this session: assign a driver first."))
            for each in found
            if each.user_id is None
        ]
        drivers = sorted({each.user_id for each in found if each.user_id is not None})
        for driver in drivers:
            issued = await self._issue(author, first, end, driver)
            bills += issued.bills
            skipped += issued.skipped
        return MonthIssued(tuple(bills), tuple(skipped))

    async def _issue(
        self, author: Author, first: datetime, end: datetime, driver: str
    ) -> MonthIssued:
        async with self._open_uow() as uow:
            await self._issuer.prepare(
                uow, await uow.sessions.unbilled(first, end, user_id=driver)
            )
            sessions = await uow.sessions.unbilled(first, end, user_id=driver)
            rated, skipped = await _rated(uow, sessions)
            bills = [
                await self._issuer.issue(uow, author, group) for group in _groups(rated)
            ]
            await uow.commit()
        return MonthIssued(tuple(bills), tuple(skipped))

    async def _drafts(
        self, read: ReadUnitOfWork, sessions: Iterable[Session]
    ) -> MonthDrafts:
        rated, skipped = await _rated(read, sessions)
        bills = [await self._issuer.draft(read, group) for group in _groups(rated)]
        return MonthDrafts(tuple(bills), tuple(skipped))

    def _span(self, month: date) -> tuple[datetime, datetime]:
        """Return when a month begins and when the next one does."""
        first = month.replace(day=1)
        after = _next(first)
        return _midnight(first, self._issuer.time_zone), _midnight(
            after, self._issuer.time_zone
        )


async def _rated(
    read: ReadUnitOfWork, sessions: Iterable[Session]
) -> tuple[list[Rated], list[Skipped]]:
    rated: list[Rated] = []
    skipped: list[Skipped] = []
    for session in sessions:
        try:
            rated.append(await rate_session(read, session))
        except (NoTariff, Conflict) as error:
            skipped.append(Skipped(session, error))
    return rated, skipped


def _groups(rated: Iterable[Rated]) -> list[list[Rated]]:
    """Part sessions by what cannot stand on one bill."""

    def key(each: Rated) -> tuple[str, str, bool]:
        return each.session.user_id or "", each.cdr.currency, each.cdr.tax_included

    return [list(group) for _, group in groupby(sorted(rated, key=key), key=key)]


def last_month(today: date) -> date:
    """Return the first day of the month before."""
    if today.month == 1:
        return date(today.year - 1, 12, 1)
    return today.replace(month=today.month - 1, day=1)


def _next(first: date) -> date:
    if first.month == 12:
        return date(first.year + 1, 1, 1)
    return first.replace(month=first.month + 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)
