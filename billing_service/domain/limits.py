"""Minimum and maximum price of a session, as lines that a bill can show.

OCPI binds the totals without and with VAT each on its own, so the adjustment of one is not the
other plus VAT. To keep the VAT of every rate right on a bill, the adjustment is split over two
rates of the tariff such that both totals come out exactly.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from billing_service.domain.cdr import CdrLine, Cost, Limit
from billing_service.domain.numbers import decimals
from billing_service.domain.tariff import Dimension, Tariff

_NOISE = Fraction(1, 10**9)


def adjustments(
    lines: Sequence[CdrLine], tariff: Tariff, started_at: datetime, ended_at: datetime
) -> list[CdrLine]:
    """Return the lines that bring a session's total within the tariff's limits; often none."""
    total = sum((line.cost for line in lines), Cost())
    target, limit = _clamped(total, tariff)
    net, gross = target.excl_vat - total.excl_vat, target.incl_vat - total.incl_vat
    if limit is None or (abs(net) < _NOISE and abs(gross) < _NOISE):
        return []
    parts = _split(Fraction(net), Fraction(gross), _rates(lines, tariff))
    excl = decimals(part[1] for part in parts)
    incl = decimals(part[2] for part in parts)
    word = "minimum" if limit is Limit.MIN_PRICE else "maximum"
    reason = (
        f"The {word} price applies: the total changes from {total.excl_vat:f} "
        f"({total.incl_vat:f} with VAT) to {target.excl_vat:f} "
        f"({target.incl_vat:f}) {tariff.currency}."
    )
    return [
        CdrLine(
            dimension=Dimension.FLAT,
            element=None,
            started_at=started_at,
            ended_at=ended_at,
            source=None,
            quantity=Decimal(1),
            price=incl[index] if tariff.tax_included else excl[index],
            vat=vat,
            cost=Cost(excl_vat=excl[index], incl_vat=incl[index]),
            reason=reason,
            limit=limit,
        )
        for index, (vat, _, _) in enumerate(parts)
    ]


def _clamped(total: Cost, tariff: Tariff) -> tuple[Cost, Limit | None]:
    excl, incl, applied = total.excl_vat, total.incl_vat, None
    for bound, limit, choose in (
        (tariff.min_price, Limit.MIN_PRICE, max),
        (tariff.max_price, Limit.MAX_PRICE, min),
    ):
        if bound is None:
            continue
        new_excl = choose(excl, bound.excl_vat)
        if bound.incl_vat is not None:
            new_incl = choose(incl, bound.incl_vat)
        elif new_excl != excl:
            # Only the net is limited; its VAT follows.
            new_incl = new_excl * _vat_factor(total, tariff)
        else:
            new_incl = incl
        if (new_excl, new_incl) != (excl, incl):
            excl, incl, applied = new_excl, new_incl, limit
    return Cost(excl_vat=excl, incl_vat=incl), applied


def _vat_factor(total: Cost, tariff: Tariff) -> Decimal:
    """Return gross over net: the session's own, or the tariff's when nothing was charged."""
    rates = [
        component.vat or Decimal(0)
        for element in tariff.elements
        for component in element.price_components
    ]
    if total.excl_vat and len(set(rates)) > 1:
        return total.incl_vat / total.excl_vat
    return 1 + (rates[0] if rates else Decimal(0)) / 100


def _rates(lines: Sequence[CdrLine], tariff: Tariff) -> list[Decimal | None]:
    found = {line.vat for line in lines} or {
        component.vat
        for element in tariff.elements
        for component in element.price_components
    }
    return sorted(found, key=lambda vat: (vat or 0, vat is not None)) or [None]


def _split(
    net: Fraction, gross: Fraction, rates: Sequence[Decimal | None]
) -> list[tuple[Decimal | None, Fraction, Fraction]]:
    """Split into (rate, net, gross) of the lowest and highest rate: two equations, two unknowns."""
    low, high = rates[0], rates[-1]
    low_factor, high_factor = _factor(low), _factor(high)
    if low_factor == high_factor:
        if abs(gross - net * high_factor) < _NOISE or high_factor == 1:
            return [(high, net, gross)]
        low, low_factor = None, Fraction(1)
    high_net = (gross - net * low_factor) / (high_factor - low_factor)
    parts = [
        (low, net - high_net, (net - high_net) * low_factor),
        (high, high_net, high_net * high_factor),
    ]
    return [part for part in parts if part[1]]


def _factor(vat: Decimal | None) -> Fraction:
    return 1 + Fraction(vat or 0) / 100
