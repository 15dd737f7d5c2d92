"""Tokens: a session that was started with one is its user's."""

from typing import Any

import pytest

from billing_service.domain.frame import EventType, SessionEvent
from billing_service.services.audit import masked
from tests.api.harness import STATION, Api, code, frame
from tests.services.site import T0_MS


async def _token(api: Api, uid: str = "04a2b3", user: str = "driver") -> None:
    answer = await api.request(
        "admin", "POST", "/tokens/", json={"uid": uid, "user_id": user}
    )
    assert answer.status_code == 201


def _shown(token: str | None, session: str = "1-1") -> SessionEvent:
    return SessionEvent(
        station_id=STATION,
        type=EventType.SESSION_STARTED,
        at_ms=T0_MS,
        session=session,
        token=token,
    )


async def _driver(api: Api) -> str | None:
    return (await api.site.session()).user_id


async def test_who_shows_a_card_drives(api: Api) -> None:
    """Whatever the case of its uid; the session says which token it was, and so does the log."""
    await _token(api)
    await api.site.receive([frame(0, "1-1")], [_shown("04A2b3")])
    session = await api.site.session()
    assert (session.user_id, session.token) == ("driver", "04A2b3")
    path = f"/sessions/{session.id}"
    assert (await api.request("driver", "GET", path)).json()["token"] == "04A2b3"
    assert ("station:garage", "session.assign", f"session:{session.id}") in (
        await api.audited()
    )


async def test_frames_that_overtake_the_card(api: Api) -> None:
    """The event may come last: the session is its user's all the same."""
    await _token(api)
    await api.site.receive([frame(0, "1-1"), frame(1, "1-1")])
    assert await _driver(api) is None
    await api.site.receive([], [_shown("04A2B3")])
    assert await _driver(api) == "driver"


async def test_a_driver_whom_an_admin_chose_stays(api: Api) -> None:
    """A card that becomes known later does not undo it, nor does more of the session."""
    await _token(api)
    await api.site.receive([frame(0, "1-1")])
    await api.assign((await api.site.session()).id, "other")
    await api.site.receive([frame(1, "1-1")], [_shown("04A2B3")])
    assert await _driver(api) == "other"
    await api.assign((await api.site.session()).id, None)
    await api.site.receive([frame(2, "1-1")])
    assert await _driver(api) is None


async def test_a_guest_s_card_at_somebody_s_station(api: Api) -> None:
    """The station is one user's; who showed the card pays."""
    await api.station(user_id="other")
    await _token(api)
    await api.site.receive([frame(0, "1-1")])
    assert await _driver(api) == "other"
    await api.site.receive([], [_shown("04A2B3")])
    assert await _driver(api) == "driver"


@pytest.mark.parametrize("why", ["unknown", "blocked", "inactive", "nonsense"])
async def test_a_card_that_does_not_count(api: Api, why: str) -> None:
    """Nobody pays for a charge by a card that is not good; an admin decides."""
    await _token(api)
    uid = "04A2B3"
    match why:
        case "unknown":
            uid = "04FFFF"
        case "blocked":
            await api.request("admin", "PATCH", "/tokens/04A2B3", json={"valid": False})
        case "inactive":
            await api.request("admin", "PATCH", "/users/driver", json={"active": False})
        case "nonsense":
            uid = "x" * 5000
    await api.site.receive([frame(0, "1-1")], [_shown(uid)])
    assert await _driver(api) is None


async def test_a_card_that_is_given_later_brings_its_sessions(api: Api) -> None:
    """Those that are nobody's; not another's."""
    for number in ("1-1", "1-2"):
        await api.site.receive([frame(0, number)], [_shown("04A2B3", number)])
    first, second = await api.site.sessions()
    await api.assign(second.id, "other")
    await _token(api)
    assert [each.user_id for each in await api.site.sessions()] == ["driver", "other"]
    assert first.id


async def test_a_token_s_life(api: Api) -> None:
    """Made once, changed, blocked, removed; each step is in the log."""
    await _token(api)
    again = {"uid": "04A2B3", "user_id": "other"}
    assert code(await api.request("admin", "POST", "/tokens/", json=again)) == (
        409,
        "conflict",
    )
    body = {"user_id": "other", "visual_number": "No. 7"}
    changed = (await api.request("admin", "PATCH", "/tokens/04a2b3", json=body)).json()
    assert (changed["uid"], changed["type"]) == ("04A2B3", "RFID")
    assert (changed["user_id"], changed["visual_number"]) == ("other", "No. 7")
    assert (await api.request("admin", "GET", "/tokens/")).json() == [changed]
    gone = await api.request("admin", "DELETE", "/tokens/04A2B3")
    assert gone.status_code == 204
    for method in ("GET", "DELETE"):
        answer = await api.request("admin", method, "/tokens/04A2B3")
        assert code(answer) == (404, "not_found")
    actions = [action for _, action, _ in await api.audited()]
    assert actions == ["token.add", "token.change", "token.delete"]


async def test_the_log_does_not_tell_what_opens_the_station(api: Api) -> None:
    """A uid is a credential: the log keeps its end, enough to tell a home's cards apart."""
    uids = ("04A2B3C4D5E680", "04FFB3C4D5E123", "CAFE0815", "04:AA:BB:CC")
    for uid in uids:
        body = {
            "uid": uid.lower(),
            "user_id": "driver",
            "visual_number": f"No {uid}".replace(":", "-"),
        }
        await api.request("admin", "POST", "/tokens/", json=body)
        await api.request("admin", "PATCH", f"/tokens/{uid}", json={"valid": True})
    await api.site.receive([frame(0, "1-1")], [_shown(uids[0])])
    log = await api.request("admin", "GET", "/audit/")
    for uid in uids:
        assert uid not in log.text.upper()
        assert uid.replace(":", "") not in log.text.upper()
    entries = log.json()["items"]
    named = {each["subject"] for each in entries if each["subject"][:5] == "token"}
    assert named == {"token:*680", "token:*123", "token:*15", "token:*CC"}
    (given,) = [each for each in entries if each["action"] == "session.assign"]
    assert given["after"]["token"] == "*680"
    for uid in uids:
        await api.request("admin", "DELETE", f"/tokens/{uid}")
    found = await api.request("admin", "GET", "/audit/?subject=token:*680")
    assert [each["action"] for each in found.json()["items"]] == [
        "token.delete", "token.change", "token.add",
    ]  # fmt: skip
    assert found.json()["items"][0]["before"]["visual_number"] == "*680"


@pytest.mark.parametrize("uid", ["", "4", "123", "0123", "é" * 40])
def test_little_of_a_short_uid_is_shown(uid: str) -> None:
    """A quarter at most, and never more than four characters."""
    assert masked(uid).startswith("*")
    assert len(masked(uid)) - 1 <= min(len(uid) // 4, 4)


@pytest.mark.parametrize(
    "body",
    [
        {"uid": "", "user_id": "driver"},
        {"uid": "x" * 37, "user_id": "driver"},
        {"uid": "a b", "user_id": "driver"},
        {"uid": "04\x00", "user_id": "driver"},
        {"uid": "04", "user_id": "stranger"},
        {"uid": "04", "user_id": "driver", "type": "CREDIT_CARD"},
        {"uid": "04"},
    ],
)
async def test_a_token_that_cannot_be(api: Api, body: Any) -> None:
    """Bad input makes nothing."""
    answer = await api.request("admin", "POST", "/tokens/", json=body)
    assert answer.status_code == 422
    assert (await api.request("admin", "GET", "/tokens/")).json() == []
