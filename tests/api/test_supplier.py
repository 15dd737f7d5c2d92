"""Who issues bills: read and set by admins, taken into new bills only."""

from typing import Any

import pytest

from tests.api.harness import Api, code

NEW = {
    "name": "Sonnenstrom GmbH",
    "address": ["Hauptstraße 1", "1010 Wien"],
    "vat_id": "ATU87654321",
    "email": "bill@example.org",
    "bill_series": "RE-",
    "credit_series": "GS-",
    "locale": "de-AT",
    "vat_note": "Kleinunternehmer",
    "payment_days": 10,
    "payment_info": "IBAN AT00",
}


async def bill(api: Api, name: str) -> dict[str, Any]:
    """Charge, and issue a bill."""
    session = await api.charge(name)
    await api.assign(session.id, "driver")
    answer = await api.request("admin", "POST", f"/sessions/{session.id}/bill")
    assert answer.status_code == 201, answer.text
    issued: dict[str, Any] = answer.json()
    return issued


async def test_the_settings_hold_until_an_admin_sets_it(api: Api) -> None:
    """What the environment says is what is read, and what bills say."""
    shown = (await api.request("admin", "GET", "/supplier")).json()
    assert shown["name"] == api.settings.supplier_name == "Sunny Charging"
    assert shown["bill_series"] == "SR-"
    assert (await bill(api, "1-1"))["supplier"]["name"] == "Sunny Charging"


async def test_only_new_bills_say_what_was_set(api: Api) -> None:
    """Name, series, language and terms change from the next bill and credit note on."""
    old = await bill(api, "1-1")
    for _ in range(2):
        answer = await api.request("admin", "PUT", "/supplier", json=NEW)
        assert answer.status_code == 200, answer.text
        assert answer.json() == NEW | {"locale": "de_AT"}
    assert (await api.request("admin", "GET", "/supplier")).json() == answer.json()
    new = await bill(api, "2-1")
    assert (old["number"], new["number"]) == ("SR-2026-000001", "RE-2026-000001")
    assert new["supplier"] == {
        name: NEW[name] for name in ("name", "address", "vat_id", "email")
    }
    assert (new["locale"], new["due_on"]) == ("de_AT", "2026-12-03")
    kept = await api.request("admin", "GET", f"/bills/{old['number']}")
    assert kept.json() == old
    credit = await api.request(
        "admin", "POST", f"/bills/{old['number']}/credit", json={"reason": "wrong"}
    )
    assert credit.json()["number"] == "GS-2026-000001"
    assert credit.json()["supplier"]["name"] == "Sunny Charging"
    verified = await api.request(None, "GET", f"/verify/{old['sha256']}")
    assert "failed" not in {each["outcome"] for each in verified.json()["checks"]}
    log = await api.request("admin", "GET", "/audit/?action=supplier.set")
    second, first = log.json()["items"]
    assert first["before"]["name"] == "Sunny Charging"
    assert first["after"]["name"] == second["before"]["name"] == NEW["name"]


async def test_an_admin_goes_back_to_the_settings(api: Api) -> None:
    """Their supplier and series hold again, counting on; that is audited, and done only once."""
    first = await bill(api, "1-1")
    await api.request("admin", "PUT", "/supplier", json=NEW)
    between = await bill(api, "2-1")
    answer = await api.request("admin", "DELETE", "/supplier")
    assert (answer.status_code, answer.content) == (204, b"")
    shown = (await api.request("admin", "GET", "/supplier")).json()
    assert (shown["name"], shown["bill_series"]) == ("Sunny Charging", "SR-")
    again = await bill(api, "3-1")
    assert [each["number"] for each in (first, between, again)] == [
        "SR-2026-000001",
        "RE-2026-000001",
        "SR-2026-000002",
    ]
    assert again["supplier"]["name"] == "Sunny Charging"
    assert code(await api.request("admin", "DELETE", "/supplier")) == (404, "not_found")
    log = await api.request("admin", "GET", "/audit/?action=supplier.reset")
    (entry,) = log.json()["items"]
    assert entry["before"]["name"] == NEW["name"]
    assert entry["after"]["name"] == "Sunny Charging"
    assert entry["actor"] == "user:admin (admin)"


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "two\nlines"},
        {"bill_series": "R1"},
        {"bill_series": "GS-"},
        {"locale": "klingon"},
        {"payment_days": -1},
        {"payment_days": 1.5},
        {"address": ["x"] * 7},
        {"vat_id": "=1+1"},
        {"iban": "AT00"},
    ],
)
async def test_a_supplier_that_cannot_be_is_refused(api: Api, change: Any) -> None:
    """Bad input is told by field and changes nothing."""
    answer = await api.request("admin", "PUT", "/supplier", json=NEW | change)
    assert code(answer)[0] == 422
    assert next(iter(change)).replace("bill_", "") in answer.text
    shown = (await api.request("admin", "GET", "/supplier")).json()
    assert shown["name"] == "Sunny Charging"
