"""Firmware images over the API, and updates of stations to their outcome."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from billing_service.domain.errors import StationSilent
from billing_service.services.updates import MAX_IMAGE_BYTES
from tests.api.harness import Api, code, problem
from tests.esp_images import esp_image

IMAGE = esp_image("1.3.0")
SHA256 = hashlib.sha256(IMAGE).hexdigest()
UPDATE = "/stations/garage/update"


async def _keep(api: Api) -> None:
    made = await api.request("admin", "POST", "/firmware/", content=IMAGE)
    assert made.status_code == 201


async def _update(api: Api) -> Any:
    return await api.request("admin", "POST", UPDATE, json={"sha256": SHA256})


async def _newest(api: Api) -> dict[str, Any]:
    listed = await api.request("admin", "GET", "/stations/garage/updates")
    newest: dict[str, Any] = listed.json()[0]
    return newest


async def test_an_image_is_kept_with_what_it_says_of_itself(api: Api) -> None:
    """Twice is once."""
    await _keep(api)
    again = await api.request("admin", "POST", "/firmware/", content=IMAGE)
    shown = again.json()
    assert shown == {
        "sha256": SHA256,
        "version": "1.3.0",
        "project": "solarrally",
        "chip": "ESP32",
        "size": len(IMAGE),
        "uploaded_at": shown["uploaded_at"],
    }
    assert (await api.request("admin", "GET", "/firmware/")).json() == [shown]
    assert [action for _, action, _ in await api.audited()] == ["firmware.add"]


async def test_what_is_no_image_is_not_kept(api: Api) -> None:
    """Damaged or too large: the reason is told, and nothing is stored."""
    broken = await api.request("admin", "POST", "/firmware/", content=IMAGE[:-1])
    assert code(broken) == (422, "invalid_input")
    assert problem(broken)["errors"][0]["path"] == "image"

    async def endless() -> AsyncIterator[bytes]:
        yield IMAGE
        for _ in range(MAX_IMAGE_BYTES // 65_536 + 1):
            yield b"\0" * 65_536

    huge = await api.request("admin", "POST", "/firmware/", content=endless())
    assert code(huge) == (413, "too_large")
    assert (await api.request("admin", "GET", "/firmware/")).json() == []


async def test_a_station_is_updated(api: Api) -> None:
    """It agrees, fetches exactly the image that was announced, and tells the outcome."""
    await _keep(api)
    answer = await _update(api)
    assert (answer.status_code, answer.json()["status"]) == (202, "ACCEPTED")
    assert api.commands.sent == [("garage", "update_firmware")]
    (value,) = api.commands.values
    assert (value["sha256"], value["version"]) == (SHA256, "1.3.0")
    fetched = await api.client.get(value["url"])
    assert fetched.content == IMAGE
    assert fetched.headers["content-length"] == str(len(IMAGE))
    assert (await _newest(api))["downloaded_at"] is not None
    for _ in range(2):
        await api.services.updates.outcome("garage", answer.json()["id"], None, "")
    ended = await _newest(api)
    assert (ended["status"], ended["error"]) == ("INSTALLED", None)
    assert ended["finished_at"] is not None
    assert code(await api.client.get(value["url"])) == (404, "not_found")
    assert ("user:admin (admin)", "station.update", "station:garage") in (
        await api.audited()
    )


async def test_an_image_is_for_the_station_s_ticket_alone(api: Api) -> None:
    """It may hold a password: no other ticket, no later time, no other image."""
    await _keep(api)
    await _update(api)
    url = api.commands.values[0]["url"]
    for forged in (
        url[:-43] + "A" * 43,
        url.replace(SHA256, hashlib.sha256(b"other").hexdigest()),
    ):
        assert code(await api.client.get(forged)) == (404, "not_found")
    assert (await api.client.get(url.partition("?")[0])).status_code == 422
    api.advance(minutes=16)
    assert code(await api.client.get(url)) == (404, "not_found")


async def test_a_station_that_fails(api: Api) -> None:
    """Its reason stands at the update; another station's word does not count."""
    await _keep(api)
    update = (await _update(api)).json()
    await api.services.updates.outcome("barn", update["id"], None, "")
    assert (await _newest(api))["status"] == "ACCEPTED"
    await api.services.updates.outcome("garage", update["id"], "failed", "bad hash")
    ended = await _newest(api)
    assert (ended["status"], ended["error"], ended["message"]) == (
        "FAILED",
        "failed",
        "bad hash",
    )


async def test_a_station_that_refuses(api: Api) -> None:
    """Told at once, and kept."""
    await _keep(api)
    api.commands.refuse("busy")
    answer = await _update(api)
    assert code(answer) == (409, "command_refused")
    assert answer.json()["error"] == "busy"
    assert (await _newest(api))["status"] == "REFUSED"
    assert (await _newest(api))["error"] == "busy"


async def test_a_station_that_never_answers(api: Api) -> None:
    """Neither to the command nor, having agreed, with an outcome; a new try is possible."""
    await _keep(api)
    api.commands.error = StationSilent("The station garage did not answer within 5 s.")
    assert code(await _update(api)) == (504, "station_silent")
    assert (await _newest(api))["status"] == "NO_ANSWER"
    api.commands.error = None
    assert (await _update(api)).status_code == 202
    assert await api.services.updates.settle() == 0
    assert code(await _update(api)) == (409, "update_running")
    api.advance(minutes=16)
    assert await api.services.updates.settle() == 1
    ended = await _newest(api)
    assert (ended["status"], ended["finished_at"] is None) == ("NO_ANSWER", False)
    assert (await _update(api)).status_code == 202


@pytest.mark.parametrize("minutes", [1, 60])
async def test_an_outcome_that_was_missed(api: Api, minutes: int) -> None:
    """The service was away: a station that started anew with the version was updated."""
    await _keep(api)
    await api.station(info={"firmware": "1.3.0", "boot": 7})
    await _update(api)
    assert await api.services.updates.settle() == 0
    api.advance(minutes=minutes)
    await api.services.updates.settle()
    await api.station(info={"firmware": "1.3.0", "boot": 8})
    assert await api.services.updates.settle() == 1
    assert (await _newest(api))["status"] == "INSTALLED"


async def test_a_new_start_shows_the_last_update_alone(api: Api) -> None:
    """The one before had no answer, and that stays true."""
    await _keep(api)
    api.commands.error = StationSilent("The station garage did not answer within 5 s.")
    await _update(api)
    api.commands.error = None
    api.advance(minutes=1)
    await _update(api)
    await api.station(info={"firmware": "1.3.0", "boot": 8})
    assert await api.services.updates.settle() == 1
    listed = await api.request("admin", "GET", "/stations/garage/updates")
    assert [each["status"] for each in listed.json()] == ["INSTALLED", "NO_ANSWER"]


async def test_an_image_is_deleted(api: Api) -> None:
    """Its bytes go, what it brought stays known, and it may be uploaded again."""
    await _keep(api)
    update = (await _update(api)).json()
    await api.services.updates.outcome("garage", update["id"], None, "")
    path = f"/firmware/{SHA256}"
    assert (await api.request("admin", "DELETE", path)).status_code == 204
    assert (await api.request("admin", "GET", "/firmware/")).json() == []
    async with api.site.database.engine.connect() as connection:
        kept = await connection.exec_driver_sql("SELECT content FROM firmware_images")
        assert kept.scalar_one() == b""
    assert (await _newest(api))["version"] == "1.3.0"
    for again in (
        await api.request("admin", "DELETE", path),
        await api.request("admin", "DELETE", f"/firmware/{'0' * 64}"),
        await _update(api),
    ):
        assert code(again) == (404, "not_found")
    nonsense = await api.request("admin", "DELETE", "/firmware/..%2Fetc")
    assert nonsense.status_code in (404, 422)
    actions = [action for _, action, _ in await api.audited()]
    assert actions == ["firmware.add", "station.update", "firmware.delete"]
    await _keep(api)
    assert (await _update(api)).status_code == 202
    fetched = await api.client.get(api.commands.values[-1]["url"])
    assert fetched.content == IMAGE


async def test_an_image_on_its_way_is_not_deleted(api: Api) -> None:
    """The station would find nothing; once its outcome is known, or none came, it may go."""
    await _keep(api)
    await _update(api)
    path = f"/firmware/{SHA256}"
    refused = await api.request("admin", "DELETE", path)
    assert code(refused) == (409, "update_running")
    assert "garage" in problem(refused)["detail"]
    fetched = await api.client.get(api.commands.values[0]["url"])
    assert fetched.content == IMAGE
    api.advance(minutes=16)
    await api.services.updates.settle()
    assert (await api.request("admin", "DELETE", path)).status_code == 204


async def test_an_update_that_cannot_be(api: Api) -> None:
    """No such image or station, or one that waits to be accepted: nothing is sent."""
    await _keep(api)
    body = {"sha256": "0" * 64}
    assert code(await api.request("admin", "POST", UPDATE, json=body))[0] == 404
    body = {"sha256": SHA256}
    nowhere = await api.request("admin", "POST", "/stations/barn/update", json=body)
    assert code(nowhere)[0] == 404
    await api.station(accepted=False)
    assert code(await _update(api)) == (409, "station_pending")
    assert api.commands.sent == []
