"""The live feed, over a real WebSocket to a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from billing_service.api.routes import live
from billing_service.domain.frame import EventType, to_ms
from billing_service.domain.session import Session
from tests.api.harness import Api, at, frame, listening


@asynccontextmanager
async def _connected(
    api: Api, session_id: str, **headers: str
) -> AsyncIterator[ClientConnection]:
    async with (
        listening(api.app) as address,
        connect(
            f"ws://{address}/live/{session_id}",
            additional_headers=headers,
            proxy=None,
        ) as socket,
    ):
        yield socket


async def _watching(api: Api, session_id: str, name: str = "driver") -> Any:
    return _connected(api, session_id, **await api.headers(name))


async def _said(socket: ClientConnection) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(await socket.recv())
    return said


async def _closed(socket: ClientConnection) -> tuple[int, str]:
    """Read to the end; return how it was closed."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def _running(api: Api) -> Session:
    session = await api.charge(ended=False)
    await api.assign(session.id, "driver")
    return session


async def test_a_running_session_as_it_happens(api: Api) -> None:
    """First as it is, then each frame with energy and cost so far, then the end."""
    session = await _running(api)
    async with await _watching(api, session.id) as socket:
        first = await _said(socket)
        assert first["session"]["energy_wh"] == "3600.000"
        assert first["frame"] is None
        assert float(first["cost"]["excl_vat"]) == pytest.approx(0.72)
        await api.charge_on(session.station_session)
        update = await _said(socket)
        assert update["frame"]["power_w"] == "3600.000"
        assert update["frame"]["voltage_v"] == "230.000"
        assert update["session"]["energy_wh"] == "3660.000"
        # One more minute of 3.6 kW at 0.30
        assert float(update["cost"]["excl_vat"]) == pytest.approx(0.738)
        await api.end(session.station_session, 61)
        ended = await _said(socket)
        assert ended["session"]["status"] == "COMPLETED"
        assert await _closed(socket) == (1000, "The session has ended.")


async def test_the_last_frames_come_before_the_end(api: Api) -> None:
    """Frames that came in one batch with the end are all sent."""
    session = await _running(api)
    ended = replace(
        api.plugged(session.station_session),
        type=EventType.UNPLUGGED,
        at_ms=to_ms(at(63)),
    )
    async with await _watching(api, session.id) as socket:
        await _said(socket)
        await api.site.receive(
            [frame(minute, session.station_session) for minute in (61, 62, 63)], [ended]
        )
        said = [await _said(socket) for _ in range(3)]
        assert [each["frame"]["at"] for each in said] == [
            f"2026-{at(minute):%m-%dT%H:%M:%S}Z" for minute in (61, 62, 63)
        ]
        assert said[-1]["session"]["status"] == "COMPLETED"
        assert await _closed(socket) == (1000, "The session has ended.")


async def test_a_session_that_has_ended(api: Api) -> None:
    """It is sent once, and that is all."""
    session = await api.charge()
    async with await _watching(api, session.id, "admin") as socket:
        assert (await _said(socket))["session"]["status"] == "COMPLETED"
        assert (await _closed(socket))[0] == 1000


async def test_a_browser_sends_its_token_first(api: Api) -> None:
    """It cannot set the header."""
    session = await _running(api)
    bearer = (await api.headers("driver"))["Authorization"].removeprefix("Bearer ")
    async with _connected(api, session.id) as socket:
        await socket.send(json.dumps({"token": bearer}))
        assert (await _said(socket))["session"]["id"] == session.id


@pytest.mark.parametrize(
    "first",
    [
        "nonsense",
        "{}",
        '{"token": ""}',
        '{"token": 5}',
        '{"token": "a.b.c"}',
        "[]",
        b"\x00",
    ],
)
async def test_a_first_message_that_is_no_token(api: Api, first: Any) -> None:
    """4401, and nothing of the session before it."""
    session = await _running(api)
    async with _connected(api, session.id) as socket:
        await socket.send(first)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
    assert closed.value.rcvd.reason


async def test_no_token_at_all(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says nothing is not waited for."""
    monkeypatch.setattr(live, "TOKEN_WITHIN_S", 0.01)
    session = await _running(api)
    async with _connected(api, session.id) as socket:
        assert (await _closed(socket))[0] == 4401


async def test_a_token_in_the_address_is_not_read(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses end up in logs."""
    monkeypatch.setattr(live, "TOKEN_WITHIN_S", 0.01)
    session = await _running(api)
    bearer = (await api.headers("driver"))["Authorization"].removeprefix("Bearer ")
    for query in (f"token={bearer}", f"access_token={bearer}"):
        async with _connected(api, f"{session.id}?{query}") as socket:
            assert (await _closed(socket))[0] == 4401


@pytest.mark.parametrize("name", ["other", "driver"])
async def test_another_s_session_does_not_exist(api: Api, name: str) -> None:
    """4404 for another's and for none, the same."""
    session = await _running(api)
    session_id = session.id if name == "other" else "nobody-has-this"
    async with await _watching(api, session_id, name) as socket:
        assert await _closed(socket) == (4404, "There is no such session.")


async def test_a_session_given_to_another_ends_the_feed(api: Api) -> None:
    """Who is no longer its driver hears no more of it."""
    session = await _running(api)
    async with await _watching(api, session.id) as socket:
        await _said(socket)
        await api.assign(session.id, "other")
        await api.charge_on(session.station_session)
        assert (await _closed(socket))[0] == 4404


async def test_the_feed_ends_with_the_token(api: Api) -> None:
    """A stolen token does not listen for ever."""
    session = await _running(api)
    headers = await api.headers("driver")
    api.advance(minutes=14, seconds=59.9)
    async with _connected(api, session.id, **headers) as socket:
        await _said(socket)
        assert await _closed(socket) == (4401, "The sign-in has expired.")


async def test_a_foreign_page_may_not_connect(api: Api) -> None:
    """4403 for another origin, whatever token it has got hold of."""
    session = await _running(api)
    headers = await api.headers("driver") | {"Origin": "https://evil.example"}
    async with _connected(api, session.id, **headers) as socket:
        assert (await _closed(socket))[0] == 4403


async def test_our_own_page_may(api: Api) -> None:
    """The page that the service itself serves."""
    session = await _running(api)
    bearer = await api.headers("driver")
    async with listening(api.app) as address:
        headers = bearer | {"Origin": f"http://{address}"}
        url = f"ws://{address}/live/{session.id}"
        async with connect(url, additional_headers=headers, proxy=None) as socket:
            assert (await _said(socket))["session"]["id"] == session.id


async def test_a_strange_id_is_refused(api: Api) -> None:
    """Before anything is accepted."""
    with pytest.raises(InvalidStatus):
        async with _connected(api, "a%20b"):
            pass


async def test_who_leaves_is_forgotten(api: Api) -> None:
    """Nobody keeps sending to a listener that is gone."""
    session = await _running(api)
    async with listening(api.app) as address:
        url, headers = f"ws://{address}/live/{session.id}", await api.headers("driver")
        async with connect(url, additional_headers=headers, proxy=None) as socket:
            await _said(socket)
            assert api.site.bus.wanted(session.id)
        async with asyncio.timeout(5):
            while api.site.bus.wanted(session.id):
                await asyncio.sleep(0)
