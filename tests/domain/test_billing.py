"""From rated sessions to the numbers of a bill."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from billing_service.domain.bill import Bill, BillKind, Party
from billing_service.domain.billing import (
    bill_lines,
    credit_note,
    make_bill,
    make_collective_bill,
)
from billing_service.domain.cdr import Cdr
from billing_service.domain.errors import Conflict, CurrencyMismatch, NoTariff
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.session import Session, SessionStatus
from billing_service.domain.tariff import Dimension, PriceLimit, Tariff
from tests.domain.rating_builders import (
    START,
    element,
    energy,
    period,
    price,
    rated,
    tariff,
)
from tests.domain.test_rating_properties import ANY, ZONES, price_of, sessions

SUPPLIER = Party(name="Supplier", address=("Road 1", "12345 Town"), vat_id="DE123")
CUSTOMER = Party(name="Customer")
ISSUED = date(2026, 6, 30)


@dataclass(frozen=True)
class House:
    """A station."""

    id: str = "house"
    name: str = "House"
    time_zone: str = "Europe/Berlin"


def session(priced: Tariff | None, **more: Any) -> Session:
    """A completed session."""
    fields: dict[str, Any] = {
        "id": "s1",
        "station_id": "house",
        "station_session": "1",
        "user_id": "u1",
        "status": SessionStatus.COMPLETED,
        "started_at": START,
        "solar_wh": Decimal(3000),
        "grid_wh": Decimal(1000),
        "tariff": priced,
    }
    return Session(**(fields | more))


def bill_of(priced: Tariff, *periods: ChargingPeriod) -> Bill:
    """The bill of one session."""
    return make_bill(
        number="R2026-000001",
        issued_on=ISSUED,
        session=session(priced),
        station=House(),
        cdr=rated(priced, *periods),
        supplier=SUPPLIER,
        customer=CUSTOMER,
    )


HOME = tariff(
    element(energy("0.12", "19"), source=Source.SOLAR),
    element(energy("0.34", "19"), source=Source.GRID),
    element(price(Dimension.FLAT, "0.50", "19")),
)


def test_a_bill_adds_up() -> None:
    """3 kWh solar, 1 kWh grid and a start fee, with 19 % VAT once on their sum."""
    bill = bill_of(HOME, period(0, 60, 3000, Source.SOLAR), period(60, 90, 1000))
    assert [
        (line.description, line.quantity, line.unit, str(line.amount))
        for line in bill.sessions[0].lines
    ] == [
        ("Solar energy", Decimal(3), "kWh", "0.36"),
        ("Grid energy", Decimal(1), "kWh", "0.34"),
        ("Start fee", Decimal(1), "session", "0.50"),
    ]
    assert (str(bill.net), str(bill.vat), str(bill.total)) == ("1.20", "0.23", "1.43")
    assert bill.sessions[0].amount == bill.net
    assert (bill.solar_percent, bill.rounding) == (75, "ROUND_HALF_UP")


def test_lines_of_one_price_are_printed_once() -> None:
    """However often the source changes, each price is one line, rounded once."""
    cdr = rated(
        HOME,
        *(
            period(n, n + 1, "20.5", Source.SOLAR if n % 2 else Source.GRID)
            for n in range(100)
        ),
    )
    lines = bill_lines(cdr)
    assert len(cdr.lines) == 101
    assert [(line.source, line.quantity) for line in lines] == [
        (Source.SOLAR, Decimal("1.025")),
        (Source.GRID, Decimal("1.025")),
        (None, Decimal(1)),
    ]


def test_prices_of_day_and_night_stay_apart() -> None:
    """Each with the hours it holds."""
    lines = bill_lines(
        rated(
            tariff(
                element(energy("0.2"), start_time="22:00", end_time="06:00"),
                element(energy("0.3")),
            ),
            period(9 * 60, 11 * 60, 2000),
        )
    )
    assert [(line.unit_price, line.when) for line in lines] == [
        (Decimal("0.3"), ""),
        (Decimal("0.2"), "22:00–06:00"),
    ]


def test_each_line_is_rounded_half_up() -> None:
    """0.125 is 0.13, and its total is the sum of what is printed."""
    bill = bill_of(
        tariff(element(energy("0.125"), source=Source.SOLAR), element(energy("0.125"))),
        period(0, 60, 1000, Source.SOLAR),
        period(60, 120, 1000),
    )
    assert [str(line.amount) for line in bill.sessions[0].lines] == ["0.13", "0.13"]
    assert str(bill.total) == "0.26"


def test_vat_is_computed_per_rate() -> None:
    """On the sum of each rate's lines; what has no VAT is a rate of its own."""
    bill = bill_of(
        tariff(
            element(
                energy("0.10", "19"),
                price(Dimension.FLAT, "0.55", "7"),
                price(Dimension.TIME, "1"),
            )
        ),
        period(0, 60, 5500),
    )
    assert [
        (line.rate_percent, str(line.net), str(line.vat), str(line.gross))
        for line in bill.vat_lines
    ] == [
        (Decimal(19), "0.55", "0.10", "0.65"),
        (Decimal(7), "0.55", "0.04", "0.59"),
        (None, "1.00", "0.00", "1.00"),
    ]
    assert str(bill.total) == "2.24"


def test_prices_with_tax_make_a_total_without_a_stray_cent() -> None:
    """The driver pays the sum of the printed gross amounts; VAT is taken out of it."""
    priced = tariff(element(energy("0.35", "19")), tax_included=True)
    bill = bill_of(priced, period(0, 60, 9000))
    assert (str(bill.total), str(bill.vat), str(bill.net)) == ("3.15", "0.50", "2.65")
    assert bill.tax_included


def test_a_maximum_is_not_exceeded_by_rounding() -> None:
    """Lines that round up do not push the printed total over the limit."""
    priced = tariff(
        element(energy("1"), price(Dimension.FLAT, "0.506")),
        max_price=PriceLimit(excl_vat=Decimal(10)),
    )
    bill = bill_of(priced, period(0, 60, 12346))
    assert [str(line.amount) for line in bill.sessions[0].lines] == [
        "12.35",
        "0.51",
        "-2.86",
    ]
    assert str(bill.total) == "10.00"


def test_limits_keep_the_specification_s_totals_on_a_bill() -> None:
    """Maximum 10.00 without and 11.00 with VAT, over two VAT rates."""
    bill = bill_of(
        tariff(
            element(price(Dimension.FLAT, "0.5", "20"), energy("0.25", "10")),
            max_price=PriceLimit(excl_vat=Decimal(10), incl_vat=Decimal(11)),
        ),
        period(0, 60, 50000),
    )
    assert (str(bill.net), str(bill.total)) == ("10.00", "11.00")


def test_a_session_that_costs_nothing_has_a_bill() -> None:
    """Free solar energy is still shown."""
    bill = bill_of(
        tariff(element(energy("0", "19"))), period(0, 60, 3000, Source.SOLAR)
    )
    assert [(line.quantity, str(line.amount)) for line in bill.sessions[0].lines] == [
        (Decimal(3), "0.00")
    ]
    assert str(bill.total) == "0.00"


def test_a_currency_without_cents() -> None:
    """Yen are whole."""
    bill = bill_of(
        tariff(element(energy("31.5", "10")), currency="JPY"), period(0, 60, 3000)
    )
    assert (str(bill.net), str(bill.vat), str(bill.total)) == ("95", "10", "105")


def test_a_month_adds_its_sessions() -> None:
    """In order of time, VAT once over all."""
    cdr = rated(HOME, period(0, 60, 1000))
    bill = make_collective_bill(
        number="R2026-000002",
        issued_on=ISSUED,
        rated=[
            (
                session(HOME, id=f"s{n}"),
                House(),
                replace(cdr, started_at=START.replace(day=20 - n)),
            )
            for n in range(10)
        ],
        supplier=SUPPLIER,
        customer=CUSTOMER,
    )
    assert [s.session_id for s in bill.sessions][:2] == ["s9", "s8"]
    assert str(bill.net) == "8.40"
    assert str(bill.vat) == "1.60"


def collective(*cdrs: Cdr) -> Bill:
    """One bill over CDRs."""
    return make_collective_bill(
        number="1",
        issued_on=ISSUED,
        rated=[(session(HOME), House(), cdr) for cdr in cdrs],
        supplier=SUPPLIER,
        customer=CUSTOMER,
    )


def test_what_cannot_be_added_is_refused() -> None:
    """Two currencies, gross and net prices, or nothing at all."""
    cdr = rated(HOME, period(0, 60, 1000))
    with pytest.raises(CurrencyMismatch):
        collective(cdr, replace(cdr, currency="CHF"))
    with pytest.raises(Conflict):
        collective(cdr, replace(cdr, tax_included=True))
    with pytest.raises(ValueError, match="needs a session"):
        collective()


def test_a_session_without_a_tariff_has_no_bill() -> None:
    """It is an error, not zero."""
    with pytest.raises(NoTariff):
        make_bill(
            number="1",
            issued_on=ISSUED,
            session=session(None),
            station=House(),
            cdr=rated(HOME, period(0, 60, 1000)),
            supplier=SUPPLIER,
            customer=CUSTOMER,
        )


def test_a_credit_note_cancels_its_bill() -> None:
    """Every amount is negated, the facts stay, and the bill is named."""
    bill = bill_of(HOME, period(0, 60, 3000, Source.SOLAR), period(60, 90, 1000))
    note = credit_note(bill, number="C2026-000001", issued_on=ISSUED)
    assert (note.kind, note.corrects) == (BillKind.CREDIT_NOTE, bill.number)
    assert note.total == -bill.total
    assert note.vat_lines[0].vat == -bill.vat_lines[0].vat
    assert [line.amount for line in note.sessions[0].lines] == [
        -line.amount for line in bill.sessions[0].lines
    ]
    assert note.sessions[0].solar_wh == bill.sessions[0].solar_wh
    with pytest.raises(Conflict):
        credit_note(note, number="C2026-000002", issued_on=ISSUED)


@settings(max_examples=60, deadline=None)
@given(sessions(), ANY, ZONES)
def test_totals_are_sums_of_printed_lines(
    periods: list[ChargingPeriod], priced: Tariff, zone: str
) -> None:
    """For any session and tariff, to the cent."""
    cdr = price_of(periods, priced, zone)
    bill = make_bill(
        number="1",
        issued_on=ISSUED,
        session=session(priced),
        station=House(),
        cdr=cdr,
        supplier=SUPPLIER,
        customer=CUSTOMER,
    )
    amounts = sum(line.amount for line in bill.sessions[0].lines)
    assert amounts == (bill.total if bill.tax_included else bill.net)
    assert bill.net + bill.vat == bill.total
    for vat_line in bill.vat_lines:
        assert vat_line.net + vat_line.vat == vat_line.gross
    exact = cdr.total_cost.incl_vat if bill.tax_included else cdr.total_cost.excl_vat
    assert abs(amounts - exact) <= Decimal("0.005") * max(
        1, len(bill.sessions[0].lines)
    )
