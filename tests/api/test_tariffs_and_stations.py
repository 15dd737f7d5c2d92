"""Tariffs, stations and rejected messages over the API."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing_service.services.ports import Rejected
from tests.api.harness import Api, code, decimals, problem, tariff_json


async def test_a_tariff_gets_its_version_from_the_service(api: Api) -> None:
    """Whatever version it says; the same again is no new one; each is in the log."""
    for body, status, version in (
        (tariff_json(version=7), 201, 1),
        (tariff_json(), 200, 1),
        (tariff_json(name="Evening, dearer"), 201, 2),
    ):
        answer = await api.request("admin", "POST", "/tariffs/", json=body)
        assert answer.status_code == status
        assert answer.json()["tariff"]["version"] == version
    assert [each[2] for each in await api.audited()] == ["tariff:evening"] * 2


async def test_prices_are_exact(api: Api) -> None:
    """A JSON number is read digit by digit, not by way of a float."""
    text = json.dumps(tariff_json()).replace("0.25", "0.12345678901234567890123")
    headers = {"Content-Type": "application/json"}
    answer = await api.request(
        "admin", "POST", "/tariffs/", content=text, headers=headers
    )
    assert answer.status_code == 201
    stored = decimals(await api.request("driver", "GET", "/tariffs/evening"))
    price = stored["elements"][0]["price_components"][0]["price"]
    assert Decimal(price) == Decimal("0.12345678901234567890123")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"elements": []}, "$.elements"),
        ({"currency": "USD"}, "$.currency"),
        ({"currency": "euro"}, "$.currency"),
        ({"currency": "ZZZ"}, "$.currency"),
        (
            {"elements": [{"price_components": [{"type": "LIGHT", "price": 1}]}]},
            "$.elements[0].price_components[0].type",
        ),
    ],
)
async def test_a_tariff_that_cannot_be_right(
    api: Api, changes: dict[str, Any], path: str
) -> None:
    """Refused with the JSON path, and not stored."""
    answer = await api.request(
        "admin", "POST", "/tariffs/", json=tariff_json(**changes)
    )
    assert code(answer) == (422, "tariff_invalid")
    assert path in [each["path"] for each in problem(answer)["errors"]]
    missing = await api.request("admin", "GET", "/tariffs/evening")
    assert code(missing) == (404, "not_found")


@pytest.mark.parametrize("tariff_id", ["a/b", "a b", "ä", "a%2Fb", "?", ".", ".."])
async def test_an_id_that_no_address_can_hold(api: Api, tariff_id: str) -> None:
    """It could be listed, and never be asked for."""
    body = tariff_json(id=tariff_id)
    answer = await api.request("admin", "POST", "/tariffs/", json=body)
    assert code(answer) == (422, "tariff_invalid")
    (wrong,) = problem(answer)["errors"]
    assert wrong["path"] == "$.id"
    assert wrong["message"].startswith("must be 1 to 36 letters, digits or any of")
    listed = (await api.request("admin", "GET", "/tariffs/")).json()
    assert [each["id"] for each in listed] == ["home"]


@pytest.mark.parametrize("tariff_id", ["x" * 36, "Aa0._~!$&'()*+,;=:@-", "..."])
async def test_an_id_stands_in_its_address_as_it_is(api: Api, tariff_id: str) -> None:
    """No character has to be escaped."""
    body = tariff_json(id=tariff_id)
    assert (
        await api.request("admin", "POST", "/tariffs/", json=body)
    ).status_code == 201
    found = await api.request("driver", "GET", f"/tariffs/{tariff_id}")
    assert found.json()["id"] == tariff_id


@pytest.mark.parametrize("body", [[], "text", None, 5])
async def test_a_tariff_that_is_no_object(api: Api, body: Any) -> None:
    """Told, not crashed upon."""
    answer = await api.request("admin", "POST", "/tariffs/", json=body)
    assert answer.status_code == 422
    problem(answer)


async def test_a_session_keeps_the_tariff_it_began_with(api: Api) -> None:
    """A new version does not change what has been agreed."""
    session = await api.charge(ended=False)
    new = tariff_json(id="home")
    await api.request("admin", "POST", "/tariffs/", json=new)
    await api.end("1-1")
    body = (await api.request("admin", "GET", f"/sessions/{session.id}")).json()
    assert body["tariff"]["version"] == 1
    assert float(body["cost"]["excl_vat"]) == pytest.approx(0.72)


# -- stations --------------------------------------------------------------------------------------


async def test_an_admin_sets_a_station(api: Api) -> None:
    """Name, zone, rating and who may use it; null opens it to all again; all in the log."""
    body = {
        "name": "Carport",
        "time_zone": "America/New_York",
        "max_power_w": 7_400,
        "user_id": "driver",
    }
    answer = await api.request("admin", "PATCH", "/stations/garage", json=body)
    assert {name: answer.json()[name] for name in body} == body
    opened = await api.request(
        "admin", "PATCH", "/stations/garage", json={"user_id": None}
    )
    assert opened.json()["user_id"] is None
    assert opened.json()["name"] == "Carport"
    assert [each[1] for each in await api.audited()] == ["station.change"] * 2


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"time_zone": "Mars/Olympus"}, "invalid_input"),
        ({"time_zone": "../etc/passwd"}, "invalid_input"),
        ({"user_id": "nobody"}, "invalid_input"),
        ({"name": ""}, "invalid_request"),
        ({"max_power_w": -1}, "invalid_request"),
        ({"state": {}}, "invalid_request"),
    ],
)
async def test_what_a_station_cannot_be(
    api: Api, body: dict[str, Any], expected: str
) -> None:
    """Refused, and nothing is changed."""
    before = (await api.request("admin", "GET", "/stations/garage")).json()
    answer = await api.request("admin", "PATCH", "/stations/garage", json=body)
    assert code(answer) == (422, expected)
    assert (await api.request("admin", "GET", "/stations/garage")).json() == before


# -- rejected messages -----------------------------------------------------------------------------


async def test_rejected_messages_can_be_looked_at(api: Api) -> None:
    """Newest first, by reason; bytes that are no text are shown all the same."""
    now = api.site.now
    async with api.site.database.write() as uow:
        await uow.rejected.add(
            Rejected(
                received_at=now + timedelta(seconds=n),
                topic="ev/garage/telemetry",
                reason="not_json",
                message="not JSON",
                payload=b"\xff{" + str(n).encode(),
            )
            for n in range(3)
        )
        await uow.commit()
    body = (await api.request("admin", "GET", "/rejected/?limit=2")).json()
    assert (body["total"], body["counts"]) == (3, {"not_json": 3})
    assert [each["payload"] for each in body["items"]] == ["\\xff{2", "\\xff{1"]
