"""What comes late: an unbilled session is rated anew, a billed one waits for an admin."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from billing_service.domain.frame import NO_BOOT, Frame, to_ms
from billing_service.domain.period import Source
from tests.api.harness import STATION, Api, at, code, frame, open_api

NUMBER = "SR-2026-000001"


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def api(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """Yield an API on SQLite and on PostgreSQL: who bills at once waits differently."""
    async with open_api(tmp_path, kind=request.param) as made:
        yield made


async def _charged(api: Api, name: str = "1-1") -> str:
    """Charge an hour without the frames of its second half hour but the last: 0.54 of solar."""
    frames = [frame(minute, name) for minute in range(30)]
    await api.site.receive(frames, [api.plugged(name)])
    await api.end(name)
    async with api.site.database.read() as read:
        session = await read.sessions.named(STATION, name)
    assert session is not None
    await api.assign(session.id, "driver")
    return session.id


async def _backlog(api: Api, name: str = "1-1", upto: int = 61) -> None:
    """Let the backlog of the rest of the hour arrive."""
    await api.site.receive([frame(minute, name) for minute in range(30, upto)])


async def _billed(api: Api, name: str = "1-1") -> str:
    session_id = await _charged(api, name)
    answer = await api.request("admin", "POST", f"/sessions/{session_id}/bill")
    assert answer.status_code == 201
    return session_id


async def _corrections(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = (await api.request("admin", "GET", f"/corrections/{query}")).json()
    assert answer["total"] == len(answer["items"])
    items: list[dict[str, Any]] = answer["items"]
    return items


async def _total(api: Api, session_id: str) -> str:
    answer = await api.request("driver", "GET", f"/sessions/{session_id}/bill")
    total: str = answer.json()["total"]
    return total


async def test_an_unbilled_session_is_rated_anew(api: Api) -> None:
    """The draft says what the backlog brought; nobody has to do anything."""
    session_id = await _charged(api)
    before = await _total(api, session_id)
    await _backlog(api)
    assert before != "0.72"
    assert await _total(api, session_id) == "0.72"
    assert await _corrections(api) == []


async def test_a_billed_session_waits_for_an_admin(api: Api) -> None:
    """The bill stands; the correction says what would change, and nothing is done by looking."""
    session_id = await _billed(api)
    before = await _total(api, session_id)
    await _backlog(api)
    assert await _total(api, session_id) == before
    (correction,) = await _corrections(api, "?status=open")
    assert (correction["session_id"], correction["bill_number"]) == (session_id, NUMBER)
    for _ in range(2):
        path = f"/corrections/{correction['id']}"
        detail = (await api.request("admin", "GET", path)).json()
        assert detail["before"]["total"] == before
        assert (detail["after"]["number"], detail["after"]["total"]) == (
            "DRAFT",
            "0.72",
        )
        assert detail["after"]["status"] == "draft"
    assert (await api.request("admin", "GET", "/bills/")).json()["total"] == 1
    assert ("metering", "correction.open", f"correction:{correction['id']}") in (
        await api.audited()
    )


async def test_a_confirmed_correction(api: Api) -> None:
    """A credit note and a new bill, in one step; a second click is refused."""
    session_id = await _billed(api)
    before = await _total(api, session_id)
    await _backlog(api)
    (correction,) = await _corrections(api)
    path = f"/corrections/{correction['id']}/confirm"
    done = (await api.request("admin", "POST", path)).json()
    assert (done["status"], done["credit_number"], done["new_bill_number"]) == (
        "confirmed",
        "CN-2026-000001",
        "SR-2026-000002",
    )
    assert done["closed_by"] == "user:admin (admin)"
    assert (done["before"]["status"], done["before"]["total"]) == ("void", before)
    bill = await api.request("driver", "GET", f"/sessions/{session_id}/bill")
    assert (bill.json()["number"], bill.json()["total"]) == ("SR-2026-000002", "0.72")
    session = (await api.request("driver", "GET", f"/sessions/{session_id}")).json()
    assert "late_frames" not in session["flags"]
    assert code(await api.request("admin", "POST", path)) == (409, "conflict")
    again = (
        await api.request("admin", "GET", f"/corrections/{correction['id']}")
    ).json()
    assert again["after"]["number"] == "SR-2026-000002"
    assert [each[1] for each in await api.audited()][-3:] == [
        "bill.credit",
        "bill.issue",
        "correction.confirmed",
    ]


async def test_a_correction_for_who_was_erased(api: Api) -> None:
    """The new bill is for whom the former one was for: the law wants a name on it."""
    session_id = await _billed(api)
    path = f"/sessions/{session_id}/bill"
    before = (await api.request("admin", "GET", path)).json()
    await _backlog(api)
    erased = await api.request("admin", "DELETE", "/users/driver")
    assert erased.status_code == 204, erased.text
    (correction,) = await _corrections(api)
    path = f"/corrections/{correction['id']}"
    shown = (await api.request("admin", "GET", path)).json()
    assert shown["after"]["customer"] == before["customer"]
    done = await api.request("admin", "POST", f"{path}/confirm")
    assert done.status_code == 200, done.text
    assert done.json()["after"]["customer"] == before["customer"]
    assert before["customer"]["name"] == "Dana Driver"


async def test_a_dismissed_correction(api: Api) -> None:
    """The bill stands for a reason; more that comes late asks again."""
    session_id = await _billed(api)
    before = await _total(api, session_id)
    await _backlog(api, upto=45)
    (correction,) = await _corrections(api)
    path = f"/corrections/{correction['id']}/dismiss"
    for refused in ({}, {"reason": " "}):
        answer = await api.request("admin", "POST", path, json=refused)
        assert code(answer) == (422, "invalid_request")
    body = {"reason": "agreed with the driver"}
    done = (await api.request("admin", "POST", path, json=body)).json()
    assert (done["status"], done["reason"]) == ("dismissed", "agreed with the driver")
    assert await _total(api, session_id) == before
    assert code(await api.request("admin", "POST", path, json=body)) == (
        409,
        "conflict",
    )
    await api.site.metering.run_once()
    assert await _corrections(api, "?status=open") == []
    await _backlog(api)
    (new,) = await _corrections(api, "?status=open")
    assert new["id"] != correction["id"]


async def test_a_backlog_in_pieces_is_one_correction(api: Api) -> None:
    """It covers all that came."""
    await _billed(api)
    for upto in (40, 50, 61):
        await _backlog(api, upto=upto)
    (correction,) = await _corrections(api)
    assert correction["late_from"] == at(30).isoformat().replace("+00:00", "Z")
    assert correction["late_to"] == at(60).isoformat().replace("+00:00", "Z")


async def test_what_came_twice_is_not_late(api: Api) -> None:
    """Frames that are stored already open nothing."""
    await _billed(api)
    await _backlog(api, upto=30)
    await api.site.receive([frame(minute, "1-1") for minute in range(30)])
    assert await _corrections(api) == []


async def test_a_month_s_bill_is_corrected_whole(api: Api) -> None:
    """Its other sessions stand on the new bill as they were; all its corrections are done."""
    first, second = await _charged(api, "1-1"), await _charged(api, "2-1")
    api.advance(days=30)
    await api.request("admin", "POST", "/bills/months/2026-11", json={})
    await _backlog(api, "1-1")
    await _backlog(api, "2-1")
    open_ones = await _corrections(api)
    assert len(open_ones) == 2
    path = f"/corrections/{open_ones[0]['id']}/confirm"
    done = (await api.request("admin", "POST", path)).json()
    assert done["after"]["total"] == "1.44"
    billed = {each["session_id"] for each in done["after"]["sessions"]}
    assert billed == {first, second}
    assert {each["status"] for each in await _corrections(api)} == {"confirmed"}


async def test_a_bill_taken_back_by_hand_overtakes_its_correction(api: Api) -> None:
    """There is nothing left to decide, and the session is metered anew."""
    session_id = await _billed(api)
    await _backlog(api)
    await api.request("admin", "POST", f"/bills/{NUMBER}/credit", json={"reason": "x"})
    (correction,) = await _corrections(api)
    assert (correction["status"], correction["credit_number"]) == (
        "overtaken",
        "CN-2026-000001",
    )
    await api.site.metering.run_once()
    assert await _total(api, session_id) == "0.72"


async def test_a_correction_that_cannot_be_billed_changes_nothing(api: Api) -> None:
    """When the new bill is refused, the old one is not taken back."""
    session_id = await _billed(api)
    await _backlog(api)
    await api.assign(session_id, None)
    (correction,) = await _corrections(api)
    path = f"/corrections/{correction['id']}/confirm"
    assert code(await api.request("admin", "POST", path)) == (409, "no_driver")
    bills = (await api.request("admin", "GET", "/bills/")).json()
    assert [each["status"] for each in bills["items"]] == ["issued"]
    assert len(await _corrections(api, "?status=open")) == 1


@pytest.mark.parametrize("way", ["confirm", "credit"])
async def test_a_session_found_by_its_power_is_corrected_too(
    api: Api, way: str
) -> None:
    """A late stretch that goes on from a billed session becomes part of it."""

    def plain(minute: int) -> Frame:
        at_ms = to_ms(at(minute))
        return Frame(STATION, NO_BOOT, at_ms, at_ms, 230_000, 0, 3_600_000, Source.GRID)

    await api.site.receive([plain(minute) for minute in range(31)])
    await api.site.receive([plain(200)])
    first = (await api.site.sessions())[0]
    await api.assign(first.id, "driver")
    await api.request("admin", "POST", f"/sessions/{first.id}/bill")
    assert await _total(api, first.id) == "0.54"
    await api.site.receive([plain(minute) for minute in range(31, 61)])
    (correction,) = await _corrections(api)
    if way == "confirm":
        path = f"/corrections/{correction['id']}/confirm"
        done = (await api.request("admin", "POST", path)).json()
        assert done["difference"] == "0.54"
    else:
        body = {"reason": "late"}
        await api.request("admin", "POST", f"/bills/{NUMBER}/credit", json=body)
        await api.site.metering.run_once()
    assert await _total(api, first.id) == "1.08"
