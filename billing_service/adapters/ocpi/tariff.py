"""OCPI Tariff objects (mod_tariffs), with three additions of ours.

``name`` and ``version`` identify a version; ``restrictions.source`` prices energy by where it came
from. Of OCPI 2.3, ``tax_included`` is known. Numbers are written as strings, so that they survive
any JSON reader exactly; both strings and numbers are read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from billing_service.adapters.ocpi.reading import Reader
from billing_service.domain.errors import TariffInvalid
from billing_service.domain.period import Source
from billing_service.domain.tariff import (
    DayOfWeek,
    Dimension,
    PriceComponent,
    PriceLimit,
    Reservation,
    Restrictions,
    Tariff,
    TariffElement,
)
from billing_service.domain.tariff_check import (
    Finding,
    component_problems,
    limit_problems,
    restriction_problems,
)

_RESTRICTIONS = frozenset(
    {
        "start_time",
        "end_time",
        "start_date",
        "end_date",
        "min_kwh",
        "max_kwh",
        "min_current",
        "max_current",
        "min_power",
        "max_power",
        "min_duration",
        "max_duration",
        "day_of_week",
        "reservation",
        "source",
    }
)
_COMPONENT = frozenset({"type", "price", "vat", "step_size"})


@dataclass(slots=True)
class _Reader(Reader):
    """Remembers what could be read, so that it can be checked although something else could not."""

    components: list[tuple[str, PriceComponent]] = field(default_factory=list)
    restrictions: list[tuple[str, Restrictions]] = field(default_factory=list)
    limits: list[tuple[str, PriceLimit]] = field(default_factory=list)

    def wrong(self) -> Iterator[Finding]:
        """Yield what is wrong about the parts that could be read."""
        for path, limit in self.limits:
            yield from limit_problems(path, limit)
        for path, component in self.components:
            yield from component_problems(path, component)
        for path, restrictions in self.restrictions:
            yield from restriction_problems(path, restrictions)


def tariff_from_dict(data: object) -> Tariff:
    """Read an OCPI Tariff.

    Raises TariffInvalid when some of it cannot be read, with every problem there is. What can be
    read may still be wrong: ask ``tariff_check.check``.
    """
    reader = _Reader()
    tariff = _tariff(reader, data)
    if reader.problems or tariff is None:
        known = {path for path, _ in reader.problems}
        more = [finding for finding in reader.wrong() if finding[0] not in known]
        raise TariffInvalid((*reader.problems, *more))
    return tariff


def tariff_to_dict(tariff: Tariff) -> dict[str, Any]:
    """Write an OCPI Tariff; ``tariff_from_dict`` gives the same one back."""
    return _without_none(
        {
            "id": tariff.id,
            "version": tariff.version,
            "name": tariff.name,
            "currency": tariff.currency,
            "tax_included": "YES" if tariff.tax_included else "NO",
            "min_price": _limit_to_dict(tariff.min_price),
            "max_price": _limit_to_dict(tariff.max_price),
            "elements": [_element_to_dict(element) for element in tariff.elements],
            "start_date_time": tariff.valid_from and tariff.valid_from.isoformat(),
            "end_date_time": tariff.valid_until and tariff.valid_until.isoformat(),
        }
    )


def _tariff(reader: _Reader, data: object) -> Tariff | None:
    root = reader.mapping(data, "$")
    if root is None:
        return None
    tariff_id = reader.text(root, "id", "$", required=True, limit=36)
    currency = reader.currency(root, "currency", "$", required=True)
    version = reader.integer(root, "version", "$")
    name = reader.text(root, "name", "$")
    elements = tuple(
        _element(reader, path, value)
        for path, value in reader.items(root, "elements", "$")
    )
    min_price = _limit(reader, root, "min_price")
    max_price = _limit(reader, root, "max_price")
    valid_from = reader.instant(root, "start_date_time", "$")
    valid_until = reader.instant(root, "end_date_time", "$")
    tax_included = _tax_included(reader, root)
    if reader.problems or tariff_id is None or currency is None:
        return None
    return Tariff(
        id=tariff_id,
        version=1 if version is None else version,
        name=tariff_id if name is None else name,
        currency=currency,
        elements=tuple(element for element in elements if element is not None),
        tax_included=tax_included,
        min_price=min_price,
        max_price=max_price,
        valid_from=valid_from,
        valid_until=valid_until,
    )


def _tax_included(reader: _Reader, root: dict[str, Any]) -> bool:
    value = root.get("tax_included")
    if value in (None, False, "NO", "N/A"):
        return False
    if value in (True, "YES"):
        return True
    reader.problem("$.tax_included", f"must be one of YES, NO, N/A, not {value!r}")
    return False


def _limit(reader: _Reader, root: dict[str, Any], key: str) -> PriceLimit | None:
    path = f"$.{key}"
    if root.get(key) is None:
        return None
    data = reader.mapping(root[key], path)
    if data is None:
        return None
    excl_vat = reader.number(data, "excl_vat", path, required=True)
    incl_vat = reader.number(data, "incl_vat", path)
    if excl_vat is None:
        return None
    limit = PriceLimit(excl_vat=excl_vat, incl_vat=incl_vat)
    reader.limits.append((path, limit))
    return limit


def _element(reader: _Reader, path: str, value: object) -> TariffElement | None:
    data = reader.mapping(value, path)
    if data is None:
        return None
    components = [
        _component(reader, where, item)
        for where, item in reader.items(data, "price_components", path)
    ]
    return TariffElement(
        price_components=tuple(c for c in components if c is not None),
        restrictions=_restrictions(
            reader, f"{path}.restrictions", data.get("restrictions")
        ),
    )


def _component(reader: _Reader, path: str, value: object) -> PriceComponent | None:
    data = reader.mapping(value, path)
    if data is None:
        return None
    reader.known(data, path, _COMPONENT)
    dimension = reader.choice(data, "type", path, Dimension, required=True)
    price = reader.number(data, "price", path, required=True)
    vat = reader.number(data, "vat", path)
    step_size = reader.integer(data, "step_size", path)
    if dimension is None or price is None:
        return None
    component = PriceComponent(
        type=dimension,
        price=price,
        vat=vat,
        # OCPI demands a step; its smallest is one Wh or one second.
        step_size=1 if step_size is None else step_size,
    )
    reader.components.append((path, component))
    return component


def _restrictions(reader: _Reader, path: str, value: object) -> Restrictions:
    if value is None:
        return Restrictions()
    data = reader.mapping(value, path)
    if data is None:
        return Restrictions()
    reader.known(data, path, _RESTRICTIONS)
    restrictions = Restrictions(
        start_time=reader.clock(data, "start_time", path),
        end_time=reader.clock(data, "end_time", path),
        start_date=reader.day(data, "start_date", path),
        end_date=reader.day(data, "end_date", path),
        min_kwh=reader.number(data, "min_kwh", path),
        max_kwh=reader.number(data, "max_kwh", path),
        min_current=reader.number(data, "min_current", path),
        max_current=reader.number(data, "max_current", path),
        min_power=reader.number(data, "min_power", path),
        max_power=reader.number(data, "max_power", path),
        min_duration=reader.seconds(data, "min_duration", path),
        max_duration=reader.seconds(data, "max_duration", path),
        day_of_week=reader.choices(data, "day_of_week", path, DayOfWeek),
        reservation=reader.choice(data, "reservation", path, Reservation),
        source=reader.choice(data, "source", path, Source),
    )
    reader.restrictions.append((path, restrictions))
    return restrictions


def _element_to_dict(element: TariffElement) -> dict[str, Any]:
    restrictions = _restrictions_to_dict(element.restrictions)
    return _without_none(
        {
            "price_components": [
                _without_none(
                    {
                        "type": str(component.type),
                        "price": _number(component.price),
                        "vat": _number(component.vat),
                        "step_size": component.step_size,
                    }
                )
                for component in element.price_components
            ],
            "restrictions": restrictions or None,
        }
    )


def _restrictions_to_dict(r: Restrictions) -> dict[str, Any]:
    return _without_none(
        {
            "start_time": r.start_time and f"{r.start_time:%H:%M}",
            "end_time": r.end_time and f"{r.end_time:%H:%M}",
            "start_date": r.start_date and r.start_date.isoformat(),
            "end_date": r.end_date and r.end_date.isoformat(),
            "min_kwh": _number(r.min_kwh),
            "max_kwh": _number(r.max_kwh),
            "min_current": _number(r.min_current),
            "max_current": _number(r.max_current),
            "min_power": _number(r.min_power),
            "max_power": _number(r.max_power),
            "min_duration": _seconds(r.min_duration),
            "max_duration": _seconds(r.max_duration),
            "day_of_week": [str(d) for d in DayOfWeek if d in r.day_of_week] or None,
            "reservation": r.reservation and str(r.reservation),
            "source": r.source and str(r.source),
        }
    )


def _limit_to_dict(limit: PriceLimit | None) -> dict[str, Any] | None:
    if limit is None:
        return None
    return _without_none(
        {"excl_vat": _number(limit.excl_vat), "incl_vat": _number(limit.incl_vat)}
    )


def _number(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _seconds(value: timedelta | None) -> int | None:
    return None if value is None else value // timedelta(seconds=1)


def _without_none(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}
