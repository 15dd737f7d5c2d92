"""Tariffs for users, groups and stations."""

from copy import replace
from typing import Any

import pytest

from billing_service.domain.frame import EventType, Frame
from billing_service.domain.period import Source
from tests.api.harness import STATION, Api, code, frame, problem, tariff_json


async def _store(api: Api, tariff_id: str, *, assigned_only: bool = True) -> None:
    body = tariff_json(id=tariff_id, name=tariff_id)
    path = f"/tariffs/?assigned_only={'true' if assigned_only else 'false'}"
    assert (await api.request("admin", "POST", path, json=body)).status_code == 201


async def _assign(api: Api, tariff_id: str, **whom: Any) -> dict[str, Any]:
    body = {"tariff_id": tariff_id} | whom
    made = await api.request("admin", "POST", "/tariff-assignments/", json=body)
    assert made.status_code == 201
    answer: dict[str, Any] = made.json()
    return answer


async def _pays_by(api: Api, who: str) -> str:
    answer = await api.request(who, "GET", f"/stations/{STATION}/tariff")
    tariff_id: str = answer.json()["id"]
    return tariff_id


async def test_a_tariff_for_some_does_not_cover_the_others(api: Api) -> None:
    """Not even between storing and assigning it; nor do others see it."""
    await _store(api, "staff")
    assert await _pays_by(api, "driver") == "home"
    assert code(await api.request("driver", "GET", "/tariffs/staff"))[0] == 404
    await api.request("admin", "PATCH", "/users/driver", json={"group": "Staff"})
    await _assign(api, "staff", group="Staff")
    assert await _pays_by(api, "driver") == "staff"
    assert await _pays_by(api, "other") == "home"
    for who, seen in (("driver", ["home", "staff"]), ("other", ["home"])):
        listed = (await api.request(who, "GET", "/tariffs/")).json()
        assert [each["id"] for each in listed] == seen
    for path in (
        "",
        "/versions",
        "/versions/1",
        "/prices?from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z",
    ):
        answer = await api.request("other", "GET", f"/tariffs/staff{path}")
        assert code(answer) == (404, "not_found")
        mine = await api.request("driver", "GET", f"/tariffs/staff{path}")
        assert mine.status_code == 200


async def _warnings(
    api: Api, tariff_id: str, query: str = "", **more: Any
) -> list[str]:
    body = tariff_json(id=tariff_id, **more)
    answer = await api.request("admin", "POST", f"/tariffs/{query}", json=body)
    assert answer.status_code in (200, 201), answer.text
    return [each["message"] for each in answer.json()["warnings"]]


async def test_a_tariff_that_takes_another_s_place_says_so(api: Api) -> None:
    """Assigned to nobody it counts for all at once; the admin is told what it supersedes."""
    for _ in range(2):
        (said,) = await _warnings(api, "evening")
        assert "covers everyone in place of home" in said
    (said,) = await _warnings(api, "home", start_date_time="2020-01-01T00:00:00Z")
    assert "in place of evening" in said
    (said,) = await _warnings(api, "evening", name="Evening, from now on")
    assert "covers everyone in place of home" in said
    (said,) = await _warnings(api, "undated")
    assert "covers nobody: evening began later" in said
    (said,) = await _warnings(api, "new-year", start_date_time="2027-01-01T00:00:00Z")
    assert "from 2027-01-01 00:00 UTC it covers everyone in place of evening" in said
    assert await _warnings(api, "staff", "?assigned_only=true") == []
    assert await _warnings(api, "staff", name="Staff, changed") == []
    assert await _warnings(api, "past", end_date_time="2021-01-01T00:00:00Z") == []


async def test_an_only_tariff_has_no_warning(api: Api) -> None:
    """One for everyone, changed, takes nobody's place; nor does one beside an assigned one."""
    assert await _warnings(api, "home") == []
    assigned = {"tariff_id": "home", "user_id": "driver"}
    await api.request("admin", "POST", "/tariff-assignments/", json=assigned)
    assert await _warnings(api, "evening") == []


async def test_a_session_gets_its_driver_s_tariff(api: Api) -> None:
    """As of its start; assigning the driver later chooses anew, what is later assigned does not."""
    session = await api.charge(ended=False)
    await _store(api, "friend")
    await _assign(api, "friend", user_id="driver", from_at="2026-11-01T00:00:00Z")
    path = f"/sessions/{session.id}"

    async def tariff() -> str:
        name: str = (await api.request("admin", "GET", path)).json()["tariff"]["id"]
        return name

    assert await tariff() == "home"
    await api.request("admin", "PUT", path, json={"user_id": "driver"})
    assert await tariff() == "friend"
    await api.end("1-1")
    assert await tariff() == "friend"
    await _store(api, "later")
    await _assign(api, "later", user_id="driver")
    assert await tariff() == "friend"
    await api.request("admin", "PUT", path, json={"user_id": "other"})
    assert await tariff() == "home"


@pytest.mark.parametrize("how", ["by an admin", "card known later", "card told late"])
async def test_a_driver_who_becomes_known_late_pays_by_their_tariff(
    api: Api, how: str
) -> None:
    """To the Wh on each side of its price's change, as if they had been known from the start.

    7.2 kW for 30 minutes, then 0.6 kW: half the time is not half of the energy.
    """
    half = {"start_time": "10:00", "end_time": "10:30"}
    elements = [
        {"price_components": [{"type": "ENERGY", "price": 1}], "restrictions": half},
        {"price_components": [{"type": "ENERGY", "price": 2}]},
    ]
    body = tariff_json(id="friend", elements=elements)
    await api.request("admin", "POST", "/tariffs/?assigned_only=true", json=body)
    await _assign(api, "friend", user_id="driver", from_at="2026-11-01T00:00:00Z")
    card = {"uid": "04AA", "user_id": "driver"}
    if how == "card told late":
        await api.request("admin", "POST", "/tokens/", json=card)
    plugged = api.plugged("1-1")
    shown = replace(plugged, token="04AA")
    known = [shown] if how == "card known later" else [plugged]
    await api.site.receive([_uneven(minute) for minute in range(40)], known)
    if how == "card told late":
        told = replace(shown, type=EventType.SESSION_STARTED)
        await api.site.receive([], [told])
    await api.site.receive([_uneven(minute) for minute in range(40, 61)])
    await api.end("1-1")
    (session,) = await api.site.sessions()
    if how == "by an admin":
        change = {"user_id": "driver"}
        await api.request("admin", "PUT", f"/sessions/{session.id}", json=change)
    if how == "card known later":
        await api.request("admin", "POST", "/tokens/", json=card)
    await api.site.metering.run_once()
    bill = (await api.request("driver", "GET", f"/sessions/{session.id}/bill")).json()
    lines = bill["sessions"][0]["lines"]
    assert [(line["quantity"], line["amount"]) for line in lines] == [
        ("3.6", "3.60"),
        ("0.3", "0.60"),
    ]


def _uneven(minute: int) -> Frame:
    mwh = 120_000 * min(minute, 30) + 10_000 * max(0, minute - 30)
    return replace(
        frame(minute, "1-1"),
        power_mw=7_200_000 if minute < 30 else 600_000,
        source=Source.GRID,
        register_mwh=mwh,
        solar_mwh=0,
        grid_mwh=mwh,
    )


async def test_a_new_assignment_ends_the_one_before(api: Api) -> None:
    """Of the same user; ending it lets the next in order through; all stays on record."""
    for name in ("one", "two"):
        await _store(api, name)
        await _assign(api, name, user_id="driver")
        api.advance(hours=1)
    assert await _pays_by(api, "driver") == "two"
    listed = (await api.request("admin", "GET", "/tariff-assignments/")).json()
    assert [(each["tariff_id"], each["until_at"]) for each in listed] == [
        ("two", None),
        ("one", "2026-11-23T13:00:00Z"),
    ]
    path = f"/tariff-assignments/{listed[0]['id']}"
    for _ in range(2):
        assert (await api.request("admin", "DELETE", path)).status_code == 204
    assert await _pays_by(api, "driver") == "home"
    actions = [each[1] for each in await api.audited() if each[1] != "tariff.set"]
    assert actions == ["tariff.assign", "tariff.assign", "tariff.unassign"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"tariff_id": "none"}, "tariff_id"),
        ({"user_id": "nobody"}, "user_id"),
        ({"station_id": "nowhere"}, "station_id"),
        ({"user_id": "driver", "group": "staff"}, "group"),
        ({"until_at": "2026-01-01T00:00:00Z"}, "until_at"),
        ({"group": ""}, "body.group"),
        ({"from_at": "2026-01-01T00:00:00"}, "body.from_at"),
    ],
)
async def test_an_assignment_that_cannot_be(
    api: Api, body: dict[str, Any], path: str
) -> None:
    """Each with the field that is wrong; nothing is assigned."""
    whole = {"tariff_id": "home"} | body
    answer = await api.request("admin", "POST", "/tariff-assignments/", json=whole)
    assert answer.status_code == 422
    assert [each["path"] for each in problem(answer)["errors"]] == [path]
    assert (await api.request("admin", "GET", "/tariff-assignments/")).json() == []


async def test_no_tariff_is_said(api: Api) -> None:
    """When the only one is for somebody else: never a price of zero."""
    await _assign(api, "home", user_id="other")
    answer = await api.request("driver", "GET", f"/stations/{STATION}/tariff")
    assert code(answer) == (409, "no_tariff")
