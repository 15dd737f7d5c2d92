"""From rated sessions to the numbers of a bill.

A printed line joins the CDR's lines of one dimension, source, price and VAT rate, and is rounded
once. Every total is a sum of printed lines; VAT is computed once per rate, from those sums.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Protocol

from billing_service.domain.bill import (
    Bill,
    BilledSession,
    BillKind,
    BillLine,
    Party,
    Terms,
    VatLine,
)
from billing_service.domain.cdr import Cdr, CdrLine, Limit
from billing_service.domain.errors import Conflict, CurrencyMismatch, NoTariff
from billing_service.domain.money import round_money
from billing_service.domain.numbers import plain
from billing_service.domain.period import Source
from billing_service.domain.session import Session
from billing_service.domain.tariff import Dimension

_UNITS = {
    Dimension.ENERGY: "kWh",
    Dimension.TIME: "h",
    Dimension.PARKING_TIME: "h",
    Dimension.FLAT: "session",
}
# The order in which people look for things: energy, time, fees, then what adjusts them.
_ORDER = [Dimension.ENERGY, Dimension.TIME, Dimension.PARKING_TIME, Dimension.FLAT]
_SOURCES = [Source.SOLAR, Source.GRID, Source.NONE, None]
# Costs have 12 decimals; what is past the tenth is noise of thirds and must not tip a half cent.
_NOISE_FREE = Decimal("1e-10")


class StationFacts(Protocol):
    """What a bill says of a station."""

    @property
    def id(self) -> str:
        """Its identifier."""

    @property
    def name(self) -> str:
        """Its name for people."""

    @property
    def time_zone(self) -> str:
        """Its IANA time zone: periods are printed in it."""


def bill_lines(cdr: Cdr) -> tuple[BillLine, ...]:
    """Return a session's printed lines: each rounded once, half up.

    Where a minimum or maximum price applies, its line is what brings the printed lines to the
    rounded total, so that a maximum is not exceeded by a cent of rounding.
    """
    groups: dict[tuple[object, ...], list[CdrLine]] = {}
    for line in sorted(cdr.lines, key=_place):
        key: tuple[object, ...] = (line.limit, line.vat)
        if line.limit is None:
            key += (line.reservation, line.dimension, line.source, line.price)
        groups.setdefault(key, []).append(line)
    lines = [_line(cdr, members) for members in groups.values()]
    if lines and lines[-1].limit is not None:
        total = cdr.total_cost.incl_vat if cdr.tax_included else cdr.total_cost.excl_vat
        others = sum((line.amount for line in lines[:-1]), Decimal(0))
        amount = _rounded(total, cdr.currency) - others
        lines[-1] = replace(lines[-1], amount=amount, unit_price=amount)
    return tuple(lines)


def billed_session(session: Session, station: StationFacts, cdr: Cdr) -> BilledSession:
    """Return what a bill prints of a session. Raises NoTariff when none is frozen into it."""
    if session.tariff is None:
        raise NoTariff("No tariff covers the start of this session.")
    lines = bill_lines(cdr)
    return BilledSession(
        session_id=session.id,
        station_id=station.id,
        station_name=station.name,
        started_at=cdr.started_at,
        ended_at=cdr.ended_at,
        time_zone=station.time_zone,
        solar_wh=session.solar_wh,
        grid_wh=session.grid_wh,
        meter_start_wh=session.meter_start_wh,
        meter_stop_wh=session.meter_stop_wh,
        estimated_wh=session.estimated_wh,
        tariff_id=session.tariff.id,
        tariff_name=session.tariff.name,
        tariff_version=session.tariff.version,
        flags=tuple(sorted(session.flags)),
        lines=lines,
        estimates=cdr.estimates,
        amount=sum((line.amount for line in lines), Decimal(0)),
    )


def make_bill(
    *,
    number: str,
    issued_on: date,
    session: Session,
    station: StationFacts,
    cdr: Cdr,
    supplier: Party,
    customer: Party,
) -> Bill:
    """Return the bill of one session. Raises NoTariff."""
    return make_collective_bill(
        number=number,
        issued_on=issued_on,
        rated=[(session, station, cdr)],
        supplier=supplier,
        customer=customer,
    )


def make_collective_bill(
    *,
    number: str,
    issued_on: date,
    rated: Sequence[tuple[Session, StationFacts, Cdr]],
    supplier: Party,
    customer: Party,
) -> Bill:
    """Return one bill over several sessions, in order of time.

    Raises ValueError without a session, CurrencyMismatch, NoTariff, and Conflict when prices with
    and without VAT would have to be added.
    """
    if not rated:
        raise ValueError("a bill needs a session")
    currencies = sorted({cdr.currency for _, _, cdr in rated})
    if len(currencies) > 1:
        raise CurrencyMismatch(f"cannot bill {' and '.join(currencies)} together")
    if len({cdr.tax_included for _, _, cdr in rated}) > 1:
        raise Conflict(
            "Sessions priced with VAT and sessions priced without it need bills of their own."
        )
    currency, tax_included = currencies[0], rated[0][2].tax_included
    sessions = tuple(
        sorted(
            (billed_session(session, station, cdr) for session, station, cdr in rated),
            key=lambda session: (session.started_at, session.session_id),
        )
    )
    of_rates = vat_lines(
        (line for session in sessions for line in session.lines),
        currency,
        tax_included=tax_included,
    )
    return Bill(
        number=number,
        issued_on=issued_on,
        currency=currency,
        tax_included=tax_included,
        supplier=supplier,
        customer=customer,
        sessions=sessions,
        vat_lines=of_rates,
        net=_sum(line.net for line in of_rates),
        vat=_sum(line.vat for line in of_rates),
        total=_sum(line.gross for line in of_rates),
    )


def credit_note(bill: Bill, *, number: str, issued_on: date) -> Bill:
    """Return the document that takes a bill back: every quantity and amount negated.

    Raises Conflict for a credit note, which is corrected by a new bill instead.
    """
    if bill.kind is BillKind.CREDIT_NOTE:
        raise Conflict(f"{bill.number} is a credit note and cannot be credited.")
    return replace(
        bill,
        kind=BillKind.CREDIT_NOTE,
        corrects=bill.number,
        number=number,
        issued_on=issued_on,
        sessions=tuple(
            replace(
                session,
                amount=-session.amount,
                lines=tuple(
                    replace(line, quantity=-line.quantity, amount=-line.amount)
                    for line in session.lines
                ),
            )
            for session in bill.sessions
        ),
        vat_lines=tuple(
            replace(line, net=-line.net, vat=-line.vat, gross=-line.gross)
            for line in bill.vat_lines
        ),
        net=-bill.net,
        vat=-bill.vat,
        total=-bill.total,
        due_on=None,
        payment_info="",
        co2_g_per_kwh=None,
        co2_avoided_g=None,
    )


def with_terms(bill: Bill, terms: Terms) -> Bill:
    """Return a bill with what its supplier says on all of them.

    CO₂ avoided is the solar energy times what a kWh from the grid would have caused.
    """
    factor = (terms.co2_g_per_kwh or None) if bill.solar_wh else None
    avoided = None if factor is None else bill.solar_wh * factor / 1000
    untaxed = any(line.rate_percent is None for line in bill.vat_lines)
    return replace(
        bill,
        locale=terms.locale,
        verify_at=terms.verify_at,
        co2_g_per_kwh=factor,
        co2_avoided_g=None
        if avoided is None
        else avoided.quantize(Decimal(1), rounding=ROUND_HALF_UP),
        due_on=None
        if terms.payment_days is None
        else bill.issued_on + timedelta(days=terms.payment_days),
        notes=(terms.vat_note,) if untaxed and terms.vat_note else (),
        payment_info=terms.payment_info,
    )


def _place(line: CdrLine) -> tuple[bool, bool, int, int]:
    return (
        line.limit is not None,
        line.reservation is not None,
        _ORDER.index(line.dimension),
        _SOURCES.index(line.source),
    )


def _line(cdr: Cdr, members: Sequence[CdrLine]) -> BillLine:
    first = members[0]
    cost = sum(
        (m.cost.incl_vat if cdr.tax_included else m.cost.excl_vat for m in members),
        Decimal(0),
    )
    return BillLine(
        dimension=first.dimension,
        source=first.source,
        quantity=plain(sum((member.quantity for member in members), Decimal(0))),
        unit=_UNITS[first.dimension],
        unit_price=first.price,
        vat_percent=first.vat,
        amount=_rounded(cost, cdr.currency),
        description=_description(first),
        when="; ".join(dict.fromkeys(member.when for member in members if member.when)),
        limit=first.limit,
        reservation=first.reservation,
    )


def _description(line: CdrLine) -> str:
    match line.limit, line.dimension:
        case Limit.MIN_PRICE, _:
            return "Minimum price"
        case Limit.MAX_PRICE, _:
            return "Maximum price"
        case _, Dimension.FLAT:
            return "Reservation fee" if line.reservation else "Start fee"
        case _, Dimension.TIME:
            return "Reservation" if line.reservation else "Charging time"
        case _, Dimension.PARKING_TIME:
            return "Parking time"
        case _:
            return {Source.SOLAR: "Solar energy", Source.GRID: "Grid energy"}.get(
                line.source or Source.NONE, "Energy"
            )


def vat_lines(
    lines: Iterable[BillLine], currency: str, *, tax_included: bool
) -> tuple[VatLine, ...]:
    """Return the sums of printed lines by VAT rate, the highest rate first."""
    sums: dict[Decimal | None, Decimal] = {}
    for line in lines:
        sums[line.vat_percent] = sums.get(line.vat_percent, Decimal(0)) + line.amount
    result = []
    for rate, amount in sorted(
        sums.items(), key=lambda item: (item[0] is not None, item[0] or 0), reverse=True
    ):
        percent = rate or Decimal(0)
        if tax_included:
            vat = round_money(amount * percent / (100 + percent), currency)
            net, gross = amount - vat, amount
        else:
            vat = round_money(amount * percent / 100, currency)
            net, gross = amount, amount + vat
        result.append(VatLine(rate_percent=rate, net=net, vat=vat, gross=gross))
    return tuple(result)


def _rounded(cost: Decimal, currency: str) -> Decimal:
    return round_money(cost.quantize(_NOISE_FREE, rounding=ROUND_HALF_EVEN), currency)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
