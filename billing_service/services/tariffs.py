"""Tariffs, version by version."""

from dataclasses import dataclass, replace

from billing_service.domain.errors import NotFound, TariffInvalid
from billing_service.domain.tariff import Tariff
from billing_service.domain.tariff_check import ensure_valid
from billing_service.services.audit import Author
from billing_service.services.ports import Clock, OpenReadUnitOfWork, OpenUnitOfWork


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
    ) -> None:
        """Take what it works with; ``currency`` is the one bills are issued in."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._currency = currency

    async def all(self) -> list[Tariff]:
        """Return the newest version of each, by id."""
        async with self._open_read() as read:
            return await read.tariffs.all()

    async def latest(self, tariff_id: str) -> Tariff:
        """Return the newest version. Raises NotFound."""
        async with self._open_read() as read:
            tariff = await read.tariffs.latest(tariff_id)
        if tariff is None:
            raise NotFound(f"there is no tariff {tariff_id}")
        return tariff

    async def set(self, author: Author, tariff: Tariff) -> TariffSet:
        """Store a tariff as the next version of its id, whatever version it says.

        The same as the newest version stores nothing. Raises TariffInvalid.
        """
        warnings = ensure_valid(tariff)
        if tariff.currency != self._currency:
            raise TariffInvalid(
                (("$.currency", f"this service bills in {self._currency}"),)
            )
        async with self._open_uow() as uow:
            newest = await uow.tariffs.latest(tariff.id)
            if newest is not None and newest == replace(tariff, version=newest.version):
                return TariffSet(tariff=newest, new=False, warnings=warnings)
            version = 1 if newest is None else newest.version + 1
            tariff = replace(tariff, version=version)
            await uow.tariffs.add(tariff)
            await uow.audit.add(
                at=self._clock(),
                actor=author.label,
                action="tariff.set",
                subject=f"tariff:{tariff.id}",
                before=None if newest is None else {"version": newest.version},
                after={"version": version, "name": tariff.name},
                address=author.address,
            )
            await uow.commit()
        return TariffSet(tariff=tariff, new=True, warnings=warnings)
