"""Short ways to write tariffs and sessions in rating tests."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from billing_service.domain.cdr import Cdr
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.rating import rate
from billing_service.domain.tariff import (
    DayOfWeek,
    Dimension,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
)

START = datetime(2026, 6, 15, 12, tzinfo=UTC)
"""A Monday noon."""


def at(minutes: float) -> datetime:
    """Minutes after START."""
    return START + timedelta(minutes=minutes)


def price(
    kind: Dimension, amount: str, vat: str | None = None, step_size: int = 0
) -> PriceComponent:
    """A price component."""
    return PriceComponent(
        type=kind,
        price=Decimal(amount),
        vat=None if vat is None else Decimal(vat),
        step_size=step_size,
    )


def energy(amount: str, vat: str | None = None, step_size: int = 0) -> PriceComponent:
    """A price per kWh."""
    return price(Dimension.ENERGY, amount, vat, step_size)


def element(*components: PriceComponent, **restrictions: Any) -> TariffElement:
    """A tariff element; ``start_time``/``end_time`` may be given as HH:MM."""
    for name in "start_time", "end_time":
        if isinstance(restrictions.get(name), str):
            restrictions[name] = time.fromisoformat(restrictions[name])
    for name in "min_kwh", "max_kwh", "min_power", "max_power":
        if name in restrictions:
            restrictions[name] = Decimal(restrictions[name])
    return TariffElement(
        price_components=components, restrictions=Restrictions(**restrictions)
    )


def tariff(*elements: TariffElement, **more: Any) -> Tariff:
    """A tariff in euro."""
    fields: dict[str, Any] = {
        "id": "t",
        "version": 1,
        "name": "Home",
        "currency": "EUR",
    }
    return Tariff(elements=elements, **(fields | more))


def period(
    start: float | datetime,
    end: float | datetime,
    wh: str | int = 0,
    source: Source = Source.GRID,
    **more: Any,
) -> ChargingPeriod:
    """A charging period, by minutes after START or by instants."""
    fields: dict[str, Any] = {"charging": True}
    return ChargingPeriod(
        started_at=start if isinstance(start, datetime) else at(start),
        ended_at=end if isinstance(end, datetime) else at(end),
        source=source,
        energy_wh=Decimal(wh),
        **(fields | more),
    )


def rated(priced: Tariff, *periods: ChargingPeriod, zone: str = "UTC") -> Cdr:
    """Rate a session that consists of the periods."""
    return rate(
        periods,
        priced,
        zone,
        started_at=min(p.started_at for p in periods),
        ended_at=max(p.ended_at for p in periods),
    )


WEEKEND = frozenset({DayOfWeek.SATURDAY, DayOfWeek.SUNDAY})
