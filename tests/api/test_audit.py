"""Reading the audit log."""

import pytest

from tests.api.harness import Api, code, tariff_json


async def _log(api: Api, **params: str | int) -> list[tuple[str, str]]:
    answer = await api.request("admin", "GET", "/audit/", params=params)
    assert answer.status_code == 200
    return [(each["action"], each["subject"]) for each in answer.json()["items"]]


async def test_the_log_tells_who_when_from_where_before_and_after(api: Api) -> None:
    """Of a change of a user; a driver may not read it."""
    await api.request("admin", "PATCH", "/users/driver", json={"full_name": "B"})
    answer = await api.request("admin", "GET", "/audit/")
    (entry,) = answer.json()["items"]
    assert entry["actor"] == "user:admin (admin)"
    assert entry["address"] == "127.0.0.1"
    assert entry["at"].startswith("2026-11-23T12:00:00")
    assert entry["before"]["full_name"] == "Dana Driver"
    assert entry["after"]["full_name"] == "B"
    assert code(await api.request("driver", "GET", "/audit/")) == (403, "not_allowed")


async def test_the_log_is_filtered_and_paged(api: Api) -> None:
    """Newest first; pages by the last id stay in step while the log grows."""
    for n in range(3):
        body = tariff_json(name=f"n{n}")
        await api.request("admin", "POST", "/tariffs/", json=body)
        api.advance(hours=1)
    session = await api.charge()
    await api.assign(session.id, "driver")
    await api.request("admin", "POST", f"/sessions/{session.id}/bill")
    actions = [each[0] for each in await _log(api)]
    assert actions[1:] == ["tariff.set"] * 3
    assert actions[0].startswith("bill.")
    assert len(await _log(api, subject="tariff:evening")) == 3
    assert len(await _log(api, action="tariff.")) == 3
    assert len(await _log(api, action="tariff_")) == 0
    assert len(await _log(api, who="user:admin")) == 4
    assert len(await _log(api, since="2026-11-23T14:00:00Z")) == 2
    assert len(await _log(api, until="2026-11-23T14:00:00Z")) == 2
    page = (await api.request("admin", "GET", "/audit/?limit=2")).json()
    assert page["total"] == 4
    last = page["items"][-1]["id"]
    await api.request("admin", "PATCH", "/users/driver", json={"full_name": "B"})
    rest = (await api.request("admin", "GET", f"/audit/?before_id={last}")).json()
    assert [each["id"] for each in rest["items"]] == [last - 1, last - 2]


@pytest.mark.parametrize("params", [{"limit": 201}, {"since": "today"}, {"who": "\0"}])
async def test_what_cannot_be_asked(api: Api, params: dict[str, str]) -> None:
    """A problem, as everywhere."""
    answer = await api.request("admin", "GET", "/audit/", params=params)
    assert code(answer) == (422, "invalid_request")
