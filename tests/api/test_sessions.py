"""Sessions over the API: lists, starting, stopping, drivers, deleting."""

from datetime import timedelta
from typing import Any

import pytest

from billing_service.domain.errors import StationSilent
from billing_service.services.metering import ENDED_BY_ADMIN
from tests.api.harness import Api, at, code, numbers, problem
from tests.services.site import T0


async def _start(api: Api, name: str = "driver", station: str = "garage") -> Any:
    return await api.request(name, "POST", "/sessions/", json={"station_id": station})


async def test_a_session_with_its_periods_and_cost(api: Api) -> None:
    """Energies by source, periods that add up, and the cost line by line with reasons."""
    session = await api.charge()
    body = (await api.request("admin", "GET", f"/sessions/{session.id}")).json()
    assert (body["solar_wh"], body["grid_wh"]) == ("1800.000", "1800.000")
    assert body["energy_wh"] == "3600.000"
    assert body["status"] == "COMPLETED"
    assert body["time_zone"] == "Europe/Vienna"
    assert body["tariff"] == {"id": "home", "version": 1, "name": "Home"}
    assert [period["source"] for period in body["periods"]] == ["solar", "grid"]
    # 1.8 kWh at 0.10 and 1.8 kWh at 0.30
    assert float(body["cost"]["excl_vat"]) == pytest.approx(0.72)
    assert all(line["reason"] for line in body["cost"]["lines"])


async def test_money_and_energy_are_never_json_numbers(api: Api) -> None:
    """A client that reads numbers as floats loses nothing: only counts are numbers."""
    session = await api.charge()
    await api.assign(session.id, "driver")
    await api.request("admin", "POST", f"/sessions/{session.id}/bill")
    for path in (f"/sessions/{session.id}", f"/sessions/{session.id}/bill"):
        body = (await api.request("admin", "GET", path)).json()
        assert all(isinstance(number, int) for number in numbers(body)), path
        assert not any(
            name.endswith(("_wh", "vat", "net", "total", "amount", "price", "quantity"))
            and isinstance(value, int | float)
            for name, value in body.items()
        )


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=1", 200),
        ("limit=200", 200),
        ("limit=0", 422),
        ("limit=201", 422),
        ("limit=-1", 422),
        ("limit=ten", 422),
        ("offset=-1", 422),
        ("offset=1000000", 200),
        ("offset=1000001", 422),
        ("offset=99999999999999999999", 422),
        ("status=ACTIVE", 200),
        ("status=OPEN", 422),
        ("started_from=2026-11-23T00:00:00Z", 200),
        ("started_from=2026-11-23T00:00:00", 422),
        ("started_from=yesterday", 422),
        ("started_from=0001-01-01T00:00:00%2B14:00", 422),
        ("started_to=9999-12-31T23:59:59-14:00", 422),
        ("station_id=a%00b", 422),
        ("billed=maybe", 422),
    ],
)
async def test_list_parameters_have_limits(api: Api, query: str, status: int) -> None:
    """What is outside them is told, not cut."""
    answer = await api.request("driver", "GET", f"/sessions/?{query}")
    assert answer.status_code == status
    if status == 422:
        body = problem(answer)
        assert body["code"] == "invalid_request"
        assert body["errors"][0]["path"].startswith(
            f"query.{query.split('=', maxsplit=1)[0]}"
        )


async def test_pages_follow_each_other(api: Api) -> None:
    """Newest first, each once, and the total on every page."""
    sessions = [await api.charge(f"{boot}-1") for boot in range(1, 4)]
    seen: list[str] = []
    for offset in range(3):
        path = f"/sessions/?limit=1&offset={offset}"
        page = (await api.request("admin", "GET", path)).json()
        assert (page["total"], page["limit"], page["offset"]) == (3, 1, offset)
        seen += [each["id"] for each in page["items"]]
    assert sorted(seen) == sorted(each.id for each in sessions)


# -- starting --------------------------------------------------------------------------------------


async def test_starting_takes_the_open_session(api: Api) -> None:
    """The vehicle is plugged in; the station obeys; the session becomes the asker's."""
    session = await api.charge(ended=False)
    answer = await _start(api)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/sessions/{session.id}"
    assert answer.json()["user_id"] == "driver"
    assert api.commands.sent == [("garage", "start")]
    mine = await api.request("driver", "GET", f"/sessions/{session.id}")
    assert mine.json()["status"] == "ACTIVE"


async def test_starting_before_the_session_appears(api: Api) -> None:
    """The station agreed but has said nothing yet: its next session is the asker's."""
    answer = await _start(api)
    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    session = await api.charge()
    assert session.user_id == "driver"


async def test_a_claim_does_not_last_for_ever(api: Api) -> None:
    """Who starts and leaves does not pay for the next one's charge."""
    await _start(api)
    api.advance(minutes=16)
    assert (await api.charge()).user_id is None


@pytest.mark.parametrize("error", ["no_vehicle", "fault_active", "busy"])
async def test_a_station_that_refuses(api: Api, error: str) -> None:
    """The station's own reason is passed on, and nothing is changed."""
    session = await api.charge(ended=False)
    api.commands.refuse(error)
    answer = await _start(api)
    assert code(answer) == (409, "command_refused")
    assert answer.json()["error"] == error
    unchanged = await api.request("admin", "GET", f"/sessions/{session.id}")
    assert unchanged.json()["user_id"] is None


async def test_a_station_that_is_silent(api: Api) -> None:
    """The asker is told in the end."""
    api.commands.error = StationSilent("The station garage did not answer within 5 s.")
    assert code(await _start(api)) == (504, "station_silent")


@pytest.mark.parametrize("command", ["start", "stop", "start anew"])
@pytest.mark.parametrize("silent", [False, True])
async def test_what_a_station_did_not_do_is_audited(
    api: Api, command: str, *, silent: bool
) -> None:
    """Who asked it for what, and what came of it; beside no word of a change."""
    session = await api.charge(ended=False)
    await api.assign(session.id, "driver")
    if silent:
        api.commands.error = StationSilent("The station did not answer within 5 s.")
    else:
        api.commands.refuse("fault_active")
    if command == "start anew":
        await _start(api)
    else:
        body = {"charging": command == "start"}
        await api.request("driver", "PUT", f"/sessions/{session.id}", json=body)
    (entry,) = (await api.request("admin", "GET", "/audit/")).json()["items"]
    about = "station:garage" if command == "start anew" else f"session:{session.id}"
    assert (entry["action"], entry["subject"]) == ("session.command", about)
    assert entry["actor"] == "user:driver (driver)"
    assert entry["address"] == "127.0.0.1"
    assert entry["after"] == {"command": command.split(maxsplit=1)[0]} | (
        {"outcome": "station_silent"}
        if silent
        else {"outcome": "command_refused", "error": "fault_active"}
    )


@pytest.mark.parametrize("charging", [True, False])
async def test_what_a_station_did_is_audited(api: Api, *, charging: bool) -> None:
    """Once, as a command that was done: of the session nothing was changed."""
    session = await api.charge(ended=False)
    body = {"charging": charging}
    await api.request("admin", "PUT", f"/sessions/{session.id}", json=body)
    (entry,) = (await api.request("admin", "GET", "/audit/")).json()["items"]
    assert entry["action"] == "session.command"
    assert entry["subject"] == f"session:{session.id}"
    assert entry["actor"] == "user:admin (admin)"
    assert entry["after"] == {
        "command": "start" if charging else "stop",
        "outcome": "done",
    }


async def test_a_command_is_audited_whatever_comes_after_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The station has stopped; the session to assign was billed meanwhile, which is refused."""
    session = await api.charge(ended=False)
    await api.assign(session.id, "driver")
    path = f"/sessions/{session.id}"

    async def stop(*_: object) -> None:
        await api.end("1-1")
        billed = await api.request("admin", "POST", f"{path}/bill")
        assert billed.status_code == 201

    monkeypatch.setattr(api.commands, "send", stop)
    body = {"charging": False, "user_id": "other"}
    refused = await api.request("admin", "PUT", path, json=body)
    assert code(refused) == (409, "session_billed")
    entries = (await api.request("admin", "GET", "/audit/")).json()["items"]
    assert [each["action"] for each in entries] == ["session.command", "bill.issue"]
    assert entries[0]["after"] == {"command": "stop", "outcome": "done"}


@pytest.mark.parametrize("body", [{}, {"user_id": "driver"}])
async def test_what_changes_nothing_is_not_audited(
    api: Api, body: dict[str, str]
) -> None:
    """A driver who drives already is not assigned once more."""
    session = await api.charge()
    await api.assign(session.id, "driver")
    path = f"/sessions/{session.id}"
    assert (await api.request("admin", "PUT", path, json=body)).status_code == 200
    assert (await api.request("admin", "GET", "/audit/")).json()["items"] == []


async def test_a_station_in_use(api: Api) -> None:
    """Another's charge is neither taken over nor disturbed."""
    session = await api.charge(ended=False)
    await api.assign(session.id, "other")
    assert code(await _start(api)) == (409, "station_in_use")
    assert api.commands.sent == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"station_id": "nowhere"}, 404),
        ({"station_id": "NO"}, 422),
        ({"station_id": "garage", "energy_wh": "5"}, 422),
        ({}, 422),
        ([], 422),
        ("garage", 422),
    ],
)
async def test_a_start_that_makes_no_sense(api: Api, body: Any, status: int) -> None:
    """Nothing is sent; energies cannot be typed in."""
    answer = await api.request("driver", "POST", "/sessions/", json=body)
    assert answer.status_code == status
    problem(answer)
    assert api.commands.sent == []


# -- changing --------------------------------------------------------------------------------------


async def test_the_driver_stops_and_goes_on(api: Api) -> None:
    """By the station's commands; the session stays open until the vehicle is unplugged."""
    session = await api.charge(ended=False)
    await api.assign(session.id, "driver")
    for charging in (False, True):
        answer = await api.request(
            "driver", "PUT", f"/sessions/{session.id}", json={"charging": charging}
        )
        assert (answer.status_code, answer.json()["status"]) == (200, "ACTIVE")
    assert api.commands.sent == [("garage", "stop"), ("garage", "start")]


async def test_stopping_what_has_ended(api: Api) -> None:
    """The station is left alone: someone else may be charging there by now."""
    session = await api.charge()
    answer = await api.request(
        "admin", "PUT", f"/sessions/{session.id}", json={"charging": False}
    )
    assert code(answer) == (422, "invalid_input")
    assert api.commands.sent == []


@pytest.mark.parametrize("body", [{"user_id": "driver"}, {"status": "COMPLETED"}])
async def test_only_an_admin_assigns_and_ends(api: Api, body: Any) -> None:
    """Not even of one's own session."""
    session = await api.charge(ended=False)
    await api.assign(session.id, "driver")
    path = f"/sessions/{session.id}"
    assert code(await api.request("driver", "PUT", path, json=body)) == (
        403,
        "not_allowed",
    )
    assert (await api.request("admin", "PUT", path, json=body)).status_code == 200


async def test_assigning_a_driver(api: Api) -> None:
    """The driver sees it from then on; null takes it away; a stranger cannot be assigned."""
    session = await api.charge()
    path = f"/sessions/{session.id}"
    for user_id, status in (("driver", 200), (None, 404)):
        answer = await api.request("admin", "PUT", path, json={"user_id": user_id})
        assert answer.json()["user_id"] == user_id
        assert (await api.request("driver", "GET", path)).status_code == status
    answer = await api.request("admin", "PUT", path, json={"user_id": "stranger"})
    assert code(answer) == (422, "invalid_input")


async def test_ending_a_session_whose_station_fell_silent(api: Api) -> None:
    """It ends with the last frame; frames that come later move its end and do not open it again.

    They are billed, so a bill that told the former end would have more energy than its time.
    """
    session = await api.charge(ended=False)
    path = f"/sessions/{session.id}"
    body = (
        await api.request("admin", "PUT", path, json={"status": "COMPLETED"})
    ).json()
    assert (body["status"], body["end_reason"]) == ("COMPLETED", ENDED_BY_ADMIN)
    assert body["ended_at"] == at(60).isoformat().replace("+00:00", "Z")
    api.site.restart()
    await api.charge_on("1-1")
    again = (await api.request("admin", "GET", path)).json()
    assert (again["status"], again["end_reason"]) == ("COMPLETED", ENDED_BY_ADMIN)
    assert (
        again["last_frame_at"] == again["ended_at"] == again["periods"][-1]["ended_at"]
    )
    assert again["ended_at"] == at(61).isoformat().replace("+00:00", "Z")


async def test_stopping_what_an_admin_has_ended(api: Api) -> None:
    """Its station charges on; it is stopped, unless the next session is under way there."""
    session = await api.charge(ended=False)
    path = f"/sessions/{session.id}"
    await api.request("admin", "PUT", path, json={"status": "COMPLETED"})
    started = await api.request("admin", "PUT", path, json={"charging": True})
    assert code(started) == (422, "invalid_input")
    stopped = await api.request("admin", "PUT", path, json={"charging": False})
    assert stopped.status_code == 200
    assert api.commands.sent == [("garage", "stop")]
    await api.charge("1-2", ended=False)
    refused = await api.request("admin", "PUT", path, json={"charging": False})
    assert code(refused) == (422, "invalid_input")
    assert len(api.commands.sent) == 1


async def test_a_billed_session_keeps_its_driver(api: Api) -> None:
    """The bill names them. The same driver again changes nothing."""
    session = await api.charge()
    await api.assign(session.id, "driver")
    path = f"/sessions/{session.id}"
    await api.request("admin", "POST", f"{path}/bill")
    other = await api.request("admin", "PUT", path, json={"user_id": "other"})
    assert code(other) == (409, "session_billed")
    same = await api.request("admin", "PUT", path, json={"user_id": "driver"})
    assert same.status_code == 200


# -- deleting --------------------------------------------------------------------------------------


async def test_deleting_a_session(api: Api) -> None:
    """It is gone, and the log says who did it and what it was."""
    session = await api.charge()
    path = f"/sessions/{session.id}"
    assert (await api.request("admin", "DELETE", path)).status_code == 204
    assert code(await api.request("admin", "GET", path)) == (404, "not_found")
    actor, action, subject = (await api.audited())[-1]
    assert "admin" in actor
    assert (action, subject) == ("session.delete", f"session:{session.id}")


async def test_deleting_a_billed_session_is_refused(api: Api) -> None:
    """With a clear error; session and bill stay."""
    session = await api.charge()
    await api.assign(session.id, "driver")
    path = f"/sessions/{session.id}"
    issued = await api.request("admin", "POST", f"{path}/bill")
    refused = await api.request("admin", "DELETE", path)
    assert code(refused) == (409, "session_billed")
    assert issued.json()["number"] in problem(refused)["detail"]
    assert (await api.request("driver", "GET", f"{path}/bill")).status_code == 200


async def test_deleting_a_session_under_way_is_refused(api: Api) -> None:
    """Its next frame would bring it back."""
    session = await api.charge(ended=False)
    answer = await api.request("admin", "DELETE", f"/sessions/{session.id}")
    assert code(answer) == (409, "session_open")


async def test_time_filters_read_offsets(api: Api) -> None:
    """The same instant in another zone is the same instant."""
    await api.charge()
    for hours, total in ((0, 1), (1, 0)):
        local = (T0 + timedelta(hours=hours)).isoformat().replace("+00:00", "%2B00:00")
        shifted = local.replace("%2B00:00", "%2B00:00")
        answer = await api.request("admin", "GET", f"/sessions/?started_from={shifted}")
        assert answer.json()["total"] == total


async def test_a_change_that_cannot_be_steers_nothing(api: Api) -> None:
    """A station is not steered by a request that is refused for another of its fields."""
    session = await api.charge(ended=False)
    path = f"/sessions/{session.id}"
    for body in (
        {"charging": False, "user_id": "nobody"},
        {"charging": True, "status": "COMPLETED"},
    ):
        refused = await api.request("admin", "PUT", path, json=body)
        assert code(refused) == (422, "invalid_input")
        assert api.commands.sent == []
    assert (await api.request("admin", "GET", path)).json()["status"] == "ACTIVE"
