"""Exports: each gets their own, whole, and nothing that a spreadsheet would run."""

import csv
import io
from typing import Any

import pytest

from billing_service.services import exports
from tests.api.harness import Api, code

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1")


async def _issued(api: Api, name: str, user: str) -> str:
    session = await api.charge(name)
    await api.assign(session.id, user)
    answer = await api.request("admin", "POST", f"/sessions/{session.id}/bill")
    number: str = answer.json()["number"]
    return number


async def _rows(api: Api, name: str, path: str) -> list[dict[str, str]]:
    answer = await api.request(name, "GET", f"/exports/{path}?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    return [*csv.DictReader(io.StringIO(answer.text))]


async def _items(api: Api, name: str, path: str) -> list[Any]:
    answer = await api.request(name, "GET", f"/exports/{path}")
    assert answer.status_code == 200
    items: list[Any] = answer.json()
    return items


@pytest.mark.parametrize("path", ["sessions", "bills", "cdrs"])
async def test_each_gets_their_own(api: Api, path: str) -> None:
    """An admin gets everyone's; who has none gets an empty list."""
    await _issued(api, "1-1", "driver")
    await _issued(api, "2-1", "driver")
    assert len(await _items(api, "driver", path)) == 2
    assert await _items(api, "other", path) == []
    assert len(await _items(api, "admin", path)) == 2


async def test_both_formats_say_the_same(api: Api) -> None:
    """One line for each, numbers as numbers."""
    number = await _issued(api, "1-1", "driver")
    await api.request("admin", "POST", f"/bills/{number}/credit", json={"reason": "x"})
    rows, items = (
        await _rows(api, "driver", "bills"),
        await _items(api, "driver", "bills"),
    )
    assert [row["number"] for row in rows] == [each["number"] for each in items]
    assert {row["total"] for row in rows} == {"0.72", "-0.72"}
    assert {row["status"] for row in rows} == {"void", "issued"}
    assert rows[0]["customer"] == "Dana Driver"
    (session,) = await _rows(api, "driver", "sessions")
    assert (session["energy_kwh"], session["solar_kwh"]) == ("3.600000", "1.800000")


async def test_a_long_list_comes_in_parts(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, in order, whatever the size of a part."""
    for number in range(1, 6):
        await _issued(api, f"{number}-1", "driver")
    expected = {
        path: await _items(api, "admin", path) for path in ("sessions", "bills", "cdrs")
    }
    assert all(len(items) == 5 for items in expected.values())
    for size in (1, 2, 5):
        monkeypatch.setattr(exports, "AT_A_TIME", size)
        for path, items in expected.items():
            assert await _items(api, "admin", path) == items


async def test_filters_narrow_it(api: Api) -> None:
    """By when a session began, or a bill was issued."""
    await _issued(api, "1-1", "driver")
    for path in (
        "sessions?started_to=2026-11-23T09:00:00Z",
        "bills?issued_from=2026-11-24",
        "cdrs?issued_to=2026-11-22",
    ):
        assert await _items(api, "admin", path) == []
    assert len(await _items(api, "admin", "bills?issued_to=2026-11-23")) == 1


@pytest.mark.parametrize("name", FORMULAS)
async def test_no_name_becomes_a_formula(api: Api, name: str) -> None:
    """It is shown as text; the bill itself keeps it as it is."""
    await api.add_user("eve", full_name=name)
    await _issued(api, "1-1", "eve")
    (row,) = await _rows(api, "admin", "bills")
    assert row["customer"] == f"'{name}"
    (item,) = await _items(api, "admin", "bills")
    assert item["customer"]["name"] == name


async def test_what_cannot_be_exported(api: Api) -> None:
    """An unknown format or a time without a zone is told."""
    for path in ("bills?format=xml", "sessions?started_from=2026-11-23T09:00:00"):
        answer = await api.request("admin", "GET", f"/exports/{path}")
        assert code(answer) == (422, "invalid_request")


async def test_an_ocpi_cdr(api: Api) -> None:
    """The fields that OCPI 2.2.1 requires, energy and cost; numbers are numbers."""
    number = await _issued(api, "1-1", "driver")
    (cdr,) = await _items(api, "driver", "cdrs")
    assert cdr.keys() >= {
        *("country_code", "party_id", "id", "start_date_time", "end_date_time"),
        *("cdr_token", "auth_method", "cdr_location", "currency", "charging_periods"),
        *("total_cost", "total_energy", "total_time", "last_updated"),
    }
    assert (cdr["id"], cdr["invoice_reference_id"]) == (f"{number}-1", number)
    assert (cdr["total_energy"], cdr["total_time"]) == (3.6, 1.0)
    assert cdr["total_cost"] == {"excl_vat": 0.72, "incl_vat": 0.72}
    energy = [
        dimension["volume"]
        for period in cdr["charging_periods"]
        for dimension in period["dimensions"]
        if dimension["type"] == "ENERGY"
    ]
    assert sum(energy) == pytest.approx(3.6)
    prices = [
        component["price"]
        for element in cdr["tariffs"][0]["elements"]
        for component in element["price_components"]
    ]
    assert prices == [0.1, 0.3]


async def test_a_credit_cdr(api: Api) -> None:
    """It names the CDR it takes back and negates its totals."""
    number = await _issued(api, "1-1", "driver")
    await api.request("admin", "POST", f"/bills/{number}/credit", json={"reason": "x"})
    found = {each["id"]: each for each in await _items(api, "driver", "cdrs")}
    credit = found["CN-2026-000001-1"]
    assert (credit["credit"], credit["credit_reference_id"]) == (True, f"{number}-1")
    assert credit["total_cost"] == {"excl_vat": -0.72, "incl_vat": -0.72}
    assert credit["total_energy"] == 3.6
    assert "credit" not in found[f"{number}-1"]
