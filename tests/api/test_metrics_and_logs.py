"""What Prometheus reads, and what the logs tell and must not."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi import Request
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from billing_service.logs import set_up_logs
from billing_service.services.ports import Rejected
from tests.api.harness import PASSWORD, STATION, Api, code, listening


async def _metrics(api: Api) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and the values of its labels."""
    answer = await api.request("admin", "GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_requests_are_counted_by_route_not_by_path(api: Api) -> None:
    """Ids and invented paths would make a series each."""
    for session_id in ("a", "b"):
        await api.request("driver", "GET", f"/sessions/{session_id}")
    await api.client.get("/wp-admin.php")
    await api.client.request("BREW", "/coffee")
    metrics = await _metrics(api)
    counted = "solarrally_http_requests_total"
    assert metrics[counted, "GET", "/sessions/{session_id}", "404"] == 2
    assert metrics[counted, "GET", "none", "404"] == 1
    assert metrics[counted, "other", "none", "404"] == 1
    assert not any("wp-admin" in label for sample in metrics for label in sample)


async def test_the_state_of_the_site_is_told(api: Api) -> None:
    """Parts, stations, sessions under way, messages kept aside."""
    await api.charge(ended=False)
    api.broker_error = "not connected"
    async with api.site.database.write() as uow:
        await uow.rejected.add(
            [
                Rejected(
                    received_at=api.site.now,
                    topic="ev/x",
                    reason="not_json",
                    message="",
                    payload=b"",
                )
            ]
        )
        await uow.commit()
    metrics = await _metrics(api)
    assert metrics["solarrally_ready", "database"] == 1
    assert metrics["solarrally_ready", "broker"] == 0
    assert metrics["solarrally_open_sessions",] == 1
    assert metrics["solarrally_stations_waiting",] == 0
    assert metrics["solarrally_rejected_messages", "not_json"] == 1
    seen = metrics["solarrally_station_last_seen_timestamp_seconds", STATION]
    assert seen == pytest.approx(api.site.now.timestamp(), abs=4 * 3600)


async def test_metrics_are_an_admin_s_or_a_token_s(api: Api) -> None:
    """They tell when people charge."""
    assert code(await api.client.get("/metrics"))[0] == 401
    assert code(await api.request("driver", "GET", "/metrics"))[0] == 403
    for who, status in (("admin", 200), ("driver", 403)):
        body = {"name": "prometheus", "scopes": ["metrics:read"]}
        made = await api.request(who, "POST", "/service-tokens/", json=body)
        headers = {"Authorization": f"Bearer {made.json()['token']}"}
        answer = await api.client.get("/metrics", headers=headers)
        assert answer.status_code == status


# -- logs ------------------------------------------------------------------------------------------


@pytest.fixture
def _logs() -> Iterator[None]:
    """Log everything as JSON; give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logs")
async def test_no_secret_is_ever_logged(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """Passwords, tokens and keys: given rightly, wrongly, in the wrong place, and in a crash."""
    set_up_logs("debug", json=True)
    secrets = {PASSWORD, "wrong password 77", "another good one"}

    @api.app.post("/crash")
    async def crash(request: Request) -> None:
        given = await request.json()
        raise RuntimeError(f"a crash with {len(given)} in hand")

    async def post(path: str, headers: dict[str, str], **more: Any) -> Any:
        answer = await api.client.post(path, headers=headers, **more)
        return answer.json() if answer.content else None

    form = {"username": "driver", "password": PASSWORD}
    tokens = await post("/auth/token", {}, data=form)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    await post("/auth/token", {}, data=form | {"password": "wrong password 77"})
    await post("/auth/token", {}, json=form)
    again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    fresh = await post("/auth/token", {}, data=again)
    await post("/auth/token", {}, data=again | {"refresh_token": "srr_made_up"})
    made = await post(
        "/service-tokens/", headers, json={"name": "x", "scopes": ["bills:read"]}
    )
    await post("/service-tokens/", headers, json={"token": made["token"]})
    await post("/crash", headers, json={"password": PASSWORD})
    await api.client.put(
        "/users/me/password",
        headers=headers,
        json={"current_password": PASSWORD, "password": "another good one"},
    )
    session = await api.charge()
    async with (
        listening(api.app) as at,
        connect(f"ws://{at}/live/{session.id}") as live,
    ):
        await live.send(json.dumps({"token": fresh["access_token"]}))
        await live.wait_closed()
    secrets |= {tokens["access_token"], tokens["refresh_token"], made["token"]}
    secrets |= {fresh["access_token"], fresh["refresh_token"], "srr_made_up"}
    secrets.add(api.settings.signing_keys_file.read_text().split()[1])
    logged = capsys.readouterr().err
    assert '"event": "request_failed"' in logged
    assert "a crash with 1 in hand" in logged
    for secret in secrets:
        assert secret not in logged
    assert not re.search(r"eyJ[\w-]{10}|Bearer |argon2|plain:", logged)


@pytest.mark.usefixtures("_logs")
async def test_the_log_tells_the_request_and_the_session(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line a request, with its id, as the answer's header has it."""
    set_up_logs("info", json=True)
    session = await api.charge()
    answer = await api.request("admin", "GET", f"/sessions/{session.id}")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = [
        each
        for each in lines
        if each["event"] == "request" and each["path"].startswith("/sessions/")
    ]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["session_id"] == session.id
    assert line["user_id"] == "admin"
    assert line["status"] == 200
