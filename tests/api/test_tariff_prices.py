"""Versions of tariffs, what-ifs, and price curves over the API."""

from decimal import Decimal
from typing import Any

import pytest

from tests.api.harness import Api, code, problem, tariff_json

SESSION = {
    "start_date_time": "2026-11-23T16:30:00Z",
    "end_date_time": "2026-11-23T17:30:00Z",
    "time_zone": "Europe/Vienna",
    "charging_periods": [
        {
            "start_date_time": "2026-11-23T16:30:00Z",
            "dimensions": [
                {"type": "ENERGY", "volume": 10},
                {"type": "TIME", "volume": 1},
            ],
        }
    ],
}


def by_hours(**more: Any) -> dict[str, Any]:
    """Return a tariff that is dearer from 18:00 to 22:00."""
    dear = {
        "price_components": [{"type": "ENERGY", "price": 0.4, "vat": 20}],
        "restrictions": {"start_time": "18:00", "end_time": "22:00"},
    }
    cheap = {"price_components": [{"type": "ENERGY", "price": 0.2, "vat": 20}]}
    return tariff_json(elements=[dear, cheap]) | more


async def _preview(api: Api, **body: Any) -> Any:
    return await api.request("driver", "POST", "/tariffs/preview", json=body)


async def test_every_version_can_be_looked_at(api: Api) -> None:
    """The newest first; an old one stays what it was."""
    for name in ("One", "Two", "Three"):
        body = tariff_json(name=name)
        await api.request("admin", "POST", "/tariffs/", json=body)
    listed = (await api.request("driver", "GET", "/tariffs/evening/versions")).json()
    assert [(t["version"], t["name"]) for t in listed] == [
        (3, "Three"),
        (2, "Two"),
        (1, "One"),
    ]
    old = await api.request("driver", "GET", "/tariffs/evening/versions/1")
    assert old.json() == listed[2]
    for path in ("/tariffs/evening/versions/4", "/tariffs/none/versions"):
        assert code(await api.request("driver", "GET", path)) == (404, "not_found")


async def test_a_what_if_explains_every_line(api: Api) -> None:
    """By a tariff that is not stored: cut at 18:00 local time, element, price and reason told."""
    answer = await _preview(api, tariff=by_hours(), session=SESSION)
    assert answer.status_code == 200
    cdr = answer.json()["cdr"]
    assert Decimal(cdr["total_cost"]["excl_vat"]) == Decimal(3)
    assert Decimal(cdr["total_cost"]["incl_vat"]) == Decimal("3.6")
    assert [(line["element"], Decimal(line["price"])) for line in cdr["lines"]] == [
        (1, Decimal("0.2")),
        (0, Decimal("0.4")),
    ]
    assert all(line["reason"] for line in cdr["lines"])
    assert (await api.request("admin", "GET", "/tariffs/evening")).status_code == 404


async def test_a_what_if_by_a_stored_version(api: Api) -> None:
    """The newest, or the one that is named; with its warnings."""
    await api.request("admin", "POST", "/tariffs/", json=tariff_json())
    await api.request("admin", "POST", "/tariffs/", json=by_hours())
    newest = await _preview(api, tariff_id="evening", session=SESSION)
    first = await _preview(api, tariff_id="evening", version=1, session=SESSION)
    totals = [each.json()["cdr"]["total_cost"]["excl_vat"] for each in (newest, first)]
    assert [Decimal(total) for total in totals] == [Decimal(3), Decimal("2.5")]
    missing = await _preview(api, tariff_id="evening", version=3, session=SESSION)
    assert code(missing) == (404, "not_found")


async def test_a_what_if_shows_the_tariff_s_warnings(api: Api) -> None:
    """Energy that is priced at some hours and free at others may be a mistake."""
    gap = by_hours()
    gap["elements"].pop()
    answer = await _preview(api, tariff=gap, session=SESSION)
    assert answer.status_code == 200
    assert answer.json()["warnings"][0]["path"].startswith("$.tariff.")


@pytest.mark.parametrize(
    ("body", "expected", "path"),
    [
        ({"session": SESSION}, "invalid_input", "tariff"),
        (
            {"session": SESSION, "tariff": by_hours(), "tariff_id": "x"},
            "invalid_input",
            "tariff",
        ),
        ({"session": SESSION, "tariff_id": 5}, "invalid_input", "tariff_id"),
        ({"tariff": by_hours()}, "cdr_invalid", "$.session"),
        (
            {"tariff": by_hours(elements=[]), "session": SESSION},
            "tariff_invalid",
            "$.tariff.elements",
        ),
        (
            {
                "tariff": by_hours(),
                "session": SESSION | {"end_date_time": "2027-11-23T16:30:00Z"},
            },
            "cdr_invalid",
            "$.session.end_date_time",
        ),
        (
            {"tariff": by_hours(), "session": SESSION | {"time_zone": "Mars/Olympus"}},
            "cdr_invalid",
            "$.session.time_zone",
        ),
        (
            {"tariff": by_hours(), "session": SESSION | {"currency": "USD"}},
            "cdr_invalid",
            "$.session.currency",
        ),
        ({"tariff": by_hours(), "session": SESSION, "x": 1}, "invalid_input", "x"),
        ([], "invalid_input", "body"),
    ],
)
async def test_a_what_if_that_cannot_be(
    api: Api, body: Any, expected: str, path: str
) -> None:
    """Each with the path of what is wrong, in the body as it was sent."""
    answer = await api.request("driver", "POST", "/tariffs/preview", json=body)
    assert code(answer) == (422, expected)
    assert path in [each["path"] for each in problem(answer)["errors"]]


async def test_a_what_if_has_limits(api: Api) -> None:
    """It is for people; anyone may ask, so that none may take minutes."""
    element = by_hours()["elements"][1]
    start = SESSION["charging_periods"][0]
    many = SESSION | {"charging_periods": [start] * 2000}
    for body in (
        {"tariff": by_hours(elements=[element] * 201), "session": SESSION},
        {"tariff": by_hours(), "session": many},
    ):
        answer = await api.request("driver", "POST", "/tariffs/preview", json=body)
        assert answer.status_code == 422


async def test_nan_is_not_a_price(api: Api) -> None:
    """Python's JSON reader would take it."""
    text = '{"tariff": {"id": "x", "elements": NaN}, "session": {}}'
    for path in ("/tariffs/preview", "/tariffs/"):
        answer = await api.request("admin", "POST", path, content=text)
        assert code(answer) == (422, "invalid_input")


async def test_a_price_curve_follows_the_wall_clock(api: Api) -> None:
    """Over the day on which clocks go back: 25 hours, and the dear ones where people live."""
    await api.request("admin", "POST", "/tariffs/", json=by_hours())
    answer = await api.request(
        "driver",
        "GET",
        "/tariffs/evening/prices",
        params={"from": "2026-10-24T22:00:00Z", "to": "2026-10-25T23:00:00Z"},
    )
    body = answer.json()
    assert [
        (slot["started_at"], slot["grid_energy"]["price"]) for slot in body["slots"]
    ] == [
        ("2026-10-24T22:00:00Z", "0.2"),
        ("2026-10-25T17:00:00Z", "0.4"),
        ("2026-10-25T21:00:00Z", "0.2"),
    ]
    assert body["slots"][-1]["ended_at"] == "2026-10-25T23:00:00Z"
    assert body["slots"][0]["time"] is None


@pytest.mark.parametrize(
    "params",
    [
        {"from": "2026-10-24T22:00:00Z"},
        {"from": "2026-10-24T22:00:00Z", "to": "2026-10-24T22:00:00Z"},
        {"from": "2026-10-24T22:00:00Z", "to": "2027-10-24T22:00:00Z"},
        {"from": "2026-10-24T22:00:00", "to": "2026-10-25T22:00:00"},
        {"from": "0001-01-01T00:00:00+14:00", "to": "0001-01-02T00:00:00Z"},
        {
            "from": "2026-10-24T22:00:00Z",
            "to": "2026-10-25T22:00:00Z",
            "time_zone": "../etc",
        },
        {
            "from": "2026-10-24T22:00:00Z",
            "to": "2026-10-25T22:00:00Z",
            "energy_kwh": "NaN",
        },
    ],
)
async def test_a_curve_that_cannot_be(api: Api, params: dict[str, str]) -> None:
    """Told, whatever was asked."""
    answer = await api.request("driver", "GET", "/tariffs/home/prices", params=params)
    assert answer.status_code == 422
    problem(answer)
