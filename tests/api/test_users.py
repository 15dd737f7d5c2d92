"""Users over the API."""

from typing import Any

import pytest

from billing_service.services.ports import Role
from tests.api.harness import PASSWORD, Api, code, problem

NEW = {"name": "new.user", "password": PASSWORD}


async def test_making_a_user(api: Api) -> None:
    """They can sign in; no answer ever holds a password or its hash."""
    body = NEW | {
        "role": "user",
        "full_name": "New Ünïcode",
        "email": "new@example.org",
        "address": ["1 Road", "Town"],
    }
    made = await api.request("admin", "POST", "/users/", json=body)
    assert made.status_code == 201
    answer = await api.client.post(
        "/auth/token", data={"username": "NEW.user", "password": PASSWORD}
    )
    assert answer.status_code == 200
    for path in (f"/users/{made.json()['id']}", "/users/"):
        listed = await api.request("admin", "GET", path)
        assert PASSWORD not in listed.text
        assert "password" not in listed.text
        assert "New Ünïcode" in listed.text


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "x" * 65}, "body.name"),
        ({"name": "a\x00b"}, "name"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 1025}, "password"),
        ({"password": "aaaaaaaaaaaaaaa"}, "password"),
        ({"name": "a.long.enough.name", "password": "A.long.enough.name"}, "password"),
        ({"password": "1qaz2wsx3edc"}, "password"),
        ({"password": "Password123456!"}, "password"),
        ({"password": "dragondragondragon"}, "password"),
        ({"password": "123456789012345"}, "password"),
        ({"password": "SolarRally 2026!"}, "password"),
        ({"role": "king"}, "body.role"),
        ({"email": "nobody"}, "email"),
        ({"full_name": "two\nlines"}, "body.full_name"),
        ({"address": ["x"] * 7}, "body.address"),
        ({"address": "1 Road"}, "body.address"),
        ({"active": False}, "body.active"),
    ],
)
async def test_what_a_user_cannot_be(
    api: Api, changes: dict[str, Any], path: str
) -> None:
    """Each with the field that is wrong."""
    answer = await api.request("admin", "POST", "/users/", json=NEW | changes)
    assert answer.status_code == 422
    assert [each["path"] for each in problem(answer)["errors"]] == [path]


async def test_a_name_is_taken_in_any_case(api: Api) -> None:
    """Two people may not differ by case alone."""
    body = NEW | {"name": "DRIVER"}
    answer = await api.request("admin", "POST", "/users/", json=body)
    assert code(answer) == (409, "conflict")


async def test_a_user_changes_what_is_printed_of_them(api: Api) -> None:
    """What is left out stays; null empties; role and name are not theirs to change."""
    path = "/users/me"
    first = {"full_name": "A", "email": "a@example.org", "address": ["1 Road"]}
    assert (await api.request("driver", "PATCH", path, json=first)).status_code == 200
    body = (await api.request("driver", "PATCH", path, json={"email": None})).json()
    assert (body["full_name"], body["email"], body["address"]) == (
        "A",
        None,
        ["1 Road"],
    )
    for wrong in ({"role": "admin"}, {"active": True}, {"name": "admin"}):
        answer = await api.request("driver", "PATCH", path, json=wrong)
        assert code(answer) == (422, "invalid_request")
    assert (await api.user("driver")).role is Role.USER


async def test_one_s_own_password_takes_the_current_one(api: Api) -> None:
    """A machine left unlocked does not lose its account."""
    body = {"current_password": "a guess at it", "password": "another good one"}
    answer = await api.request("driver", "PUT", "/users/me/password", json=body)
    assert code(answer) == (422, "invalid_input")
    assert problem(answer)["errors"][0]["path"] == "current_password"


@pytest.mark.parametrize("changes", [{"role": "user"}, {"active": False}])
async def test_the_last_admin_stays(api: Api, changes: dict[str, Any]) -> None:
    """Nobody could undo it; with a second one it works."""
    answer = await api.request("admin", "PATCH", "/users/admin", json=changes)
    assert code(answer) == (409, "last_admin")
    await api.add_user("second", Role.ADMIN)
    answer = await api.request("second", "PATCH", "/users/admin", json=changes)
    assert answer.status_code == 200


async def test_changes_are_in_the_log(api: Api) -> None:
    """Who, what, whom; before and after, without the hash."""
    api.advance(seconds=1)
    await api.request("admin", "PATCH", "/users/driver", json={"full_name": "B"})
    body = {"password": "another good one"}
    await api.request("admin", "PUT", "/users/driver/password", json=body)
    assert [(each[1], each[2]) for each in await api.audited()] == [
        ("user.change", "user:driver"),
        ("user.password", "user:driver"),
    ]
    logged = (await api.request("admin", "GET", "/audit/")).text
    assert '"full_name":"Dana Driver"' in logged
    assert '"full_name":"B"' in logged
    assert "plain:" not in logged


async def test_a_user_who_does_not_exist(api: Api) -> None:
    """404, whatever is asked of them."""
    for method, path, body in (
        ("GET", "/users/nobody", None),
        ("PATCH", "/users/nobody", {}),
        ("PUT", "/users/nobody/password", {"password": PASSWORD}),
    ):
        answer = await api.request("admin", method, path, json=body)
        assert code(answer) == (404, "not_found")
