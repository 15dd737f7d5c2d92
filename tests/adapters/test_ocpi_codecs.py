"""OCPI tariffs and CDRs, and bills, as JSON: exact both ways, and problems named one by one."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from billing_service.adapters.bill_json import (
    bill_from_dict,
    bill_to_dict,
    cdr_from_dict,
    cdr_to_dict,
)
from billing_service.adapters.ocpi import (
    session_from_ocpi,
    tariff_from_dict,
    tariff_to_dict,
)
from billing_service.adapters.rate_command import RateRefused, rate_files
from billing_service.domain.billing import make_bill
from billing_service.domain.errors import CdrInvalid, TariffInvalid
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.tariff import Dimension, PriceComponent, Reservation, Tariff
from tests.adapters import ocpi_examples as ex
from tests.domain.rating_builders import START, element, energy, tariff
from tests.domain.test_billing import CUSTOMER, HOME, SUPPLIER, House, session
from tests.domain.test_rating_properties import ANY, ZONES, price_of, sessions

NOON, ONE = "2019-02-04T12:00:00Z", "2019-02-04T13:00:00Z"


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_a_tariff_survives_json(priced: Tariff) -> None:
    """Written, sent as text, and read again it is the same."""
    assert tariff_from_dict(json.loads(json.dumps(tariff_to_dict(priced)))) == priced


def test_every_restriction_survives_json() -> None:
    """Also those that random tariffs rarely have."""
    priced = tariff(
        element(
            energy("0.1234567890123"),
            start_date=date(2026, 1, 1),
            end_date=date(2026, 2, 1),
            min_current=Decimal(6),
            max_current=Decimal(32),
            min_power="1.5",
            max_power="11",
            source=Source.GRID,
        ),
        element(
            PriceComponent(type=Dimension.FLAT, price=Decimal(-2)),
            reservation=Reservation.RESERVATION_EXPIRES,
        ),
        valid_from=START,
        valid_until=START + timedelta(days=1),
        version=7,
        name="Ünïcode ☀",
    )
    assert tariff_from_dict(json.loads(json.dumps(tariff_to_dict(priced)))) == priced


@settings(max_examples=60, deadline=None)
@given(sessions(), ANY, ZONES)
def test_a_cdr_and_a_bill_survive_json(
    periods: list[ChargingPeriod], priced: Tariff, zone: str
) -> None:
    """To the last decimal, the reasons included."""
    cdr = price_of(periods, priced, zone)
    assert cdr_from_dict(json.loads(json.dumps(cdr_to_dict(cdr)))) == cdr
    bill = make_bill(
        number="1",
        issued_on=date(2026, 6, 30),
        session=session(priced),
        station=House(),
        cdr=cdr,
        supplier=SUPPLIER,
        customer=CUSTOMER,
    )
    assert bill_from_dict(json.loads(json.dumps(bill_to_dict(bill)))) == bill


def test_amounts_are_decimal_strings() -> None:
    """No number of a bill goes through a float."""
    bill = make_bill(
        number="1",
        issued_on=date(2026, 6, 30),
        session=session(HOME),
        station=House(),
        cdr=price_of(
            [
                ChargingPeriod(
                    started_at=START,
                    ended_at=START + timedelta(hours=1),
                    source=Source.SOLAR,
                    charging=True,
                    energy_wh=Decimal(1000),
                )
            ],
            HOME,
            "UTC",
        ),
        supplier=SUPPLIER,
        customer=CUSTOMER,
    )
    data = bill_to_dict(bill)
    assert data["total"] == "0.74"
    assert data["sessions"][0]["lines"][0]["unit_price"] == "0.12"


def broken(change: dict[str, Any], where: dict[str, Any] = ex.WITH_PARKING) -> Any:
    """A tariff with some of its top level changed."""
    return {**where, **change}


@pytest.mark.parametrize(
    ("data", "path", "text"),
    [
        ([], "$", "must be an object, not an array"),
        (broken({"id": None}), "$.id", "is missing"),
        (broken({"id": "x" * 37}), "$.id", "must be a text of 1 to 36 characters"),
        (broken({"id": "\ud800"}), "$.id", "must be a text of 1 to 36 characters"),
        (broken({"name": "a\0b"}), "$.name", "must be a text of 1 to 255 characters"),
        (broken({"currency": 978}), "$.currency", "must be an ISO 4217 code"),
        (broken({"currency": "ZZZ"}), "$.currency", "must be an ISO 4217 code"),
        (broken({"currency": "XXX"}), "$.currency", "must be an ISO 4217 code"),
        (broken({"currency": "eur"}), "$.currency", "must be an ISO 4217 code"),
        (broken({"elements": None}), "$.elements", "is missing"),
        (broken({"elements": []}), "$.elements", "must not be empty"),
        (broken({"elements": {}}), "$.elements", "must be an array, not an object"),
        (broken({"elements": [3]}), "$.elements[0]", "must be an object, not a number"),
        (
            ex.tariff(ex.element(ex.component("POWER", 1))),
            "$.elements[0].price_components[0].type",
            "must be one of ENERGY, TIME, PARKING_TIME, FLAT, not 'POWER'",
        ),
        (
            ex.tariff(ex.element({"type": "ENERGY"})),
            "$.elements[0].price_components[0].price",
            "is missing",
        ),
        (
            ex.tariff(ex.element({"type": "ENERGY", "price": "cheap"})),
            "$.elements[0].price_components[0].price",
            "must be a number, not 'cheap'",
        ),
        (
            ex.tariff(ex.element({"type": "ENERGY", "price": True})),
            "$.elements[0].price_components[0].price",
            "must be a number, not True",
        ),
        (
            ex.tariff(ex.element({"type": "ENERGY", "price": "1e999999"})),
            "$.elements[0].price_components[0].price",
            "must be a number",
        ),
        (
            ex.tariff(ex.element(ex.component("ENERGY", 1), max_kw=5)),
            "$.elements[0].restrictions.max_kw",
            "is not known",
        ),
        (
            ex.tariff(ex.element(ex.component("ENERGY", 1), end_time="24:00")),
            "$.elements[0].restrictions.end_time",
            "must be a time of day from 00:00 to 23:59, not '24:00'",
        ),
        (
            ex.tariff(ex.element(ex.component("ENERGY", 1), end_date="2026-02-30")),
            "$.elements[0].restrictions.end_date",
            "must be a date",
        ),
        (
            ex.tariff(ex.element(ex.component("ENERGY", 1), day_of_week=["FUNDAY"])),
            "$.elements[0].restrictions.day_of_week[0]",
            "must be one of MONDAY",
        ),
        (
            ex.tariff(ex.element(ex.component("ENERGY", 1), min_duration=1.5)),
            "$.elements[0].restrictions.min_duration",
            "must be a whole number",
        ),
        (broken({"min_price": {}}), "$.min_price.excl_vat", "is missing"),
        (broken({"tax_included": "MAYBE"}), "$.tax_included", "must be one of YES"),
        (
            broken({"end_date_time": "soon"}),
            "$.end_date_time",
            "must be a date and time",
        ),
    ],
)
def test_a_tariff_that_cannot_be_read_names_the_place(
    data: Any, path: str, text: str
) -> None:
    """The JSON path, and what was expected there."""
    with pytest.raises(TariffInvalid) as caught:
        tariff_from_dict(data)
    ((found, sentence),) = caught.value.problems
    assert found == path
    assert sentence.startswith(text)


def test_what_can_be_read_is_checked_beside_what_cannot() -> None:
    """A missing currency does not hide a negative step, nor a text for a price a bad VAT rate."""
    data = ex.tariff(
        ex.element({"type": "ENERGY", "price": "x", "vat": 5}),
        ex.element(ex.component("TIME", 1, 101, -5), min_kwh=5, max_kwh=4),
        currency=None,
        min_price={"excl_vat": -1},
    )
    with pytest.raises(TariffInvalid) as caught:
        tariff_from_dict(data)
    second = "$.elements[1]"
    assert [path for path, _ in caught.value.problems] == [
        "$.currency",
        "$.elements[0].price_components[0].price",
        "$.min_price.excl_vat",
        f"{second}.price_components[0].vat",
        f"{second}.price_components[0].step_size",
        f"{second}.restrictions.max_kwh",
    ]


HOUR = ex.cdr(NOON, ONE, (NOON, {"ENERGY": 1, "TIME": 1}))
PERIOD = "$.charging_periods[0]"


@pytest.mark.parametrize(
    ("data", "path", "text"),
    [
        ("x", "$", "must be an object, not a text"),
        (broken({"start_date_time": None}, HOUR), "$.start_date_time", "is missing"),
        (
            broken({"end_date_time": "2019-02-04"}, HOUR),
            "$.end_date_time",
            "must be a date and time",
        ),
        (
            broken({"end_date_time": "2019-02-04T11:00:00Z"}, HOUR),
            "$.end_date_time",
            "must not be before",
        ),
        (
            broken({"end_date_time": "2020-02-06T00:00:00Z"}, HOUR),
            "$.end_date_time",
            "must be within 366 days",
        ),
        (
            broken({"end_date_time": "9999-12-31T23:59:59-14:00"}, HOUR),
            "$.end_date_time",
            "must be a date and time",
        ),
        (
            broken({"time_zone": "Mars/Olympus"}, HOUR),
            "$.time_zone",
            "there is no time zone",
        ),
        (
            broken({"charging_periods": []}, HOUR),
            "$.charging_periods",
            "must not be empty",
        ),
        (
            ex.cdr(NOON, ONE, (NOON, {"ENERGY": -1})),
            f"{PERIOD}.dimensions[0].volume",
            "must not be negative",
        ),
        (
            ex.cdr(NOON, ONE, (NOON, {"MILEAGE": 1})),
            f"{PERIOD}.dimensions[0].type",
            "must be one of ENERGY",
        ),
        (
            ex.cdr(NOON, ONE, (NOON, {"TIME": 2})),
            f"{PERIOD}.dimensions",
            "TIME 2 h is more than the 3600 s",
        ),
        (
            ex.cdr(NOON, ONE, (NOON, {"MIN_POWER": 5, "MAX_POWER": 4})),
            f"{PERIOD}.dimensions",
            "MAX_POWER must not be below MIN_POWER",
        ),
        (
            ex.cdr(NOON, ONE, ("2019-02-04T11:59:59Z", {"ENERGY": 1})),
            f"{PERIOD}.start_date_time",
            "must lie between",
        ),
        (
            ex.cdr(
                NOON,
                ONE,
                ("2019-02-04T12:30:00Z", {"ENERGY": 1}),
                (NOON, {"ENERGY": 1}),
            ),
            "$.charging_periods[1].start_date_time",
            "must not be before the period above",
        ),
    ],
)
def test_a_cdr_that_cannot_be_read_names_the_place(
    data: Any, path: str, text: str
) -> None:
    """The JSON path, and what is wrong there."""
    with pytest.raises(CdrInvalid) as caught:
        session_from_ocpi(data)
    ((found, sentence),) = caught.value.problems
    assert found == path
    assert sentence.startswith(text)


def test_charging_and_parking_in_one_period_follow_each_other() -> None:
    """An hour of which 0.25 h is parking: it ends the period and has no energy."""
    usages = session_from_ocpi(
        ex.cdr(NOON, ONE, (NOON, {"ENERGY": 5, "TIME": 0.75, "PARKING_TIME": 0.25}))
    ).usages
    assert [(u.time_dimension, u.started_at.minute, u.energy_wh) for u in usages] == [
        (Dimension.TIME, 0, Decimal(5000)),
        (Dimension.PARKING_TIME, 45, Decimal(0)),
    ]


def test_time_that_no_dimension_counts_costs_nothing() -> None:
    """A period of an hour with half an hour of charging bills half an hour."""
    rated = ex.rated(ex.PER_HOUR, ex.cdr(NOON, ONE, (NOON, {"TIME": 0.5})))
    assert rated.total_cost.excl_vat == 1


def test_local_times_are_those_of_the_cdr_s_zone() -> None:
    """17:00 in Berlin is 16:00 UTC in winter."""
    rated = ex.rated(
        ex.tariff(
            ex.element(ex.component("ENERGY", 1), end_time="17:00"),
            ex.element(ex.component("ENERGY", 2)),
        ),
        ex.cdr(
            "2019-02-04T15:30:00Z",
            "2019-02-04T16:30:00Z",
            ("2019-02-04T15:30:00Z", {"ENERGY": 2}),
            time_zone="Europe/Berlin",
        ),
    )
    assert [line.price for line in rated.lines] == [1, 2]


def test_a_period_s_source_selects_its_price() -> None:
    """The addition to OCPI that prices solar and grid apart."""
    data = ex.cdr(NOON, ONE, (NOON, {"ENERGY": 1}))
    data["charging_periods"][0]["source"] = "solar"
    solar = ex.element(ex.component("ENERGY", 0.1), source="solar")
    rated = ex.rated(ex.tariff(solar, ex.element(ex.component("ENERGY", 0.4))), data)
    assert rated.total_cost.excl_vat == Decimal("0.1")


def write(folder: Path, name: str, data: Any) -> Path:
    """Write JSON, or text as it is."""
    path = folder / name
    path.write_text(data if isinstance(data, str) else json.dumps(data), "utf-8")
    return path


def test_files_are_rated(tmp_path: Path) -> None:
    """OCPI's CDR fields; amounts are strings with four decimals at least."""
    result = rate_files(
        write(tmp_path, "tariff.json", ex.WITH_PARKING),
        write(
            tmp_path,
            "cdr.json",
            ex.cdr(
                NOON,
                "2019-02-04T13:40:00Z",
                (NOON, {"ENERGY": 20, "TIME": 1}),
                (ONE, {"PARKING_TIME": 0.6667}),
                currency="EUR",
            ),
        ),
    )
    lines = result.pop("lines")
    assert result == {
        "start_date_time": NOON,
        "end_date_time": "2019-02-04T13:40:00Z",
        "currency": "EUR",
        "tariff_id": "16",
        "total_cost": {"excl_vat": "7.0000", "incl_vat": "7.9000"},
        "total_fixed_cost": {"excl_vat": "0.5000", "incl_vat": "0.6000"},
        "total_energy": 20.0,
        "total_energy_cost": {"excl_vat": "5.0000", "incl_vat": "5.5000"},
        "total_time": pytest.approx(5 / 3),
        "total_time_cost": {"excl_vat": "0.0000", "incl_vat": "0.0000"},
        "total_parking_time": pytest.approx(2 / 3),
        "total_parking_cost": {"excl_vat": "1.5000", "incl_vat": "1.8000"},
    }
    assert [line["quantity"] for line in lines] == ["1.0000", "20.0000", "0.7500"]
    assert "billed in steps of 900 s: 300 s added" in lines[2]["reason"]
    json.dumps(lines)


def test_amounts_are_not_rounded_to_cents(tmp_path: Path) -> None:
    """0.0375 stays 0.0375, and what has more decimals keeps them."""
    result = rate_files(
        write(tmp_path, "t.json", ex.PER_KWH),
        write(tmp_path, "c.json", ex.cdr(NOON, ONE, (NOON, {"ENERGY": 0.151}))),
    )
    assert result["total_cost"] == {"excl_vat": "0.03775", "incl_vat": "0.041525"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "{",
            "is not JSON: Expecting property name enclosed in double quotes at line 1",
        ),
        ('{"id": NaN}', "is not JSON: NaN is not a number"),
        ('{"id": 1, "id": 2}', "the field 'id' is given twice"),
        ("[" * 200_000, "is nested too deeply"),
    ],
)
def test_a_file_that_is_not_json_is_one_problem(
    tmp_path: Path, text: str, reason: str
) -> None:
    """With the line and column where there is one."""
    with pytest.raises(RateRefused) as caught:
        rate_files(write(tmp_path, "t.json", text), write(tmp_path, "c.json", HOUR))
    (problem,) = caught.value.problems
    assert reason in problem


def test_every_problem_of_both_files_is_reported(tmp_path: Path) -> None:
    """One line each, beginning with the file and the path in it."""
    bad = ex.tariff(ex.element(ex.component("ENERGY", 1, 101, -1)))
    with pytest.raises(RateRefused) as caught:
        rate_files(
            write(tmp_path, "t.json", bad),
            write(
                tmp_path,
                "c.json",
                broken({"time_zone": "X/Y", "end_date_time": 5}, HOUR),
            ),
        )
    assert [
        line.removeprefix(f"{tmp_path}/").split(": ")[:2]
        for line in caught.value.problems
    ] == [
        ["t.json", "$.elements[0].price_components[0].vat"],
        ["t.json", "$.elements[0].price_components[0].step_size"],
        ["c.json", "$.end_date_time"],
        ["c.json", "$.time_zone"],
    ]


def test_a_missing_file_and_another_currency_are_problems(tmp_path: Path) -> None:
    """Neither is rated as if nothing were wrong."""
    tariff_path = write(tmp_path, "t.json", ex.PER_KWH)
    with pytest.raises(RateRefused, match="cannot be read: No such file"):
        rate_files(tariff_path, tmp_path / "none.json")
    with pytest.raises(RateRefused, match=r"\$\.currency: is CHF"):
        rate_files(tariff_path, write(tmp_path, "c.json", {**HOUR, "currency": "CHF"}))


def test_times_are_read_as_ocpi_writes_them() -> None:
    """Without an offset they are UTC; with one they are converted."""
    for text in "2019-02-04T12:00:00", "2019-02-04T13:00:00+01:00":
        found = session_from_ocpi({**HOUR, "start_date_time": text}).started_at
        assert found == datetime.fromisoformat(NOON)
