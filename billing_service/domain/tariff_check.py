"""Is this tariff right, and is it what was meant? Asked before a version is stored.

Problems are what cannot be right: such a tariff is refused. Warnings are what may be meant but is
often a mistake. Both are (path, sentence) pairs; paths name the fields of the OCPI JSON.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product

from billing_service.domain.errors import TariffInvalid
from billing_service.domain.period import Source
from billing_service.domain.tariff import (
    DayOfWeek,
    Dimension,
    Moment,
    PriceComponent,
    PriceLimit,
    Reservation,
    Restrictions,
    Tariff,
    TariffElement,
    day_of,
)
from billing_service.domain.words import days_in_short

type Finding = tuple[str, str]

_MAX_TESTS = 300_000
"""Restrictions that a check may test; a tariff of thousands of elements is checked less closely."""

_MAX_PRICE = Decimal(1_000_000)
_MAX_STEP = 1_000_000
_SOME_MONDAY = date(2024, 1, 1)


def check(tariff: Tariff) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return (problems, warnings)."""
    problems = [*_header(tariff)]
    warnings: list[Finding] = []
    for index, element in enumerate(tariff.elements):
        problems += _element(f"$.elements[{index}]", element)
    if not problems:
        problems += _unreachable(tariff)
    if not problems:
        warnings += [*_gaps(tariff), *_doubts(tariff)]
    return tuple(problems), tuple(warnings)


def ensure_valid(tariff: Tariff) -> tuple[Finding, ...]:
    """Return the warnings. Raises TariffInvalid with every problem."""
    problems, warnings = check(tariff)
    if problems:
        raise TariffInvalid(problems)
    return warnings


def _header(tariff: Tariff) -> Iterator[Finding]:
    if not 1 <= len(tariff.id) <= 36:
        yield "$.id", "must have 1 to 36 characters"
    if not re.fullmatch("[A-Z]{3}", tariff.currency):
        yield "$.currency", "must be an ISO 4217 code such as EUR"
    if not tariff.elements:
        yield "$.elements", "must have at least one element"
    if (
        tariff.valid_from is not None
        and tariff.valid_until is not None
        and tariff.valid_until <= tariff.valid_from
    ):
        yield "$.end_date_time", "must be after start_date_time"
    low, high = tariff.min_price, tariff.max_price
    for name, limit in (("min_price", low), ("max_price", high)):
        if limit is not None:
            yield from limit_problems(f"$.{name}", limit)
    if low is not None and high is not None:
        if low.excl_vat > high.excl_vat:
            yield "$.max_price.excl_vat", "must not be below min_price.excl_vat"
        if (
            low.incl_vat is not None
            and high.incl_vat is not None
            and low.incl_vat > high.incl_vat
        ):
            yield "$.max_price.incl_vat", "must not be below min_price.incl_vat"


def limit_problems(path: str, limit: PriceLimit) -> Iterator[Finding]:
    """Yield what cannot be right about a minimum or maximum price."""
    for name, value in (("excl_vat", limit.excl_vat), ("incl_vat", limit.incl_vat)):
        if value is None:
            continue
        if not value.is_finite() or value < 0:
            yield f"{path}.{name}", "must be a number that is not negative"
            return
    if limit.incl_vat is not None and limit.incl_vat < limit.excl_vat:
        yield f"{path}.incl_vat", "must not be below excl_vat"


def _element(path: str, element: TariffElement) -> Iterator[Finding]:
    if not element.price_components:
        yield f"{path}.price_components", "must have at least one price component"
    seen: set[Dimension] = set()
    reserved = element.restrictions.reservation is not None
    for index, component in enumerate(element.price_components):
        where = f"{path}.price_components[{index}]"
        yield from component_problems(where, component)
        if component.type in seen:
            yield (
                f"{where}.type",
                (
                    f"{component.type} is priced twice in this element; "
                    "the second price is never reached"
                ),
            )
        seen.add(component.type)
        if reserved and component.type not in (Dimension.FLAT, Dimension.TIME):
            yield f"{where}.type", "a reservation can only have FLAT and TIME prices"
    yield from restriction_problems(f"{path}.restrictions", element.restrictions)


def component_problems(path: str, component: PriceComponent) -> Iterator[Finding]:
    """Yield what cannot be right about a price on its own."""
    if not component.price.is_finite() or abs(component.price) > _MAX_PRICE:
        yield f"{path}.price", f"must be a number of at most {_MAX_PRICE:,}"
    if component.vat is not None and not (
        component.vat.is_finite() and 0 <= component.vat <= 100
    ):
        yield f"{path}.vat", "must be a percentage from 0 to 100"
    if component.step_size < 0:
        yield f"{path}.step_size", "must not be negative"
    elif component.step_size > _MAX_STEP:
        yield f"{path}.step_size", f"must be at most {_MAX_STEP:,}"


def restriction_problems(path: str, r: Restrictions) -> Iterator[Finding]:
    """Yield what cannot be right about restrictions on their own."""
    ranges: Sequence[tuple[str, Decimal | timedelta | None, Decimal | timedelta | None]]
    ranges = (
        ("kwh", r.min_kwh, r.max_kwh),
        ("current", r.min_current, r.max_current),
        ("power", r.min_power, r.max_power),
        ("duration", r.min_duration, r.max_duration),
    )
    for name, low, high in ranges:
        yield from _range(path, name, low, high)
    if r.start_date is not None and r.end_date is not None:
        days = (r.end_date - r.start_date).days
        if days <= 0:
            yield (
                f"{path}.end_date",
                "must be after start_date (it is exclusive), or the element never applies",
            )
        elif r.day_of_week and not r.day_of_week.intersection(
            _weekdays(r.start_date, min(days, 7))
        ):
            yield f"{path}.day_of_week", "none of these days is between the dates"
    if r.source is Source.NONE:
        yield f"{path}.source", "must be solar or grid"


def _range(
    path: str,
    name: str,
    low: Decimal | timedelta | None,
    high: Decimal | timedelta | None,
) -> Iterator[Finding]:
    for side, value in (("min", low), ("max", high)):
        negative = (
            value < timedelta(0)
            if isinstance(value, timedelta)
            else value is not None and not (value.is_finite() and value >= 0)
        )
        if negative:
            yield f"{path}.{side}_{name}", "must be a number that is not negative"
            return
    if high is not None and not high:
        yield f"{path}.max_{name}", "must be above 0, or the element never applies"
    elif low is not None and high is not None and not _less(low, high):
        yield (
            f"{path}.max_{name}",
            f"must be above min_{name}, or the element never applies",
        )


def _less(low: Decimal | timedelta, high: Decimal | timedelta) -> bool:
    if isinstance(low, timedelta) and isinstance(high, timedelta):
        return low < high
    return isinstance(low, Decimal) and isinstance(high, Decimal) and bool(low < high)


@dataclass(frozen=True, slots=True)
class _Space:
    """Every moment that the restrictions on one dimension can tell apart."""

    members: tuple[tuple[int, int, Restrictions], ...]
    """(element, component, restrictions), in the tariff's order."""
    dimension: Dimension
    reservation: Reservation | None

    @property
    def small(self) -> bool:
        """Whether all of it can be looked at."""
        axes = self._axes()
        size = len(self.members)
        for axis in axes:
            size *= len(axis)
        return size <= _MAX_TESTS

    def moments(self) -> Iterator[Moment]:
        """Yield one moment of each cell that the thresholds cut."""
        days, times, energies, durations, sources, currents, powers = self._axes()
        for day, clock, energy, duration, source, current, power in product(
            days, times, energies, durations, sources, currents, powers
        ):
            yield Moment(
                local=datetime.combine(day, clock),
                energy_kwh=energy,
                duration=duration,
                source=source,
                current_a=current,
                power_kw=power,
                reservation=self.reservation,
            )

    def first(self, moment: Moment) -> tuple[int, int] | None:
        """Return the (element, component) that prices the moment."""
        for element, component, restrictions in self.members:
            if restrictions.hold(moment):
                return element, component
        return None

    def describe(self, moment: Moment) -> str:
        """Name the moment by what the restrictions look at."""
        words = []
        used = [restrictions for _, _, restrictions in self.members]
        if any(r.start_date or r.end_date for r in used):
            words.append(f"{moment.local:%Y-%m-%d}")
        elif any(r.day_of_week for r in used):
            words.append(day_of(moment.local).capitalize())
        if any(r.start_time or r.end_time for r in used):
            words.append(f"{moment.local:%H:%M}")
        if any(r.source for r in used) and moment.source is not None:
            words.append(f"source {moment.source}")
        if any(r.min_kwh or r.max_kwh for r in used):
            words.append(f"from {_number(moment.energy_kwh)} kWh")
        if any(r.min_duration or r.max_duration for r in used):
            words.append(f"from {moment.duration // timedelta(minutes=1)} min")
        if any(r.min_current or r.max_current for r in used):
            words.append(f"at {_number(moment.current_a)} A")
        if any(r.min_power or r.max_power for r in used):
            words.append(f"at {_number(moment.power_kw)} kW")
        return ", ".join(words)

    def _axes(
        self,
    ) -> tuple[
        list[date],
        list[time],
        list[Fraction],
        list[timedelta],
        Sequence[Source | None],
        list[Fraction],
        list[Fraction],
    ]:
        used = [restrictions for _, _, restrictions in self.members]
        times = {time.min}
        for r in used:
            times.update(t for t in (r.start_time, r.end_time) if t is not None)
        durations = {timedelta(0)}
        for r in used:
            durations.update(
                d for d in (r.min_duration, r.max_duration) if d is not None
            )
        return (
            _days(used),
            sorted(times),
            _thresholds((r.min_kwh, r.max_kwh) for r in used),
            sorted(durations),
            self._sources(used),
            _thresholds((r.min_current, r.max_current) for r in used),
            _thresholds((r.min_power, r.max_power) for r in used),
        )

    def _sources(self, used: Sequence[Restrictions]) -> Sequence[Source | None]:
        if not any(r.source for r in used):
            return (None,)
        if self.dimension is Dimension.ENERGY:
            return (Source.SOLAR, Source.GRID)
        return (Source.SOLAR, Source.GRID, Source.NONE)


def _days(used: Sequence[Restrictions]) -> list[date]:
    """Return a day of each kind: up to a week of each stretch between the dates that are named."""
    edges = {_SOME_MONDAY}
    named = {d for r in used for d in (r.start_date, r.end_date) if d is not None}
    if named:
        edges = {min(named) - timedelta(days=7), *named}
    longest = 7 if any(r.day_of_week for r in used) else 1
    ordered = sorted(edges)
    ends = [*ordered[1:], ordered[-1] + timedelta(days=longest)]
    return [
        left + timedelta(days=n)
        for left, right in zip(ordered, ends, strict=True)
        for n in range(min(longest, (right - left).days))
    ]


def _thresholds(
    limits: Iterable[tuple[Decimal | None, Decimal | None]],
) -> list[Fraction]:
    found = {Fraction(0)}
    for pair in limits:
        found.update(Fraction(limit) for limit in pair if limit is not None)
    return sorted(found)


def _spaces(tariff: Tariff) -> Iterator[_Space]:
    for reservation in (None, *Reservation):
        for dimension in Dimension:
            members = tuple(
                (i, j, element.restrictions)
                for i, element in enumerate(tariff.elements)
                if element.restrictions.reservation is reservation
                for j, component in enumerate(element.price_components)
                if component.type is dimension
            )
            if members:
                yield _Space(members, dimension, reservation)


def _unreachable(tariff: Tariff) -> Iterator[Finding]:
    for space in _spaces(tariff):
        if space.small:
            reached = {space.first(moment) for moment in space.moments()}
        else:
            reached = _reached_roughly(space)
        for element, component, _ in space.members:
            if (element, component) not in reached:
                yield (
                    f"$.elements[{element}].price_components[{component}]",
                    (
                        f"this {space.dimension} price is never reached: "
                        "elements before it cover every moment it applies to"
                    ),
                )


def _reached_roughly(space: _Space) -> set[tuple[int, int] | None]:
    seen: set[Restrictions] = set()
    reached: set[tuple[int, int] | None] = set()
    for element, component, restrictions in space.members:
        if Restrictions() not in seen and restrictions not in seen:
            reached.add((element, component))
        seen.add(restrictions)
    return reached


def _gaps(tariff: Tariff) -> Iterator[Finding]:
    for space in _spaces(tariff):
        if space.reservation or space.dimension is Dimension.FLAT or not space.small:
            continue
        free = [m for m in space.moments() if space.first(m) is None]
        if free:
            yield (
                "$.elements",
                (
                    f"{space.dimension} is priced at some moments and free at others, "
                    f"for example: {space.describe(free[0])}"
                ),
            )


def _doubts(tariff: Tariff) -> Iterator[Finding]:
    rates = {
        component.vat
        for element in tariff.elements
        for component in element.price_components
        if component.price
    }
    if None in rates and len(rates) > 1:
        yield "$.elements", "some prices have VAT and others have none"
    for index, element in enumerate(tariff.elements):
        restrictions = element.restrictions
        path = f"$.elements[{index}].restrictions"
        if (
            restrictions.start_time is not None
            and restrictions.start_time == restrictions.end_time
            and restrictions.start_time != time.min
        ):
            yield f"{path}.end_time", "is start_time: the element applies all day"
        elif (
            restrictions.day_of_week
            and restrictions.start_time is not None
            and restrictions.end_time is not None
            and time.min < restrictions.end_time < restrictions.start_time
        ):
            days = days_in_short(restrictions.day_of_week) or "every day"
            yield (
                f"{path}.day_of_week",
                (
                    f"the hours after midnight are those of the same days ({days}), "
                    "not of the days that follow"
                ),
            )
    known = [rate or Decimal(0) for rate in rates] or [Decimal(0)]
    for name, limit in (
        ("min_price", tariff.min_price),
        ("max_price", tariff.max_price),
    ):
        if limit is None or limit.incl_vat is None or not limit.excl_vat:
            continue
        rate = (limit.incl_vat / limit.excl_vat - 1) * 100
        if not min(known) - 1 <= rate <= max(known) + 1:
            yield (
                f"$.{name}",
                f"implies {rate:.1f} % VAT, which none of the prices has",
            )


def _weekdays(first: date, count: int) -> list[DayOfWeek]:
    return [day_of(first + timedelta(days=n)) for n in range(count)]


def _number(value: Fraction | None) -> str:
    return f"{float(value or 0):g}"
