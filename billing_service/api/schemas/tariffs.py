"""Tariffs: which hold, what is odd about them, what they cost."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    AwareDatetime,
    Field,
)

from billing_service import patterns
from billing_service.api.schemas.base import Group, In, Number, Out
from billing_service.domain.prices import PriceSlot
from billing_service.domain.tariff import PriceComponent


class TariffRef(Out):
    """The version of a tariff that was frozen into a session."""

    id: str
    version: int
    name: str


class WarningOut(Out):
    """What may be meant but is often a mistake."""

    path: str
    message: str


class TariffSetOut(Out):
    """A stored tariff as OCPI JSON."""

    tariff: dict[str, Any]
    new: bool
    warnings: list[WarningOut]


class PriceOut(Out):
    """A price: per kWh for energy, per hour for times, per session for ``flat``."""

    price: Number
    vat_percent: Number | None
    step_size: int

    @classmethod
    def of(cls, component: PriceComponent | None) -> Self | None:
        """Make it of a price component."""
        if component is None:
            return None
        return cls(
            price=component.price,
            vat_percent=component.vat,
            step_size=component.step_size,
        )


class PriceSlotOut(Out):
    """Prices that hold over [started_at, ended_at). Null: free."""

    started_at: datetime
    ended_at: datetime
    solar_energy: PriceOut | None
    grid_energy: PriceOut | None
    time: PriceOut | None
    parking_time: PriceOut | None
    flat: PriceOut | None

    @classmethod
    def of(cls, slot: PriceSlot) -> Self:
        """Make it of a slot."""
        return cls(
            started_at=slot.started_at,
            ended_at=slot.ended_at,
            solar_energy=PriceOut.of(slot.solar_energy),
            grid_energy=PriceOut.of(slot.grid_energy),
            time=PriceOut.of(slot.time),
            parking_time=PriceOut.of(slot.parking_time),
            flat=PriceOut.of(slot.flat),
        )


class PricesOut(Out):
    """A tariff's prices over time. ``tax_included``: the prices have VAT in them."""

    tariff_id: str
    version: int
    currency: str
    tax_included: bool
    energy_kwh: Number
    duration_s: int
    slots: list[PriceSlotOut]


class PreviewOut(Out):
    """A rated what-if: OCPI's CDR fields, and ``lines`` that say element, period and reason."""

    cdr: dict[str, Any]
    warnings: list[WarningOut]


Id = Annotated[str, Field(pattern=patterns.ID)]


class AssignmentIn(In):
    """Whom to cover with a tariff; what is left out does not restrict. From now unless told."""

    tariff_id: Annotated[str, Field(pattern=patterns.TARIFF_ID)]
    user_id: Id | None = None
    group: Group | None = None
    station_id: Annotated[str, Field(pattern=patterns.STATION_ID)] | None = None
    from_at: AwareDatetime | None = None
    until_at: AwareDatetime | None = None


class AssignmentOut(Out):
    """Whom a tariff covers over [from_at, until_at)."""

    id: str
    tariff_id: str
    user_id: str | None
    group: str | None
    station_id: str | None
    from_at: datetime | None
    until_at: datetime | None
