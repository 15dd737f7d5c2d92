"""Who may do what: every route, from the application's own list of routes."""

import hashlib
import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text

from billing_service.api.application import ROUTERS, create_api
from billing_service.domain.correction import Correction
from billing_service.domain.tariff_choice import Assignment
from tests.api.harness import PASSWORD, Api, code, problem, tariff_json
from tests.esp_images import esp_image
from tests.services.site import T0

IMAGE = esp_image()
IMAGE_SHA256 = hashlib.sha256(IMAGE).hexdigest()

OPEN = {
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
    ("PUT", "/customers/{user_id}"),
    ("GET", "/corrections/{correction_id}"),
    ("POST", "/corrections/{correction_id}/confirm"),
    ("POST", "/corrections/{correction_id}/dismiss"),
}

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


def routes() -> Iterator[tuple[str, str]]:
    """Yield (method, path) of every HTTP route."""
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute):
                for method in sorted(route.methods or ()):
                    yield method, route.path


ROUTES = sorted(routes())


async def _session(api: Api, path: str) -> str:
    """Return the driver's session, or service token, where the path has one."""
    if "{assignment_id}" in path:
        async with api.site.database.write() as uow:
            await uow.tariffs.save_assignment(Assignment(id="a", tariff_id="home"))
            await uow.commit()
        return ""
    if "{service_token_id}" in path:
        for name in ("driver", "admin"):
            body = {"name": name, "scopes": ["bills:read"]}
            made = await api.request(name, "POST", "/service-tokens/", json=body)
            await _rename(api, made.json()["id"], f"of-{name}")
        return ""
    if path in ("/stations/{station_id}/update", "/firmware/{sha256}"):
        await api.request("admin", "POST", "/firmware/", content=IMAGE)
        return ""
    if "{uid}" in path:
        body = {"uid": "04BB", "user_id": "driver"}
        await api.request("admin", "POST", "/tokens/", json=body)
    if not re.search(r"\{(session_id|number|correction_id|sha256)\}", path):
        return ""
    session = await api.charge()
    await api.assign(session.id, "driver")
    if "{session_id}" not in path:
        await api.request("admin", "POST", f"/sessions/{session.id}/bill")
    if "{sha256}" in path:
        bill = await api.request("admin", "GET", f"/sessions/{session.id}/bill")
        sha256: str = bill.json()["sha256"]
        return sha256
    if "{correction_id}" in path:
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
    return session.id


async def _rename(api: Api, token_id: str, to: str) -> None:
    async with api.site.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE service_tokens SET id = :to WHERE id = :id"),
            {"to": to, "id": token_id},
        )


async def _call(
    api: Api, name: str | None, method: str, path: str, session_id: str
) -> tuple[int, str]:
    filled = path.format(
        session_id=session_id,
        service_token_id=f"of-{name}",
        station_id="garage",
        user_id="driver",
        tariff_id="home",
        version=1,
        assignment_id="a",
        number="SR-2026-000001",
        month="2026-10",
        uid="04BB",
        correction_id=CORRECTION,
        sha256=session_id or IMAGE_SHA256,
    )
    body = BODIES.get((method, path))
    answer = await api.request(name, method, filled, json=body)
    if answer.status_code < 400:
        return answer.status_code, ""
    return code(answer)


def test_the_lists_name_real_routes() -> None:
    """A renamed route cannot slip out of the matrix, nor one that is not in a router."""
    assert set(ROUTES) >= OPEN | ADMINS_ONLY | set(BODIES)
    described = create_api().openapi()["paths"]
    assert {
        (method.upper(), path) for path, of in described.items() for method in of
    } == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_gets_in_without_a_token(api: Api, method: str, path: str) -> None:
    """Every route but the open ones asks for a sign-in, whatever else is wrong."""
    session = await _session(api, path)
    if (method, path) in OPEN:
        assert (await _call(api, None, method, path, session))[0] in (200, 422)
        return
    assert await _call(api, None, method, path, session) == (401, "not_signed_in")
    empty = re.sub(r"\{.*?\}", "x", path)
    refused = await api.client.request(method, empty, content=b"{")
    assert code(refused) == (401, "not_signed_in")
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_what_only_admins_may_do(api: Api, method: str, path: str) -> None:
    """A user is refused exactly there, an admin nowhere."""
    session = await _session(api, path)
    by_user = await _call(api, "driver", method, path, session)
    if (method, path) in ADMINS_ONLY:
        assert by_user == (403, "not_allowed")
    else:
        assert by_user[0] not in (401, 403, 404)
    by_admin = await _call(api, "admin", method, path, session)
    assert by_admin[0] not in (401, 403, 404)


@pytest.mark.parametrize(
    ("method", "path"), [each for each in ROUTES if "{session_id}" in each[1]]
)
async def test_another_s_session_does_not_exist(
    api: Api, method: str, path: str
) -> None:
    """For a user it is not there; the answer is the same as for an id nobody has."""
    mine = await _session(api, path)
    answers = []
    for session_id in (mine, "nobody-has-this"):
        response = await api.request(
            "other",
            method,
            path.format(session_id=session_id),
            json=BODIES.get((method, path)),
        )
        body = problem(response)
        answers.append((body["code"], body["detail"].replace(session_id, "ID")))
    expected = "not_allowed" if (method, path) in ADMINS_ONLY else "not_found"
    assert answers[0] == answers[1]
    assert answers[0][0] == expected


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
