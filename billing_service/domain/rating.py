"""What a session costs: a pure function of its charging periods and the tariff (OCPI 2.2.1).

Inside, quantities are exact fractions. They become decimals once, at the edge, to 12 places, in
such a way that the lines still sum to the totals exactly.

``step_size`` follows mod_cdrs: once per session for energy and once for charging and parking time
together, on the last of them that was priced. The total of that dimension over the session is
rounded up by the last price's step, and what is added costs the last price.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from math import ceil

from billing_service.domain.cdr import Cdr, CdrLine, Cost, Estimate
from billing_service.domain.clock import zone
from billing_service.domain.limits import adjustments
from billing_service.domain.numbers import decimal, decimals
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.tariff import (
    Dimension,
    Moment,
    PriceComponent,
    Reservation,
    Tariff,
)
from billing_service.domain.usage import (
    US_PER_HOUR,
    US_PER_SECOND,
    WH_PER_KWH,
    Exact,
    Piece,
    Usage,
    charging_from,
    check,
    cut,
    from_us,
    moment_of,
    to_us,
    usage_of,
)
from billing_service.domain.words import restrictions_in_short


def rate(
    periods: Iterable[ChargingPeriod],
    tariff: Tariff,
    time_zone: str | tzinfo,
    *,
    started_at: datetime,
    ended_at: datetime,
) -> Cdr:
    """Rate a session's charging periods, in whatever order they come.

    Raises ValueError for periods that overlap, end before they start, or have negative energy,
    and TariffInvalid for an unknown time zone.
    """
    periods = sorted(periods, key=lambda period: (period.started_at, period.ended_at))
    cdr = rate_usages(
        map(usage_of, periods),
        tariff,
        time_zone,
        started_at=started_at,
        ended_at=ended_at,
    )
    return replace(cdr, estimates=_estimates(periods))


def _estimates(periods: Iterable[ChargingPeriod]) -> tuple[Estimate, ...]:
    """Return the stretches whose energy is estimated, neighbours joined."""
    found: list[Estimate] = []
    for period in periods:
        if not period.estimated:
            continue
        if found and found[-1].ended_at == period.started_at:
            before = found.pop()
            started_at, energy_wh = before.started_at, before.energy_wh
        else:
            started_at, energy_wh = period.started_at, Decimal(0)
        found.append(
            Estimate(
                started_at=started_at,
                ended_at=period.ended_at,
                energy_wh=energy_wh + period.energy_wh,
            )
        )
    return tuple(found)


def rate_usages(
    usages: Iterable[Usage],
    tariff: Tariff,
    time_zone: str | tzinfo,
    *,
    started_at: datetime,
    ended_at: datetime,
) -> Cdr:
    """Rate what was used; see ``rate``."""
    tz = zone(time_zone)
    ordered = sorted(usages, key=lambda usage: (usage.started_at, usage.ended_at))
    check(ordered, started_at, ended_at)
    charges = _charges(cut(ordered, tariff, tz, started_at), tariff, tz, started_at)
    steps = _apply_steps(charges)
    lines = _lines(charges, steps, tariff)
    lines += adjustments(lines, tariff, started_at, ended_at)

    reserved = sum(
        (u.ended_at - u.started_at for u in ordered if u.reservation), timedelta(0)
    )
    parked = sum(
        (
            u.ended_at - u.started_at
            for u in ordered
            if u.time_dimension is Dimension.PARKING_TIME
        ),
        timedelta(0),
    )
    return Cdr(
        currency=tariff.currency,
        tariff_id=tariff.id,
        tariff_version=tariff.version,
        tax_included=tariff.tax_included,
        started_at=started_at,
        ended_at=ended_at,
        total_energy_kwh=_kwh(ordered),
        solar_energy_kwh=_kwh(u for u in ordered if u.source is Source.SOLAR),
        grid_energy_kwh=_kwh(u for u in ordered if u.source is Source.GRID),
        total_time=ended_at - started_at - reserved,
        total_parking_time=parked,
        total_cost=_total(lines),
        total_fixed_cost=_total(
            line
            for line in lines
            if line.dimension is Dimension.FLAT
            and line.limit is None
            and line.reservation is None
        ),
        total_energy_cost=_total(
            line for line in lines if line.dimension is Dimension.ENERGY
        ),
        total_time_cost=_total(
            line
            for line in lines
            if line.dimension is Dimension.TIME and line.reservation is None
        ),
        total_parking_cost=_total(
            line for line in lines if line.dimension is Dimension.PARKING_TIME
        ),
        total_reservation_cost=_total(
            line for line in lines if line.reservation is not None
        ),
        lines=tuple(lines),
    )


@dataclass(slots=True)
class _Charge:
    """One price applied to one stretch. ``quantity`` is Wh, µs, or 1 for FLAT."""

    dimension: Dimension
    element: int
    component: PriceComponent
    start: Exact
    end: Exact
    quantity: Exact
    source: Source | None
    reservation: Reservation | None

    def continues(self, other: _Charge) -> bool:
        """Whether the other is the same price at the same terms, right before this one."""
        return (
            self.dimension is other.dimension
            and self.element == other.element
            and self.component is other.component
            and self.source is other.source
            and self.reservation is other.reservation
            and self.start == other.end
        )


def _charges(
    pieces: Sequence[Piece], tariff: Tariff, tz: tzinfo, session_started_at: datetime
) -> list[_Charge]:
    """Find each piece's prices and join neighbours that share one."""
    counted_from = charging_from([p.usage for p in pieces], session_started_at)
    charges: list[_Charge] = []
    open_charges: dict[tuple[Dimension, bool], _Charge] = {}
    flat_charged: set[bool] = set()

    def add(piece: Piece, moment: Moment, dimension: Dimension, used: Exact) -> bool:
        found = tariff.component(dimension, moment)
        if found is None:
            return False
        element, component = found
        by_source = (
            dimension is Dimension.ENERGY
            or tariff.elements[element].restrictions.source is not None
        )
        charge = _Charge(
            dimension=dimension,
            element=element,
            component=component,
            start=piece.start,
            end=piece.start if dimension is Dimension.FLAT else piece.end,
            quantity=used,
            source=moment.source if by_source else None,
            reservation=moment.reservation,
        )
        key = (dimension, moment.reservation is not None)
        last = open_charges.get(key)
        if last is not None and charge.continues(last):
            last.end = charge.end
            last.quantity += charge.quantity
        else:
            open_charges[key] = charge
            charges.append(charge)
        return True

    if not pieces:
        # Nothing was used: only a start fee can apply, at the moment the session began.
        empty = Usage(
            started_at=session_started_at,
            ended_at=session_started_at,
            time_dimension=None,
        )
        at = to_us(session_started_at)
        pieces = [Piece(empty, at, at, Fraction(0), Fraction(0))]
    for piece in pieces:
        moment = moment_of(piece, tariff, tz, counted_from)
        reserved = moment.reservation is not None
        if reserved not in flat_charged and add(piece, moment, Dimension.FLAT, 1):
            flat_charged.add(reserved)
        if piece.energy_wh:
            add(piece, moment, Dimension.ENERGY, piece.energy_wh)
        if piece.usage.time_dimension is not None and piece.end > piece.start:
            add(piece, moment, piece.usage.time_dimension, piece.end - piece.start)
    return charges


def _apply_steps(charges: Sequence[_Charge]) -> dict[int, Exact]:
    """Round up the last priced energy and the last priced time; return what was added, by index."""
    added: dict[int, Exact] = {}
    for group in (
        {(Dimension.ENERGY, False)},
        {(Dimension.TIME, False), (Dimension.PARKING_TIME, False)},
        {(Dimension.TIME, True)},
    ):
        members = [
            index
            for index, charge in enumerate(charges)
            if (charge.dimension, charge.reservation is not None) in group
        ]
        if not members:
            continue
        index = max(members, key=lambda i: (charges[i].start, i))
        last = charges[index]
        step = last.component.step_size * (
            1 if last.dimension is Dimension.ENERGY else US_PER_SECOND
        )
        if step <= 0:
            continue
        used = sum(
            (
                charges[i].quantity
                for i in members
                if charges[i].dimension is last.dimension
            ),
            Fraction(0),
        )
        extra = ceil(used / step) * step - used
        if extra:
            last.quantity += extra
            added[index] = extra
    return added


def _lines(
    charges: Sequence[_Charge], added: dict[int, Exact], tariff: Tariff
) -> list[CdrLine]:
    units = [_in_units(charge) for charge in charges]
    exact = [
        _cost(charge, quantity, tariff)
        for charge, quantity in zip(charges, units, strict=True)
    ]
    excl = decimals(cost[0] for cost in exact)
    incl = decimals(cost[1] for cost in exact)
    quantities: dict[int, Decimal] = {}
    for dimension in Dimension:
        members = [i for i, c in enumerate(charges) if c.dimension is dimension]
        shown = decimals(units[i] for i in members)
        quantities.update(zip(members, shown, strict=True))
    when = [restrictions_in_short(element.restrictions) for element in tariff.elements]
    return [
        CdrLine(
            dimension=charge.dimension,
            element=charge.element,
            started_at=from_us(charge.start),
            ended_at=from_us(charge.end),
            source=charge.source,
            quantity=quantities[index],
            price=charge.component.price,
            vat=charge.component.vat,
            cost=Cost(excl_vat=excl[index], incl_vat=incl[index]),
            reason=_reason(charge, added.get(index), tariff, when[charge.element]),
            when=when[charge.element],
            reservation=charge.reservation,
        )
        for index, charge in enumerate(charges)
    ]


def _cost(
    charge: _Charge, quantity: Fraction, tariff: Tariff
) -> tuple[Fraction, Fraction]:
    """Return the exact cost without and with VAT."""
    cost = quantity * Fraction(charge.component.price)
    if not charge.component.vat:
        return cost, cost
    factor = 1 + Fraction(charge.component.vat) / 100
    if tariff.tax_included:
        return cost / factor, cost
    return cost, cost * factor


def _in_units(charge: _Charge) -> Fraction:
    match charge.dimension:
        case Dimension.ENERGY:
            return Fraction(charge.quantity, WH_PER_KWH)
        case Dimension.FLAT:
            return Fraction(charge.quantity)
        case _:
            return Fraction(charge.quantity, US_PER_HOUR)


def _reason(charge: _Charge, added: Exact | None, tariff: Tariff, when: str) -> str:
    source = tariff.elements[charge.element].restrictions.source
    terms = [when] if when else []
    if source is not None:
        terms.insert(0, f"{source} only")
    reason = (
        f"Element {charge.element} is the first that prices {charge.dimension} "
        + (f"when it applies ({'; '.join(terms)})" if terms else "without restriction")
    )
    if added is not None:
        step = charge.component.step_size
        if charge.dimension is Dimension.ENERGY:
            reason += (
                f"; billed in steps of {step} Wh: {decimal(Fraction(added)):f} Wh added"
            )
        else:
            seconds = decimal(Fraction(added) / US_PER_SECOND)
            reason += f"; billed in steps of {step} s: {seconds:f} s added"
    return reason + "."


def _total(lines: Iterable[CdrLine]) -> Cost:
    return sum((line.cost for line in lines), Cost())


def _kwh(usages: Iterable[Usage]) -> Decimal:
    return sum((usage.energy_wh for usage in usages), Decimal(0)).scaleb(-3)
