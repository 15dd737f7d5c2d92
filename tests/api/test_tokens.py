"""Signing in, and what a token must be."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest

from billing_service.adapters.keys import Key, KeyRing
from billing_service.adapters.tokens import ALGORITHM, AUDIENCE, ISSUER
from billing_service.services.auth import ACCESS_TOKEN_LASTS, ATTEMPTS_PER_ACCOUNT
from tests.api.harness import PASSWORD, Api, code, problem


async def _claims(api: Api, **changes: Any) -> dict[str, Any]:
    await api.headers("admin")
    grant = (await api.services.auth.sign_ins("admin"))[0]
    now = api.site.now
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "admin",
        "jti": "1",
        "sid": grant.id,
        "iat": now.timestamp(),
        "exp": (now + timedelta(minutes=5)).timestamp(),
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def _key(api: Api) -> Key:
    return KeyRing(api.settings.signing_keys_file, api.site.clock).current()


def _part(value: Any) -> str:
    raw = json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signed(algorithm: str, claims: dict[str, Any], key: Key) -> str:
    """Sign by hand: the library would not write some claims, nor take a short key."""
    head = {"alg": algorithm, "typ": "JWT", "kid": key.kid}
    content = f"{_part(head)}.{_part(claims)}"
    signature = jwt.get_algorithm_by_name(algorithm).sign(content.encode(), key.secret)
    return f"{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def _status(api: Api, token: str) -> int:
    answer = await api.client.get(
        "/users/me", headers={b"Authorization": f"Bearer {token}".encode()}
    )
    if answer.status_code != 200:
        assert code(answer) == (401, "not_signed_in")
    return answer.status_code


async def _sign_in(api: Api, name: str, password: str) -> Any:
    return await api.client.post(
        "/auth/token", data={"username": name, "password": password}
    )


async def test_signing_in_gives_a_token_that_works(api: Api) -> None:
    """The OAuth 2 password form; the name in any case; nothing is to be cached."""
    answer = await _sign_in(api, "ADMIN", PASSWORD)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
    assert answer.headers["cache-control"] == "no-store"
    assert await _status(api, body["access_token"]) == 200


async def test_a_token_we_would_make_is_taken(api: Api) -> None:
    """The forgeries below differ from this one by what they name, and by nothing else."""
    key = _key(api)
    token = jwt.encode(
        await _claims(api), key.secret, algorithm=ALGORITHM, headers={"kid": key.kid}
    )
    assert await _status(api, token) == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"iat": None},
        {"iss": None},
        {"aud": None},
        {"sub": None},
        {"jti": None},
        {"sid": None},
        {"sid": "nobody-has-this"},
        {"sid": 1},
        {"iss": "someone"},
        {"aud": "another-api"},
        {"aud": [AUDIENCE, "another-api"]},
        {"sub": "nobody"},
        {"sub": 1},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e300},
        {"iat": "once"},
    ],
    ids=str,
)
async def test_wrong_claims_are_refused(api: Api, changes: dict[str, Any]) -> None:
    """Rightly signed, but a claim is missing, another's, or of the wrong type."""
    claims = await _claims(api, **changes)
    assert await _status(api, _signed("HS256", claims, _key(api))) == 401


async def test_an_expired_token_is_refused(api: Api) -> None:
    """By the service's clock, to the second."""
    token = (await _sign_in(api, "admin", PASSWORD)).json()["access_token"]
    api.site.now += ACCESS_TOKEN_LASTS - timedelta(seconds=1)
    assert await _status(api, token) == 200
    api.advance(seconds=1)
    assert await _status(api, token) == 401


async def test_forged_tokens_are_refused(api: Api) -> None:
    """Another key, another name of it, another algorithm, none, no signature, a changed payload."""
    key, claims = _key(api), await _claims(api)
    good = _signed("HS256", claims, key)
    assert await _status(api, good) == 200
    head, _, tail = good.split(".")
    kid = {"kid": key.kid}
    other = replace(key, secret=bytes(32))
    forged = {
        "other key": _signed("HS256", claims, other),
        "other key by a name of its own": _signed(
            "HS256", claims, replace(other, kid="mine")
        ),
        "no name of a key": jwt.encode(claims, key.secret, algorithm="HS256"),
        "other algorithm": _signed("HS512", claims, key),
        "right key, other algorithm": _signed("HS384", claims, key),
        "none": f"{_part({'alg': 'none'} | kid)}.{_part(claims)}.",
        "None": f"{_part({'alg': 'None'} | kid)}.{_part(claims)}.{tail}",
        "no signature": good.rpartition(".")[0] + ".",
        "two parts": good.rpartition(".")[0],
        "changed payload": f"{head}.{_part(claims | {'sub': 'driver'})}.{tail}",
        "another's sign-in": _signed("HS256", claims | {"sub": "driver"}, key),
        "key in the header": f"{_part({'alg': 'HS256', 'jwk': {'k': ''}} | kid)}."
        f"{_part(claims)}.{tail}",
        "a name that is no text": f"{_part({'alg': 'HS256', 'kid': [key.kid]})}."
        f"{_part(claims)}.{tail}",
        "not base64": "ü.ü.ü",
        "nonsense": "nonsense",
        "too long": "x" * 10_000,
    }
    for what, token in forged.items():
        assert await _status(api, token) == 401, what


async def test_a_deactivated_user_is_out_at_once(api: Api) -> None:
    """Tokens issued before do not outlive the account, nor come back with it."""
    headers = await api.headers("driver")
    api.advance(seconds=1)
    for active in (False, True):
        await api.request("admin", "PATCH", "/users/driver", json={"active": active})
        answer = await api.client.get("/users/me", headers=headers)
        assert code(answer) == (401, "not_signed_in")


async def test_a_role_that_is_taken_away_is_gone_at_once(api: Api) -> None:
    """The role is read from the database, not from the token."""
    await api.add_user("second", role=(await api.user("admin")).role)
    headers = await api.headers("second")
    api.advance(seconds=1)
    await api.request("admin", "PATCH", "/users/second", json={"role": "user"})
    answer = await api.client.get("/users/", headers=headers)
    assert code(answer) == (401, "not_signed_in")
    assert code(await api.request("second", "GET", "/users/")) == (403, "not_allowed")


async def test_a_new_password_voids_tokens(api: Api) -> None:
    """Whoever held one has to sign in again."""
    headers = await api.headers("driver")
    api.advance(seconds=1)
    new = {"current_password": PASSWORD, "password": "another good one"}
    changed = await api.client.put("/users/me/password", headers=headers, json=new)
    assert changed.status_code == 204
    assert (await api.client.get("/users/me", headers=headers)).status_code == 401
    assert (await _sign_in(api, "driver", PASSWORD)).status_code == 401
    assert (await _sign_in(api, "driver", "another good one")).status_code == 200


async def test_who_does_not_exist_looks_like_a_wrong_password(api: Api) -> None:
    """The same answer and the same work: unknown, inactive, wrong password."""
    await api.request("admin", "PATCH", "/users/other", json={"active": False})
    answers = []
    for name, password in (
        ("driver", "wrong password"),
        ("nobody", PASSWORD),
        ("other", PASSWORD),
        ("nul\x00", PASSWORD),
    ):
        before = api.passwords.worked
        answer = await _sign_in(api, name, password)
        answers.append((code(answer), problem(answer)["detail"]))
        assert api.passwords.worked == before + 1
    assert len(set(answers)) == 1
    assert answers[0][0] == (401, "not_signed_in")


async def test_signing_in_is_throttled_by_account(api: Api) -> None:
    """After ten failures even the right password waits, from any address, until time is up."""
    for _ in range(ATTEMPTS_PER_ACCOUNT):
        assert code(await _sign_in(api, "driver", "wrong"))[0] == 401
    api.advance(minutes=10)
    worked = api.passwords.worked
    answer = await _sign_in(api, "DRIVER", PASSWORD)
    assert code(answer) == (429, "too_many_attempts")
    assert answer.headers["retry-after"] == "300"
    assert api.passwords.worked == worked
    assert (await _sign_in(api, "other", PASSWORD)).status_code == 200
    api.advance(minutes=5, seconds=1)
    assert (await _sign_in(api, "driver", PASSWORD)).status_code == 200


async def test_signing_in_is_throttled_by_address(api: Api) -> None:
    """Trying many names from one address stops too."""
    codes = [(await _sign_in(api, f"name-{n}", "wrong")).status_code for n in range(51)]
    assert codes == [401] * 50 + [429]


async def test_signing_in_forgives(api: Api) -> None:
    """Who remembers the password in the end starts anew."""
    for _ in range(3):
        for _ in range(ATTEMPTS_PER_ACCOUNT - 1):
            await _sign_in(api, "driver", "wrong")
        assert (await _sign_in(api, "driver", PASSWORD)).status_code == 200


async def test_the_throttle_does_not_keep_names(api: Api) -> None:
    """People type passwords into the wrong field: only a digest is stored."""
    await _sign_in(api, "my-secret-password", "x")
    async with api.site.database.engine.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT * FROM sign_in_attempts")
        assert "my-secret-password" not in str(rows.all())
