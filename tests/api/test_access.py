"""Who may do what: every route, from the application's own list of routes.

Each is in one of four lists, or the test fails: ``OPEN``, ``ADMINS_ONLY``, ``OWNED`` and
``EVERYONE``. Each is then called by nobody, by a program that lacks its scope, by the owner of what
its path names, by another user and by an admin.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute, APIWebSocketRoute
from sqlalchemy import text
from starlette.routing import BaseRoute, Route
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from billing_service.api.application import create_api
from billing_service.api.deps import scope_of
from billing_service.domain.correction import Correction
from billing_service.domain.tariff_choice import Assignment
from billing_service.services.service_tokens import SCOPES
from tests.api.harness import PASSWORD, Api, code, listening, problem, tariff_json
from tests.esp_images import esp_image
from tests.services.site import T0

IMAGE = esp_image()
IMAGE_SHA256 = hashlib.sha256(IMAGE).hexdigest()

type Where = tuple[str, str]

OPEN = {
    ("GET", "/openapi.json"),
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/auth/token"),
    ("GET", "/verify/{sha256}"),
    # By the ticket of an update: tests/api/test_firmware.py.
    ("GET", "/firmware/{sha256}/image"),
}

ADMINS_ONLY = {
    ("GET", "/users/"),
    ("POST", "/users/"),
    ("GET", "/users/{user_id}"),
    ("PATCH", "/users/{user_id}"),
    ("PUT", "/users/{user_id}/password"),
    ("POST", "/users/{user_id}/sign-out"),
    ("POST", "/stations/"),
    ("PATCH", "/stations/{station_id}"),
    ("POST", "/stations/{station_id}/accept"),
    ("GET", "/stations/{station_id}/access"),
    ("PUT", "/stations/{station_id}/access"),
    ("POST", "/stations/{station_id}/logs"),
    ("POST", "/tariffs/"),
    ("GET", "/firmware/"),
    ("POST", "/firmware/"),
    ("DELETE", "/firmware/{sha256}"),
    ("POST", "/stations/{station_id}/update"),
    ("GET", "/stations/{station_id}/updates"),
    ("GET", "/tokens/"),
    ("POST", "/tokens/"),
    ("GET", "/tokens/{uid}"),
    ("PATCH", "/tokens/{uid}"),
    ("DELETE", "/tokens/{uid}"),
    ("DELETE", "/sessions/{session_id}"),
    ("POST", "/sessions/{session_id}/bill"),
    ("GET", "/rejected/"),
    ("GET", "/audit/"),
    ("GET", "/users/{user_id}/export"),
    ("DELETE", "/users/{user_id}"),
    ("GET", "/metrics"),
    ("GET", "/tariff-assignments/"),
    ("POST", "/tariff-assignments/"),
    ("DELETE", "/tariff-assignments/{assignment_id}"),
    ("POST", "/bills/{number}/paid"),
    ("POST", "/bills/{number}/credit"),
    ("POST", "/bills/months/{month}"),
    ("GET", "/corrections/"),
    ("GET", "/customers/{user_id}"),
    ("GET", "/supplier"),
    ("PUT", "/supplier"),
    ("DELETE", "/supplier"),
    ("PUT", "/customers/{user_id}"),
    ("GET", "/corrections/{correction_id}"),
    ("POST", "/corrections/{correction_id}/confirm"),
    ("POST", "/corrections/{correction_id}/dismiss"),
}

OWNED = {
    ("GET", "/sessions/{session_id}"),
    ("PUT", "/sessions/{session_id}"),
    ("GET", "/sessions/{session_id}/bill"),
    ("WS", "/live/{session_id}"),
    ("GET", "/bills/{number}"),
    ("DELETE", "/service-tokens/{service_token_id}"),
    ("GET", "/stations/{station_id}"),
    ("GET", "/stations/{station_id}/tariff"),
    ("GET", "/tariffs/{tariff_id}"),
    ("GET", "/tariffs/{tariff_id}/prices"),
    ("GET", "/tariffs/{tariff_id}/versions"),
    ("GET", "/tariffs/{tariff_id}/versions/{version}"),
}
"""What its path names is somebody's; for others it is not there."""

EVERYONE = {
    ("GET", "/auth/sign-ins"),
    ("POST", "/auth/sign-out"),
    ("POST", "/auth/sign-out-everywhere"),
    ("GET", "/service-tokens/"),
    ("POST", "/service-tokens/"),
    ("GET", "/users/me"),
    ("PATCH", "/users/me"),
    ("PUT", "/users/me/password"),
    ("GET", "/users/me/export"),
    ("GET", "/customers/me"),
    ("PUT", "/customers/me"),
    ("GET", "/stations/"),
    ("GET", "/tariffs/"),
    ("POST", "/tariffs/preview"),
    ("GET", "/sessions/"),
    ("POST", "/sessions/"),
    ("GET", "/bills/"),
    ("GET", "/bills/months/{month}"),
    ("GET", "/exports/sessions"),
    ("GET", "/exports/bills"),
    ("GET", "/exports/cdrs"),
}
"""It is about who asks."""

NOBODY_S = {"month", "version"}
"""What these parameters name is nobody's own."""

BODIES = {
    ("POST", "/users/"): {"name": "new", "password": PASSWORD},
    ("POST", "/service-tokens/"): {"name": "export", "scopes": ["bills:read"]},
    ("PATCH", "/users/{user_id}"): {"full_name": "New"},
    ("PATCH", "/users/me"): {"full_name": "New"},
    ("PUT", "/users/me/password"): {
        "current_password": PASSWORD,
        "password": PASSWORD + "!",
    },
    ("PUT", "/users/{user_id}/password"): {"password": PASSWORD + "!"},
    ("PATCH", "/stations/{station_id}"): {"name": "New"},
    ("POST", "/stations/"): {"id": "barn"},
    ("PUT", "/stations/{station_id}/access"): {"users": ["driver"]},
    ("POST", "/stations/{station_id}/update"): {"sha256": IMAGE_SHA256},
    ("POST", "/tokens/"): {"uid": "04AA", "user_id": "driver"},
    ("PATCH", "/tokens/{uid}"): {"valid": False},
    ("POST", "/tariffs/"): tariff_json(),
    ("POST", "/tariff-assignments/"): {"tariff_id": "home"},
    ("POST", "/tariffs/preview"): {
        "tariff_id": "home",
        "session": {
            "start_date_time": "2026-11-23T09:00:00Z",
            "end_date_time": "2026-11-23T10:00:00Z",
            "charging_periods": [],
        },
    },
    ("POST", "/sessions/"): {"station_id": "garage"},
    ("PUT", "/sessions/{session_id}"): {"charging": True},
    ("POST", "/bills/{number}/paid"): {},
    ("POST", "/bills/{number}/credit"): {"reason": "wrong tariff"},
    ("POST", "/bills/months/{month}"): {},
    ("PUT", "/supplier"): {"name": "Sunny Charging"},
    ("PUT", "/customers/me"): {"name": "Sun Cars"},
    ("PUT", "/customers/{user_id}"): {"name": "Sun Cars"},
    ("POST", "/corrections/{correction_id}/dismiss"): {"reason": "too little"},
}

CORRECTION = "late"


def _routes(of: Iterable[BaseRoute]) -> Iterator[tuple[Where, BaseRoute]]:
    """Yield ((method, path), route) of every route, also of routers within."""
    for route in of:
        if isinstance(router := getattr(route, "original_router", None), APIRouter):
            yield from _routes(router.routes)
        elif isinstance(route, APIWebSocketRoute):
            yield ("WS", route.path), route
        else:
            # Anything else, such as a whole application, has to be thought of here first.
            assert isinstance(route, Route), route
            for method in sorted(set(route.methods or ()) - {"HEAD"}):
                yield (method, route.path), route


BY_WHERE = dict(_routes(create_api().routes))
ROUTES = sorted(BY_WHERE)

VALUES = {
    "service_token_id": "of-driver",
    "station_id": "garage",
    "user_id": "driver",
    "tariff_id": "own",
    "version": "1",
    "assignment_id": "a",
    "number": "SR-2026-000001",
    "month": "2026-10",
    "uid": "04BB",
    "correction_id": CORRECTION,
    "sha256": IMAGE_SHA256,
}
"""What paths name; ``_prepare`` makes it, and the session."""

MISSING = {"number": "SR-2026-999999", "sha256": "0" * 64, "version": "1"}
"""What no one has, where ``nobody-has-this`` can't be a value."""


def _parameters(path: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", path)


async def _prepare(api: Api, where: Where) -> dict[str, str]:
    """Make what the path names, the driver's; return the values of its parameters."""
    _, path = where
    values = dict(VALUES)
    named = set(_parameters(path))
    if "assignment_id" in named:
        async with api.site.database.write() as uow:
            await uow.tariffs.save_assignment(Assignment(id="a", tariff_id="home"))
            await uow.commit()
    if "service_token_id" in named:
        for name in ("driver", "admin"):
            body = {"name": name, "scopes": ["bills:read"]}
            made = await api.request(name, "POST", "/service-tokens/", json=body)
            await _rename(api, made.json()["id"], f"of-{name}")
    if "station_id" in named and where in OWNED:
        body = {"users": ["driver"]}
        await api.request("admin", "PUT", "/stations/garage/access", json=body)
    if "tariff_id" in named:
        body = tariff_json(id="own")
        await api.request("admin", "POST", "/tariffs/?assigned_only=true", json=body)
        body = {"tariff_id": "own", "user_id": "driver"}
        await api.request("admin", "POST", "/tariff-assignments/", json=body)
    if path.startswith("/firmware/{sha256}") or path.endswith("/update"):
        await api.request("admin", "POST", "/firmware/", content=IMAGE)
        named.discard("sha256")
    if where == ("DELETE", "/supplier"):
        await api.request("admin", "PUT", "/supplier", json=BODIES["PUT", "/supplier"])
    if "uid" in named:
        body = {"uid": "04BB", "user_id": "driver"}
        await api.request("admin", "POST", "/tokens/", json=body)
    if not named & {"session_id", "number", "correction_id", "sha256"}:
        return values
    session = await api.charge()
    await api.assign(session.id, "driver")
    values["session_id"] = session.id
    if "session_id" not in named:
        await api.request("admin", "POST", f"/sessions/{session.id}/bill")
    if "sha256" in named:
        bill = await api.request("admin", "GET", f"/sessions/{session.id}/bill")
        values["sha256"] = bill.json()["sha256"]
    if "correction_id" in named:
        async with api.site.database.write() as uow:
            await uow.corrections.open(
                Correction(
                    id=CORRECTION,
                    session_id=session.id,
                    bill_number="SR-2026-000001",
                    opened_at=T0,
                    late_from=T0,
                    late_to=T0,
                )
            )
            await uow.commit()
    return values


async def _rename(api: Api, token_id: str, to: str) -> None:
    async with api.site.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE service_tokens SET id = :to WHERE id = :id"),
            {"to": to, "id": token_id},
        )


async def _call(
    api: Api, who: str | dict[str, str] | None, where: Where, values: dict[str, str]
) -> tuple[int, str, str]:
    """Call as a user, as nobody or with headers; return status, code and detail."""
    method, path = where
    if who == "admin":
        # Tokens are revoked by who made them.
        values = values | {"service_token_id": "of-admin"}
    headers = await api.headers(who) if isinstance(who, str) else who or {}
    filled = path.format(**values)
    if path.endswith("/prices"):
        filled += "?from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z"
    if method == "WS":
        return await _watch(api, headers, filled)
    body = BODIES.get(where)
    answer = await api.client.request(method, filled, headers=headers, json=body)
    if answer.status_code < 400:
        return answer.status_code, "", ""
    said = problem(answer)
    return answer.status_code, said["code"], said["detail"]


async def _watch(api: Api, headers: dict[str, str], path: str) -> tuple[int, str, str]:
    """Watch to the end; return the status and code that a route would have answered with."""
    async with (
        listening(api.app) as at,
        connect(f"ws://{at}{path}", additional_headers=headers, proxy=None) as socket,
    ):
        if not headers:
            await socket.send(json.dumps({}))
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            answers = {
                1000: (200, ""),
                4401: (401, "not_signed_in"),
                4403: (403, "not_allowed"),
                4404: (404, "not_found"),
            }
            assert socket.close_code is not None
            return *answers[socket.close_code], socket.close_reason or ""


def test_every_route_is_in_one_list() -> None:
    """A new one has to be thought of; one that names somebody's thing is never everyone's."""
    lists = (OPEN, ADMINS_ONLY, OWNED, EVERYONE)
    assert Counter(each for some in lists for each in some) == Counter(ROUTES)
    assert set(BODIES) <= set(ROUTES)
    for _, path in EVERYONE:
        assert set(_parameters(path)) <= NOBODY_S, path
    for _, path in OWNED:
        assert set(_parameters(path)) - NOBODY_S, path


def test_every_route_is_described() -> None:
    """In the OpenAPI document, and nothing else is; it cannot describe WebSockets."""
    described = create_api().openapi()["paths"]
    assert {
        (method.upper(), path) for path, of in described.items() for method in of
    } == {where for where in ROUTES if isinstance(BY_WHERE[where], APIRoute)}


@pytest.mark.parametrize("where", ROUTES, ids=" ".join)
async def test_nobody_gets_in_without_a_token(api: Api, where: Where) -> None:
    """Every route but the open ones asks for a sign-in, and a program for the route's scope."""
    method, path = where
    values = await _prepare(api, where)
    if where in OPEN:
        assert (await _call(api, None, where, values))[0] in (200, 422)
        return
    assert (await _call(api, None, where, values))[:2] == (401, "not_signed_in")
    if method != "WS":
        # Whatever else is wrong.
        empty = re.sub(r"\{.*?\}", "x", path)
        refused = await api.client.request(method, empty, content=b"{")
        assert code(refused) == (401, "not_signed_in")
        assert refused.headers["www-authenticate"] == "Bearer"
    needed = "sessions:read" if method == "WS" else scope_of(BY_WHERE[where], method)
    without = await _program(api, SCOPES.keys() - {needed})
    assert (await _call(api, without, where, values))[:2] == (403, "not_allowed")
    if needed is not None:
        program = await _program(api, [needed])
        assert (await _call(api, program, where, values))[0] not in (401, 403, 404)


async def _program(api: Api, scopes: Iterable[str]) -> dict[str, str]:
    """Return the headers of a program with an admin's service token."""
    body: dict[str, Any] = {"name": "program", "scopes": sorted(scopes)}
    made = await api.request("admin", "POST", "/service-tokens/", json=body)
    return {"Authorization": f"Bearer {made.json()['token']}"}


@pytest.mark.parametrize("where", sorted(set(ROUTES) - OPEN), ids=" ".join)
async def test_what_is_whose(api: Api, where: Where) -> None:
    """An admin's routes are closed to users; what is another's is not there, as if nobody had it."""
    values = await _prepare(api, where)
    by_other = await _call(api, "other", where, values)
    if where in ADMINS_ONLY:
        assert by_other[:2] == (403, "not_allowed")
    elif where in OWNED:
        missing = {
            name: MISSING.get(name, "nobody-has-this") for name in _parameters(where[1])
        }
        by_nobody = await _call(api, "other", where, missing)
        assert by_other[:2] == by_nobody[:2] == (404, "not_found")
        # The sentences may name what was asked for, and differ in nothing else.
        said = by_other[2]
        for name, value in missing.items():
            said = said.replace(values[name], value)
        assert said == by_nobody[2]
    else:
        assert by_other[0] not in (401, 403, 404)
    by_owner = await _call(api, "driver", where, values)
    if where in ADMINS_ONLY:
        assert by_owner[:2] == (403, "not_allowed")
    else:
        assert by_owner[0] not in (401, 403, 404)
    by_admin = await _call(api, "admin", where, values)
    assert by_admin[0] not in (401, 403, 404)


async def test_lists_hold_one_s_own(api: Api) -> None:
    """A user lists their sessions only; an admin all."""
    first, second = await api.charge("1-1"), await api.charge("2-1")
    await api.assign(first.id, "driver")
    await api.assign(second.id, "other")

    async def listed(name: str) -> list[str]:
        answer = await api.request(name, "GET", "/sessions/")
        assert answer.json()["total"] == len(answer.json()["items"])
        return sorted(each["id"] for each in answer.json()["items"])

    assert await listed("driver") == [first.id]
    assert await listed("other") == [second.id]
    assert await listed("admin") == sorted([first.id, second.id])
    spying = await api.request("other", "GET", "/sessions/?user_id=driver")
    assert spying.json()["total"] == 0


async def test_another_s_station_does_not_exist(api: Api) -> None:
    """It can be neither seen nor started by who may not use it."""
    await api.station(user_id="driver")
    assert (await api.request("driver", "GET", "/stations/garage")).status_code == 200
    assert (await api.request("other", "GET", "/stations/")).json() == []
    seen = await api.request("other", "GET", "/stations/garage")
    assert code(seen) == (404, "not_found")
    started = await api.request(
        "other", "POST", "/sessions/", json={"station_id": "garage"}
    )
    assert code(started) == (404, "not_found")
    assert api.commands.sent == []
