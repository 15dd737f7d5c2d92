"""A driver's month on one bill."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.api.harness import Api, code, open_api

MONTH = "/bills/months/2026-11"


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def api(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """Yield an API on SQLite and on PostgreSQL: who bills at once waits differently."""
    async with open_api(tmp_path, kind=request.param) as made:
        yield made


async def _sessions(api: Api) -> dict[str, str]:
    """Charge twice for the driver, once for another and once for nobody; it is December then."""
    made = {}
    for name, driver in (
        ("1-1", "driver"),
        ("2-1", "driver"),
        ("3-1", "other"),
        ("4-1", None),
    ):
        session = await api.charge(name)
        await api.assign(session.id, driver)
        made[name] = session.id
    api.site.now = datetime(2026, 12, 1, 8, tzinfo=UTC)
    return made


async def _issue(api: Api, **body: str) -> dict[str, Any]:
    answer = await api.request("admin", "POST", MONTH, json=body)
    assert answer.status_code == 200
    issued: dict[str, Any] = answer.json()
    return issued


def _billed(month: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Name the bills of a month: number, total, sessions."""
    return [
        (each["number"], each["total"], [s["session_id"] for s in each["sessions"]])
        for each in month["bills"]
    ]


async def test_one_bill_for_each_driver(api: Api) -> None:
    """All of a driver's sessions stand on it; one without a driver is told."""
    made = await _sessions(api)
    month = await _issue(api)
    drivers = sorted([made["1-1"], made["2-1"]])
    assert [(n, t, sorted(s)) for n, t, s in _billed(month)] == [
        ("SR-2026-000001", "1.44", drivers),
        ("SR-2026-000002", "0.72", [made["3-1"]]),
    ]
    assert [(each["session_id"], each["code"]) for each in month["skipped"]] == [
        (made["4-1"], "no_driver")
    ]
    for name in ("1-1", "2-1"):
        answer = await api.request("driver", "GET", f"/sessions/{made[name]}/bill")
        assert answer.json()["number"] == "SR-2026-000001"
    issued = [each for each in await api.audited() if each[1] == "bill.issue"]
    assert [each[2] for each in issued] == [
        "bill:SR-2026-000001",
        "bill:SR-2026-000002",
    ]


async def test_a_month_is_billed_again_without_billing_twice(api: Api) -> None:
    """The second run has nothing to do but what came in between, also beside another run."""
    made = await _sessions(api)
    runs = await asyncio.gather(_issue(api), _issue(api))
    assert sorted(n for run in runs for n, _, _ in _billed(run)) == [
        "SR-2026-000001",
        "SR-2026-000002",
    ]
    assert (await _issue(api))["bills"] == []
    await api.assign(made["4-1"], "driver")
    assert _billed(await _issue(api)) == [("SR-2026-000003", "0.72", [made["4-1"]])]


async def test_one_driver_only(api: Api) -> None:
    """The others' sessions wait."""
    made = await _sessions(api)
    month = await _issue(api, user_id="other")
    assert _billed(month) == [("SR-2026-000001", "0.72", [made["3-1"]])]
    assert month["skipped"] == []


async def test_drafts_of_a_month(api: Api) -> None:
    """A driver sees their own, whoever they ask for; an admin all. Nothing is issued."""
    made = await _sessions(api)

    async def drafted(name: str, query: str = "") -> list[tuple[str, list[str]]]:
        answer = await api.request(name, "GET", MONTH + query)
        return [(each[0], sorted(each[2])) for each in _billed(answer.json())]

    own = ("DRAFT", sorted([made["1-1"], made["2-1"]]))
    assert await drafted("driver") == [own]
    assert await drafted("other", "?user_id=driver") == [("DRAFT", [made["3-1"]])]
    assert await drafted("admin", "?user_id=driver") == [own]
    assert len(await drafted("admin")) == 3
    assert (await api.request("admin", "GET", "/bills/")).json()["total"] == 0


@pytest.mark.parametrize(
    ("started_at", "month"),
    [
        (datetime(2026, 10, 31, 23, 0, tzinfo=UTC), "2026-11"),
        (datetime(2026, 10, 31, 22, 59, tzinfo=UTC), "2026-10"),
        (datetime(2026, 11, 30, 22, 59, tzinfo=UTC), "2026-11"),
        (datetime(2026, 11, 30, 23, 0, tzinfo=UTC), "2026-12"),
    ],
)
async def test_a_month_is_counted_where_the_supplier_is(
    api: Api, started_at: datetime, month: str
) -> None:
    """Eleven at night in UTC on the last of October is November in Vienna."""
    session = await api.charge()
    async with api.site.database.write() as uow:
        ended_at = started_at + timedelta(hours=1)
        moved = replace(session, started_at=started_at, ended_at=ended_at)
        await uow.sessions.save(moved)
        await uow.sessions.save_periods(session.id, [])
        await uow.commit()
    found = {}
    for each in ("2026-10", "2026-11", "2026-12"):
        answer = await api.request("admin", "GET", f"/bills/months/{each}")
        found[each] = len(answer.json()["bills"])
    assert found == {"2026-10": 0, "2026-11": 0, "2026-12": 0} | {month: 1}


async def test_a_month_that_lasts_is_not_billed(api: Api) -> None:
    """Its second half would need a bill of its own."""
    session = await api.charge()
    await api.assign(session.id, "driver")
    answer = await api.request("admin", "POST", MONTH, json={})
    assert code(answer) == (409, "conflict")
    api.site.now = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    assert len((await _issue(api))["bills"]) == 1


async def test_a_session_under_way_waits(api: Api) -> None:
    """It is told, and billed once it has ended."""
    session = await api.charge(ended=False)
    await api.assign(session.id, "driver")
    api.site.now = datetime(2026, 12, 1, 8, tzinfo=UTC)
    month = await _issue(api)
    assert [each["code"] for each in month["skipped"]] == ["session_open"]
    await api.end("1-1")
    assert len((await _issue(api))["bills"]) == 1


@pytest.mark.parametrize("month", ["2026-13", "26-11", "2026-1", "november"])
async def test_what_is_no_month(api: Api, month: str) -> None:
    """It is told, not guessed."""
    for method in ("GET", "POST"):
        path = f"/bills/months/{month}"
        answer = await api.request("admin", method, path, json={})
        assert code(answer) == (422, "invalid_request")
