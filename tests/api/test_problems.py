"""Errors are problem documents; requests have limits; answers have safe headers."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from billing_service.api.application import create_api
from billing_service.api.middleware import MAX_BODY_BYTES
from billing_service.domain.errors import StoreUnavailable
from tests.api.harness import PASSWORD, Api, code, problem


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
        ("GET", "/docs", 404, "not_found"),
        ("POST", "/auth/token", 422, "invalid_input"),
        ("GET", "/sessions/%00", 401, "not_signed_in"),
    ],
)
async def test_every_error_is_a_problem(
    api: Api, method: str, path: str, status: int, expected: str
) -> None:
    """Also those that the framework makes."""
    assert code(await api.client.request(method, path)) == (status, expected)


async def test_what_our_own_checks_say_stands_alone(api: Api) -> None:
    """Without what Pydantic puts before it."""
    body = {"locale": "klingon"}
    answer = await api.request("driver", "PUT", "/customers/me", json=body)
    assert problem(answer)["errors"] == [
        {"path": "body.locale", "message": "must be a locale such as en or de_AT"}
    ]


async def test_a_parameter_that_a_route_does_not_have_is_refused(api: Api) -> None:
    """Misspelt, it would do nothing, and the answer would look like what was asked for."""
    for path, name, hint in (
        ("/sessions/", "statsu", "Did you mean status?"),
        ("/sessions/", "from", "no such parameter"),
        ("/healthz", "x", "no such parameter"),
    ):
        answer = await api.request("admin", "GET", path, params={name: "garbage"})
        assert code(answer) == (422, "invalid_request")
        (error,) = problem(answer)["errors"]
        assert error["path"] == f"query.{name}"
        assert hint in error["message"]
        assert "garbage" not in answer.text
    many = "&".join(f"x{number}=1" for number in range(100))
    answer = await api.client.get(f"/healthz?{many}&{'y' * 3000}=1")
    assert code(answer) == (422, "invalid_request")
    assert len(answer.text) < 3000


async def test_every_parameter_that_is_described_is_known(api: Api) -> None:
    """None that the description names is refused as unknown."""
    document = (await api.client.get("/openapi.json")).json()
    tried = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = [
                each["name"]
                for each in operation.get("parameters", ())
                if each["in"] == "query"
            ]
            if not names:
                continue
            tried += len(names)
            answer = await api.request(
                "driver",
                method.upper(),
                re.sub(r"{\w+}", "0" * 64, path),
                params=dict.fromkeys(names, "1"),
            )
            assert "no such parameter" not in answer.text
    assert tried > 20


async def test_what_nobody_foresaw_tells_nothing(api: Api, caplog: Any) -> None:
    """No trace, no message of ours; the request's id finds the cause in the log."""

    async def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    object.__setattr__(api.services, "users", type("Broken", (), {"get": fail})())
    answer = await api.request(
        "admin", "GET", "/users/me", headers={"X-Request-ID": "abc-1"}
    )
    assert code(answer) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_database_that_is_away_is_told(api: Api) -> None:
    """503 with when to try again, and nothing of the database."""

    async def fail(*_: object) -> None:
        raise StoreUnavailable("the database is away: SELECT password FROM users")

    object.__setattr__(api.services, "users", type("Away", (), {"get": fail})())
    answer = await api.request("admin", "GET", "/users/me")
    assert code(answer) == (503, "store_unavailable")
    assert "SELECT" not in answer.text
    assert answer.headers["retry-after"] == "5"


def test_a_database_that_is_away_is_described() -> None:
    """Of every route but the two that tell it otherwise; of commands, that a station is silent."""
    paths = create_api().openapi()["paths"]
    answers = {
        (method.upper(), path): route["responses"]
        for path, of in paths.items()
        for method, route in of.items()
    }
    assert "503" not in answers.pop(("GET", "/healthz"))
    ready = answers.pop(("GET", "/readyz"))["503"]["content"]
    assert ready.keys() == {"application/json"}
    of_problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for route, described in answers.items():
        away = described["503"]
        assert away["content"] == {"application/problem+json": of_problem}, route
        assert away["headers"].keys() == {"Retry-After"}
    assert {route for route, described in answers.items() if "504" in described} == {
        ("POST", "/sessions/"),
        ("PUT", "/sessions/{session_id}"),
        ("POST", "/stations/{station_id}/update"),
    }


async def test_what_was_sent_is_not_repeated(api: Api) -> None:
    """A refused body may hold a password."""
    body = {"name": "new", "password": PASSWORD, "role": "king"}
    answer = await api.request("admin", "POST", "/users/", json=body)
    assert code(answer) == (422, "invalid_request")
    assert problem(answer)["errors"][0]["path"] == "body.role"
    assert PASSWORD not in answer.text
    assert "king" not in answer.text


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff", b"", b"[" * 100_000],
    ids=["torn", "not UTF-8", "empty", "too deep"],
)
async def test_a_body_that_is_no_json(api: Api, content: bytes) -> None:
    """On a typed route and on the one that reads its body itself."""
    for path in ("/users/", "/tariffs/"):
        answer = await api.request(
            "admin",
            "POST",
            path,
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code in (400, 422)
        problem(answer)


async def test_a_body_that_is_too_large(api: Api) -> None:
    """Announced or not, it is refused; one byte less is read."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 1):
            yield b" " * 65_536

    large = b" " * (MAX_BODY_BYTES + 1)
    for content in (large, chunks()):
        answer = await api.request("admin", "POST", "/tariffs/", content=content)
        assert code(answer) == (413, "too_large")
    answer = await api.request("admin", "POST", "/tariffs/", content=large[:-1])
    assert answer.status_code == 422
    odd = await api.request(
        "admin", "POST", "/tariffs/", content=b"", headers={"Content-Length": "-1"}
    )
    assert odd.status_code in (413, 422)


async def test_every_answer_has_an_id_and_safe_headers(api: Api) -> None:
    """A good id is taken over, a strange one is not."""
    for given, taken in (("order-7.a", True), ("a b", False), ("x" * 65, False)):
        answer = await api.client.get("/healthz", headers={"X-Request-ID": given})
        assert (answer.headers["x-request-id"] == given) is taken
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "server" not in answer.headers


async def test_readiness_tells_the_truth(api: Api) -> None:
    """Ready while database and broker are; else 503 and which of them is not."""
    ready = await api.client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert ready.json()["checks"] == {"database": "ok", "broker": "ok"}
    api.broker_error = "not connected"
    answer = await api.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "not_ready")
    assert answer.json()["checks"]["broker"] == "not connected"
    assert (await api.client.get("/healthz")).status_code == 200


async def test_an_old_schema_is_not_ready(api: Api) -> None:
    """A database that was not migrated would fail at the first request."""
    async with api.site.database.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num='x'")
    answer = await api.client.get("/readyz")
    assert answer.status_code == 503
    assert "migrate" in answer.json()["checks"]["database"]


async def test_the_description_is_whole(api: Api) -> None:
    """Every reference in it leads somewhere, and problems are described."""
    document = (await api.client.get("/openapi.json")).json()
    text = json.dumps(document)
    for part in text.split('"$ref": "#/components/schemas/')[1:]:
        assert part.split('"')[0] in document["components"]["schemas"]
    assert "code" in document["components"]["schemas"]["Problem"]["properties"]
