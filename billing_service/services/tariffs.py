"""Tariffs, version by version."""

import asyncio
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from billing_service.domain.cdr import Cdr
from billing_service.domain.errors import (
    CdrInvalid,
    InvalidInput,
    NoTariff,
    NotFound,
    TariffInvalid,
)
from billing_service.domain.prices import PriceSlot, prices
from billing_service.domain.rating import rate_usages
from billing_service.domain.tariff import Tariff
from billing_service.domain.tariff_check import ensure_valid
from billing_service.domain.tariff_choice import Assignment
from billing_service.domain.usage import UsedSession
from billing_service.services.audit import Author
from billing_service.services.ports import (
    Clock,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    ReadUnitOfWork,
    Viewer,
)

LONGEST_CURVE = timedelta(days=62)
"""Over which prices may be asked for at once: two months."""

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Times beyond are typing errors, and near the ends of the calendar no zone can be asked."""

LONGEST_PREVIEW = timedelta(days=31)
MAX_PREVIEW_PERIODS = 1_000
MAX_PREVIEW_ELEMENTS = 200
"""A what-if is for people; anyone may ask for one, so that none may take minutes to rate."""


_STORABLE_ID = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]{1,36}", re.ASCII)
"""OCPI's CiString(36) of what stands unescaped in a segment of a URL (RFC 3986, pchar)."""

_ID_RULE = (
    "must be 1 to 36 letters, digits or any of ._~!$&'()*+,;=:@- to be stored: "
    "it stands in addresses"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffSet:
    """A stored version, whether it is new, and what may be a mistake in it."""

    tariff: Tariff
    new: bool
    warnings: tuple[tuple[str, str], ...]


class Tariffs:
    """Stores new versions; old ones never change."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        *,
        currency: str,
        time_zone: str = "UTC",
    ) -> None:
        """Take what it works with; ``currency`` is the one bills are issued in."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._currency = currency
        self._time_zone = time_zone

    async def visible(self, viewer: Viewer) -> list[Tariff]:
        """Return the newest version of each that is meant for the viewer, by id."""
        async with self._open_read() as read:
            hidden = await read.tariffs.hidden_from(viewer)
            return [each for each in await read.tariffs.all() if each.id not in hidden]

    async def latest(self, tariff_id: str, viewer: Viewer) -> Tariff:
        """Return the newest version. Raises NotFound, also when it is meant for others."""
        return (await self.versions(tariff_id, viewer))[0]

    async def in_force(self, viewer: Viewer, station_id: str) -> Tariff:
        """Return what the viewer would pay by at a station now. Raises NotFound, NoTariff."""
        async with self._open_read() as read:
            await read.stations.one(station_id, viewer)
            tariff = await read.tariffs.in_force(
                self._clock(), station_id=station_id, user_id=viewer.user_id
            )
        if tariff is None:
            raise NoTariff("No tariff covers a charge at this station now.")
        return tariff

    async def versions(self, tariff_id: str, viewer: Viewer) -> list[Tariff]:
        """Return all versions, the newest first. Raises NotFound, also for others' tariffs."""
        async with self._open_read() as read:
            versions = await read.tariffs.versions(tariff_id)
            hidden = await read.tariffs.hidden_from(viewer)
        if not versions or tariff_id in hidden:
            raise NotFound(f"there is no tariff {tariff_id}")
        return versions

    async def version(self, tariff_id: str, version: int, viewer: Viewer) -> Tariff:
        """Return one version. Raises NotFound."""
        for tariff in await self.versions(tariff_id, viewer):
            if tariff.version == version:
                return tariff
        raise NotFound(f"tariff {tariff_id} has no version {version}")

    async def prices(
        self,
        tariff_id: str,
        from_at: datetime,
        to_at: datetime,
        time_zone: str | None,
        viewer: Viewer,
        *,
        energy_kwh: Decimal,
        duration: timedelta,
    ) -> tuple[Tariff, tuple[PriceSlot, ...]]:
        """Return the newest version and its prices over time. Raises NotFound, InvalidInput.

        ``time_zone`` is the station's, None: the service's own. ``energy_kwh`` and ``duration``
        are what the session has used so far.
        """
        zone = time_zone or self._time_zone
        if not EARLIEST <= from_at <= LATEST:
            raise InvalidInput(("from", "must lie in the years 2000 to 2200"))
        if to_at <= from_at:
            raise InvalidInput(("to", "must be after from"))
        if to_at - from_at > LONGEST_CURVE:
            raise InvalidInput(
                ("to", f"may be at most {LONGEST_CURVE.days} days after from")
            )
        tariff = await self.latest(tariff_id, viewer)
        # A tariff of thousands of elements takes its time: not in the event loop.
        try:
            slots = await asyncio.to_thread(
                prices,
                tariff,
                from_at,
                to_at,
                zone,
                energy_kwh=energy_kwh,
                duration=duration,
            )
        except TariffInvalid as error:
            raise InvalidInput(*error.problems) from error
        return tariff, slots

    async def preview(
        self, tariff: Tariff, session: UsedSession
    ) -> tuple[Cdr, tuple[tuple[str, str], ...]]:
        """Rate a what-if; return it with the tariff's warnings. Nothing is stored.

        Raises TariffInvalid, CdrInvalid.
        """
        problems = []
        if session.ended_at - session.started_at > LONGEST_PREVIEW:
            problems.append(
                ("$.end_date_time", f"is {LONGEST_PREVIEW.days} days after the start")
            )
        if len(session.usages) > MAX_PREVIEW_PERIODS:
            problems.append(
                ("$.charging_periods", f"may be {MAX_PREVIEW_PERIODS} at most")
            )
        if session.currency not in (None, tariff.currency):
            problems.append(("$.currency", f"the tariff's is {tariff.currency}"))
        if problems:
            raise CdrInvalid(problems)
        if len(tariff.elements) > MAX_PREVIEW_ELEMENTS:
            raise TariffInvalid(
                (("$.elements", f"a preview takes {MAX_PREVIEW_ELEMENTS} at most"),)
            )

        def work() -> tuple[Cdr, tuple[tuple[str, str], ...]]:
            warnings = ensure_valid(tariff)
            cdr = rate_usages(
                session.usages,
                tariff,
                session.time_zone,
                started_at=session.started_at,
                ended_at=session.ended_at,
            )
            return cdr, warnings

        return await asyncio.to_thread(work)

    async def set(
        self, author: Author, tariff: Tariff, *, assigned_only: bool = False
    ) -> TariffSet:
        """Store a tariff as the next version of its id, whatever version it says.

        The same as the newest version stores nothing. A new tariff covers everyone at once, but
        with ``assigned_only`` nobody until it is assigned. Another that is assigned to nobody
        either is named in a warning. Raises TariffInvalid.
        """
        warnings = ensure_valid(tariff)
        problems = []
        # Clients take a dot, or two, for a step in the path.
        if not _STORABLE_ID.fullmatch(tariff.id) or tariff.id in (".", ".."):
            problems.append(("$.id", _ID_RULE))
        if tariff.currency != self._currency:
            problems.append(("$.currency", f"this service bills in {self._currency}"))
        if problems:
            raise TariffInvalid(tuple(problems))
        async with self._open_uow() as uow:
            newest = await uow.tariffs.latest(tariff.id)
            if newest is not None and newest == replace(tariff, version=newest.version):
                warnings += await self._for_everyone(uow, newest)
                return TariffSet(tariff=newest, new=False, warnings=warnings)
            version = 1 if newest is None else newest.version + 1
            tariff = replace(tariff, version=version)
            await uow.tariffs.add(tariff)
            if newest is None and assigned_only:
                now = self._clock()
                await uow.tariffs.save_assignment(
                    Assignment(
                        id=str(uuid4()), tariff_id=tariff.id, from_at=now, until_at=now
                    )
                )
            await uow.audit.add(
                at=self._clock(),
                actor=author.label,
                action="tariff.set",
                subject=f"tariff:{tariff.id}",
                before=None if newest is None else {"version": newest.version},
                after={"version": version, "name": tariff.name},
                address=author.address,
            )
            warnings += await self._for_everyone(uow, tariff)
            await uow.commit()
        return TariffSet(tariff=tariff, new=True, warnings=warnings)

    async def _for_everyone(
        self, uow: ReadUnitOfWork, tariff: Tariff
    ) -> tuple[tuple[str, str], ...]:
        """Warn where tariffs that are assigned to nobody stand in each other's way."""
        now = self._clock()
        at = max(now, tariff.valid_from or now)
        every = await uow.tariffs.unassigned(at)
        if len(every) < 2 or tariff.id not in {each.id for each in every}:
            return ()
        first = every[0]
        if first.id != tariff.id:
            text = (
                f"is assigned to nobody and covers nobody: {first.id} began later and covers"
                " everyone; assign one of them"
            )
        else:
            since = f" from {at:%Y-%m-%d %H:%M} UTC" if at > now else ""
            text = (
                f"is assigned to nobody, so{since} it covers everyone in place of"
                f" {every[1].id}: assign one of them, or set it with assigned_only"
            )
        return (("$", text),)
