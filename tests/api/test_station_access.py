"""Who may use a station: several users, groups, everyone, nobody."""

from typing import Any

import pytest

from tests.api.harness import Api, code

PATH = "/stations/garage/access"


async def may_use(api: Api, name: str) -> bool:
    """Return whether a user finds the station, in the list and by its id, and can start it."""
    listed = bool((await api.request(name, "GET", "/stations/")).json())
    shown = await api.request(name, "GET", "/stations/garage")
    body = {"station_id": "garage"}
    started = await api.request(name, "POST", "/sessions/", json=body)
    if not listed:
        assert code(shown) == code(started) == (404, "not_found")
    else:
        assert shown.status_code == 200
        assert started.status_code in (200, 201, 202)
    return listed


async def allow(api: Api, **access: Any) -> dict[str, Any]:
    """Set who may use the station."""
    answer = await api.request("admin", "PUT", PATH, json=access)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    assert (await api.request("admin", "GET", PATH)).json() == shown
    return shown


async def test_several_users_and_groups_may_use_a_station(api: Api) -> None:
    """Whoever is named, or in a group that is; nobody else, until everyone is let in again."""
    await api.add_user("colleague")
    await api.request("admin", "PATCH", "/users/colleague", json={"group": "staff"})
    people = ("driver", "other", "colleague")
    assert [await may_use(api, name) for name in people] == [True] * 3
    shown = await allow(api, users=["driver", "driver"], groups=["staff"])
    assert shown == {
        "user_id": None, "everyone": False, "users": ["driver"], "groups": ["staff"],
    }  # fmt: skip
    assert [await may_use(api, name) for name in people] == [True, False, True]
    await api.request("admin", "PATCH", "/users/colleague", json={"group": None})
    assert [await may_use(api, name) for name in people] == [True, False, False]
    await allow(api)
    assert [await may_use(api, name) for name in people] == [False] * 3
    await allow(api, everyone=True)
    assert [await may_use(api, name) for name in people] == [True] * 3
    assert {each[1] for each in await api.audited()} == {
        "station.access", "session.command", "session.start", "user.change",
    }  # fmt: skip


async def test_a_station_of_one_user_can_be_shared(api: Api) -> None:
    """Whose it is keeps using it; whoever is named beside them may too."""
    await api.request("admin", "PATCH", "/stations/garage", json={"user_id": "driver"})
    assert not await may_use(api, "other")
    await allow(api, users=["other"])
    assert await may_use(api, "other")
    assert await may_use(api, "driver")
    await api.request("admin", "PATCH", "/stations/garage", json={"user_id": None})
    assert await may_use(api, "other")
    assert not await may_use(api, "driver")


@pytest.mark.parametrize(
    "body",
    [
        {"users": ["stranger"]},
        {"users": ["gone"]},
        {"users": ["../etc"]},
        {"groups": [""]},
        {"everyone": True, "users": ["driver"]},
        {"everyone": "perhaps"},
        {"user": ["driver"]},
        [],
    ],
)
async def test_access_that_makes_no_sense_changes_nothing(api: Api, body: Any) -> None:
    """Strangers, people who left and contradictions are refused by field."""
    await api.add_user("gone", active=False)
    before = await allow(api, users=["driver"])
    answer = await api.request("admin", "PUT", PATH, json=body)
    assert code(answer)[0] == 422
    assert (await api.request("admin", "GET", PATH)).json() == before


async def test_everyone_is_not_let_in_to_one_user_s_station(api: Api) -> None:
    """It says what to do first."""
    await api.station(user_id="driver")
    answer = await api.request("admin", "PUT", PATH, json={"everyone": True})
    assert "user_id" in answer.text
    unknown = await api.request("admin", "PUT", "/stations/barn/access", json={})
    assert code(unknown) == (404, "not_found")


async def test_who_is_shut_out_in_mid_charge_may_stop_only(api: Api) -> None:
    """Stopping is safe; to start again they would have to be let in."""
    session = await api.charge(ended=False)
    await api.assign(session.id, "driver")
    await allow(api, users=["other"])
    path = f"/sessions/{session.id}"
    stop = await api.request("driver", "PUT", path, json={"charging": False})
    assert stop.status_code == 200
    again = await api.request("driver", "PUT", path, json={"charging": True})
    assert code(again) == (404, "not_found")
    assert api.commands.sent == [("garage", "stop")]


async def test_erasing_the_only_one_who_may_opens_it_to_nobody(api: Api) -> None:
    """A person's name goes from the list; the station does not become everyone's."""
    await allow(api, users=["driver"])
    export = (await api.request("admin", "GET", "/users/driver/export")).json()
    assert export["stations"] == ["garage"]
    await api.request("admin", "DELETE", "/users/driver")
    shown = (await api.request("admin", "GET", PATH)).json()
    assert (shown["everyone"], shown["users"]) == (False, [])
    assert not await may_use(api, "other")


async def test_a_station_s_tariff_is_shown_to_who_may_use_it(api: Api) -> None:
    """What it costs at a station that is not theirs is not theirs to see."""
    body = {"tariff_id": "home", "station_id": "garage"}
    await api.request("admin", "POST", "/tariff-assignments/", json=body)
    await allow(api, users=["driver"])
    seen = {
        name: len((await api.request(name, "GET", "/tariffs/")).json())
        for name in ("driver", "other")
    }
    assert seen == {"driver": 1, "other": 0}
