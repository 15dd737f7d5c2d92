"""Staying signed in, signing out, and tokens of programs."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from billing_service.adapters.keys import KeyRing
from billing_service.services.grants import (
    GRANT_LASTS,
    REFRESH_TOKEN_LASTS,
    REPEAT_WITHIN,
)
from billing_service.services.service_tokens import SCOPES
from tests.api.harness import PASSWORD, Api, code, problem, tariff_json


async def _sign_in(api: Api, name: str = "driver") -> dict[str, Any]:
    answer = await api.client.post(
        "/auth/token", data={"username": name, "password": PASSWORD}
    )
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


async def _refresh(api: Api, token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await api.client.post("/auth/token", data=form)


async def _works(api: Api, token: str, path: str = "/users/me") -> bool:
    answer = await api.client.get(path, headers={"Authorization": f"Bearer {token}"})
    if answer.status_code != 200:
        assert code(answer) == (401, "not_signed_in")
    return answer.status_code == 200


# -- refresh tokens --------------------------------------------------------------------------------


async def test_a_refresh_token_brings_new_tokens(api: Api) -> None:
    """Again and again, long after the access token expired; the former access token just ends."""
    tokens = await _sign_in(api)
    for _ in range(3):
        api.advance(days=20)
        assert not await _works(api, tokens["access_token"])
        answer = await _refresh(api, tokens["refresh_token"])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["refresh_token"] != tokens["refresh_token"]
        tokens = answer.json()
        assert await _works(api, tokens["access_token"])


async def test_a_refresh_token_used_again_ends_the_sign_in(api: Api) -> None:
    """Thief and owner cannot be told apart: both are out, at once, and the log says so."""
    stolen = (await _sign_in(api))["refresh_token"]
    owner = (await _refresh(api, stolen)).json()
    elsewhere = await _sign_in(api)
    api.site.now += REPEAT_WITHIN + timedelta(seconds=1)
    assert code(await _refresh(api, stolen)) == (401, "not_signed_in")
    assert code(await _refresh(api, owner["refresh_token"])) == (401, "not_signed_in")
    assert not await _works(api, owner["access_token"])
    assert await _works(api, elsewhere["access_token"])
    assert ("system", "user.refresh_token_reused", "user:driver") in await api.audited()


async def test_a_lost_answer_can_be_asked_for_again(api: Api) -> None:
    """Within seconds, more than once; the answers that were lost are void from then on."""
    first = (await _sign_in(api))["refresh_token"]
    lost = [(await _refresh(api, first)).json()["refresh_token"] for _ in range(3)]
    received = lost.pop()
    received = (await _refresh(api, received)).json()["refresh_token"]
    assert (await _refresh(api, received)).status_code == 200


async def test_a_lost_answer_that_turns_up_elsewhere_ends_the_sign_in(api: Api) -> None:
    """Whoever has it copied it on the way."""
    first = (await _sign_in(api))["refresh_token"]
    lost = (await _refresh(api, first)).json()["refresh_token"]
    received = (await _refresh(api, first)).json()["refresh_token"]
    assert code(await _refresh(api, lost)) == (401, "not_signed_in")
    assert code(await _refresh(api, received)) == (401, "not_signed_in")


async def test_one_refresh_token_used_by_many_at_once(api: Api) -> None:
    """At most one of the answers still works."""
    first = (await _sign_in(api))["refresh_token"]
    answers = await asyncio.gather(*(_refresh(api, first) for _ in range(5)))
    given = [each.json()["refresh_token"] for each in answers]
    api.site.now += REPEAT_WITHIN + timedelta(seconds=1)
    worked = [(await _refresh(api, token)).status_code for token in reversed(given)]
    assert worked.count(200) <= 1


@pytest.mark.parametrize("token", ["", "x", "srr_", "srr_" + "a" * 43, "ü" * 20])
async def test_what_is_no_refresh_token(api: Api, token: str) -> None:
    """Refused in a sentence; nothing else happens."""
    answer = await _refresh(api, token)
    assert code(answer)[0] == (401 if token else 422)


async def test_refresh_tokens_end(api: Api) -> None:
    """After a month without use, and after a year whatever the use."""
    token = (await _sign_in(api))["refresh_token"]
    api.site.now += REFRESH_TOKEN_LASTS
    assert code(await _refresh(api, token)) == (401, "not_signed_in")
    token = (await _sign_in(api))["refresh_token"]
    until = api.site.now + GRANT_LASTS
    while api.site.now + timedelta(days=29) < until:
        api.advance(days=29)
        token = (await _refresh(api, token)).json()["refresh_token"]
    api.advance(days=29)
    assert code(await _refresh(api, token)) == (401, "not_signed_in")


async def test_refresh_tokens_are_not_stored(api: Api) -> None:
    """Only their digests: whoever reads the database cannot sign in with it."""
    token = (await _sign_in(api))["refresh_token"]
    made = await _service_token(api, "driver", ["bills:read"])
    async with api.site.database.engine.connect() as connection:
        for table in ("refresh_tokens", "service_tokens"):
            rows = (await connection.exec_driver_sql(f"SELECT * FROM {table}")).all()  # noqa: S608
            assert rows
            assert token not in str(rows)
            assert made not in str(rows)


async def test_an_inactive_user_s_refresh_token_is_void(api: Api) -> None:
    """And stays so when the account comes back."""
    token = (await _sign_in(api))["refresh_token"]
    for active in (False, True):
        await api.request("admin", "PATCH", "/users/driver", json={"active": active})
        assert code(await _refresh(api, token)) == (401, "not_signed_in")


# -- signing out -----------------------------------------------------------------------------------


async def test_signing_out_ends_one_sign_in(api: Api) -> None:
    """Its access token too, at once; others go on."""
    one, other = await _sign_in(api), await _sign_in(api)
    headers = {"Authorization": f"Bearer {one['access_token']}"}
    assert (await api.client.post("/auth/sign-out", headers=headers)).status_code == 204
    assert not await _works(api, one["access_token"])
    assert code(await _refresh(api, one["refresh_token"])) == (401, "not_signed_in")
    assert await _works(api, other["access_token"])


@pytest.mark.parametrize(
    ("who", "path"),
    [
        ("driver", "/auth/sign-out-everywhere"),
        ("admin", "/users/driver/sign-out"),
    ],
)
async def test_signing_out_everywhere(api: Api, who: str, path: str) -> None:
    """By oneself or by an admin: all of the user's sign-ins end, and nobody else's."""
    several = [await _sign_in(api) for _ in range(3)]
    another = await _sign_in(api, "other")
    api.advance(seconds=1)
    assert (await api.request(who, "POST", path)).status_code == 204
    for each in several:
        assert not await _works(api, each["access_token"])
        assert code(await _refresh(api, each["refresh_token"]))[0] == 401
    assert await _works(api, another["access_token"])
    assert "user.sign_out" in [each[1] for each in await api.audited()]


async def test_one_sees_where_one_is_signed_in(api: Api) -> None:
    """From where, with what, and which of them is this one; not others'."""
    await _sign_in(api, "other")
    form = {"username": "driver", "password": PASSWORD}
    await api.client.post(
        "/auth/token", data=form, headers={"User-Agent": "Phone " + "x" * 500}
    )
    api.advance(minutes=1)
    listed = (await api.request("driver", "GET", "/auth/sign-ins")).json()
    assert [each["current"] for each in listed] == [True, False]
    assert listed[1]["client"].startswith("Phone x")
    assert len(listed[1]["client"]) == 200


async def test_a_rotated_key_signs_nobody_out(api: Api) -> None:
    """Unless the old one is dropped, and then a refresh token brings the next access token."""
    tokens = await _sign_in(api)
    keys = KeyRing(api.settings.signing_keys_file, api.site.clock)
    keys.rotate()
    assert await _works(api, tokens["access_token"])
    keys.rotate(drop_old=True)
    assert not await _works(api, tokens["access_token"])
    fresh = (await _refresh(api, tokens["refresh_token"])).json()
    assert await _works(api, fresh["access_token"])


# -- service tokens --------------------------------------------------------------------------------


async def _service_token(api: Api, who: str, scopes: list[str], **more: Any) -> str:
    body = {"name": "Home Assistant", "scopes": scopes} | more
    made = await api.request(who, "POST", "/service-tokens/", json=body)
    assert made.status_code == 201
    token: str = made.json()["token"]
    return token


async def _with(
    api: Api, token: str, method: str, path: str, **more: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return await api.client.request(method, path, headers=headers, **more)


async def test_a_service_token_does_what_its_scopes_name(api: Api) -> None:
    """It sees what its maker sees; the rest is refused, and no route is open by accident."""
    mine, others = await api.charge("1-1"), await api.charge("2-1")
    await api.assign(mine.id, "driver")
    await api.assign(others.id, "other")
    token = await _service_token(api, "driver", ["sessions:read"])
    listed = await _with(api, token, "GET", "/sessions/")
    assert [each["id"] for each in listed.json()["items"]] == [mine.id]
    assert code(await _with(api, token, "GET", f"/sessions/{others.id}"))[0] == 404
    start = {"station_id": "garage"}
    for method, path, body in (
        ("GET", "/tariffs/", None),
        ("GET", f"/sessions/{mine.id}/bill", None),
        ("POST", "/sessions/", start),
        ("GET", "/users/me", None),
        ("PUT", "/users/me/password", {}),
        ("POST", "/service-tokens/", {}),
        ("GET", "/auth/sign-ins", None),
        ("POST", "/auth/sign-out-everywhere", None),
    ):
        assert code(await _with(api, token, method, path, json=body)) == (
            403,
            "not_allowed",
        )
    starter = await _service_token(api, "driver", ["sessions:write"])
    begun = await _with(api, starter, "POST", "/sessions/", json=start)
    assert begun.status_code == 202


async def test_a_user_s_service_token_is_no_admin_s(api: Api) -> None:
    """Its scope does not lift it above its maker; an admin's reaches as far as it is named."""
    for who, status in (("driver", 403), ("admin", 201)):
        token = await _service_token(api, who, ["tariffs:write"])
        made = await _with(api, token, "POST", "/tariffs/", json=tariff_json())
        assert made.status_code == status
    token = await _service_token(api, "admin", [*SCOPES])
    session = await api.charge()
    for method, path, body in (
        ("GET", "/users/", None),
        ("DELETE", f"/sessions/{session.id}", None),
        ("PUT", f"/sessions/{session.id}", {"user_id": "driver"}),
        ("POST", f"/sessions/{session.id}/bill", None),
    ):
        refused = await _with(api, token, method, path, json=body)
        assert code(refused) == (403, "not_allowed")


async def test_a_service_token_is_shown_once_and_listed(api: Api) -> None:
    """With when it was last used; others do not see it, an admin does."""
    token = await _service_token(api, "driver", ["bills:read", "tariffs:read"])
    assert (await _with(api, token, "GET", "/tariffs/")).status_code == 200
    answer = await api.request("driver", "GET", "/service-tokens/")
    assert token not in answer.text
    (listed,) = answer.json()
    assert listed["scopes"] == ["bills:read", "tariffs:read"]
    assert listed["last_used_at"] == api.site.now.isoformat().replace("+00:00", "Z")
    assert (await api.request("other", "GET", "/service-tokens/")).json() == []
    assert (await api.request("admin", "GET", "/service-tokens/")).json() == [listed]


async def test_revoking_a_service_token(api: Api) -> None:
    """Void at once; another's is not there; an admin may."""
    for who in ("driver", "admin"):
        token = await _service_token(api, "driver", ["tariffs:read"])
        (listed,) = (await api.request("driver", "GET", "/service-tokens/")).json()
        path = f"/service-tokens/{listed['id']}"
        assert code(await api.request("other", "DELETE", path)) == (404, "not_found")
        assert await _works(api, token, "/tariffs/")
        assert (await api.request(who, "DELETE", path)).status_code == 204
        assert not await _works(api, token, "/tariffs/")


async def test_service_tokens_end(api: Api) -> None:
    """At their time, and with their maker's account."""
    until = (api.site.now + timedelta(days=1)).isoformat()
    ending = await _service_token(api, "driver", ["tariffs:read"], expires_at=until)
    lasting = await _service_token(api, "driver", ["tariffs:read"])
    assert await _works(api, ending, "/tariffs/")
    api.advance(days=1)
    assert not await _works(api, ending, "/tariffs/")
    api.advance(days=1000)
    assert await _works(api, lasting, "/tariffs/")
    await api.request("admin", "PATCH", "/users/driver", json={"active": False})
    assert not await _works(api, lasting, "/tariffs/")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"scopes": ["everything"]}, "scopes"),
        ({"scopes": []}, "body.scopes"),
        ({"name": ""}, "body.name"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "body.expires_at"),
    ],
)
async def test_what_a_service_token_cannot_be(
    api: Api, changes: dict[str, Any], path: str
) -> None:
    """Each with the field that is wrong."""
    body = {"name": "x", "scopes": ["bills:read"]} | changes
    answer = await api.request("driver", "POST", "/service-tokens/", json=body)
    assert answer.status_code == 422
    assert [each["path"] for each in problem(answer)["errors"]] == [path]
