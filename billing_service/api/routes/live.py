"""A running session as it happens, over a WebSocket.

The token comes in the ``Authorization`` header or, from browsers, which cannot set one, in the
first message: ``{"token": "…"}``. Never in the address, which ends up in logs. Closes with 4401
(not signed in, or no longer), 4403 (a page of another origin, or a service token without ``sessions:read``), 4404 (no such session, or not
yours), 1000 (the session has ended).
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from billing_service.api.deps import (
    Services,
    ServicesDep,
    SessionId,
    address_of,
    check_scope,
)
from billing_service.api.schemas.sessions import (
    FrameOut,
    LiveOut,
    RunningCostOut,
    SessionOut,
)
from billing_service.domain.errors import (
    DomainError,
    NotAllowed,
    NotFound,
    NotSignedIn,
)
from billing_service.services.ports import LiveUpdate, Viewer
from billing_service.services.sessions import OPEN, SessionDetail

router = APIRouter(tags=["live"])

type Read = Callable[[], Awaitable[SessionDetail]]

NOT_SIGNED_IN = 4401
NOT_ALLOWED = 4403
NOT_FOUND = 4404
TRY_LATER = 1013
ENDED = 1000

TOKEN_WITHIN_S = 10.0
TEXTS_KEPT = 256
"""Of the latest updates: as many as a slow listener may fall behind, and some."""

READ_AGAIN_S = 30.0
"""After so long without an update the session is read anew: one may have been lost on the way."""


@router.websocket("/live/{session_id}")
async def live(
    websocket: WebSocket, services: ServicesDep, session_id: SessionId
) -> None:
    """Send the session as it is, then each update, until it ends."""
    # Only a connection that was accepted can be told why it is closed.
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        await websocket.close(*await _serve(websocket, services, session_id))


async def _serve(
    websocket: WebSocket, services: Services, session_id: str
) -> tuple[int, str]:
    """Return the code and reason to close with."""
    if not _origin_allowed(websocket, services.allowed_origins):
        return NOT_ALLOWED, "This page may not connect."
    try:
        signed_in = await services.auth.recognise(
            await _token(websocket), address_of(websocket)
        )
        check_scope(signed_in.actor, "sessions:read")
        viewer = signed_in.actor.viewer
        # Who may not see the session does not get to listen; then listen before reading it, so
        # that nothing falls in between.
        await services.sessions.get(session_id, viewer)
        async with services.bus.listen(session_id) as updates:
            detail = await services.sessions.get(session_id, viewer)
            expires_at = signed_in.expires_at
            holds = None if expires_at is None else expires_at - services.clock()
            return await _watch(
                websocket,
                viewer,
                detail,
                updates,
                holds,
                lambda: services.sessions.get(session_id, viewer),
            )
    except NotSignedIn as error:
        return NOT_SIGNED_IN, error.message
    except NotAllowed as error:
        return NOT_ALLOWED, error.message
    except NotFound:
        return NOT_FOUND, "There is no such session."
    except DomainError:
        return TRY_LATER, "Try again in a moment."


async def _watch(
    websocket: WebSocket,
    viewer: Viewer,
    detail: SessionDetail,
    updates: AsyncIterator[LiveUpdate],
    holds: timedelta | None,
    read: Read,
) -> tuple[int, str]:
    """Send until the session ends, the other side goes, or the token no longer holds."""
    both = _with_reading(updates, read)
    sending = asyncio.create_task(_send(websocket, viewer, detail, both))
    leaving = asyncio.create_task(_until_left(websocket))
    try:
        await asyncio.wait(
            (sending, leaving),
            timeout=None if holds is None else max(0.0, holds.total_seconds()),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if leaving.done():
            leaving.result()
        if sending.done():
            return sending.result()
        return NOT_SIGNED_IN, "The sign-in has expired."
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)
        await both.aclose()


async def _with_reading(
    updates: AsyncIterator[LiveUpdate], read: Read
) -> AsyncGenerator[LiveUpdate]:
    """Yield updates, and what the session is now whenever there has been none for a while."""
    coming: asyncio.Future[LiveUpdate] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(updates))
            await asyncio.wait((coming,), timeout=READ_AGAIN_S)
            if coming.done():
                update, coming = coming.result(), None
                yield update
            else:
                now = await read()
                yield LiveUpdate(session=now.session, frame=None, running_cost=now.cost)
    finally:
        if coming is not None:
            coming.cancel()


async def _send(
    websocket: WebSocket,
    viewer: Viewer,
    detail: SessionDetail,
    updates: AsyncIterator[LiveUpdate],
) -> tuple[int, str]:
    first = LiveUpdate(session=detail.session, frame=None, running_cost=detail.cost)
    await websocket.send_text(_text(first))
    session, more = detail.session, False
    while more or session.status in OPEN:
        update = await anext(updates)
        session, more = update.session, update.more
        if not viewer.is_admin and session.user_id != viewer.user_id:
            return NOT_FOUND, "There is no such session."
        await websocket.send_text(_text(update))
    return ENDED, "The session has ended."


@lru_cache(maxsize=TEXTS_KEPT)
def _text(update: LiveUpdate) -> str:
    """Return an update as JSON, made once for all who listen."""
    cost = update.running_cost
    return LiveOut(
        session=SessionOut.of(update.session),
        frame=None if update.frame is None else FrameOut.of(update.frame),
        cost=None if cost is None else RunningCostOut.of(cost),
    ).model_dump_json()


async def _until_left(websocket: WebSocket) -> None:
    """Wait until the other side goes. Raises WebSocketDisconnect. What it says is ignored."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))


async def _token(websocket: WebSocket) -> str:
    """Return the token of the header or the first message. Raises NotSignedIn."""
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    try:
        async with asyncio.timeout(TOKEN_WITHIN_S):
            said = json.loads(await websocket.receive_text())
    except (TimeoutError, ValueError, KeyError, RecursionError) as error:
        raise NotSignedIn('Send {"token": "…"} first.') from error
    given = said.get("token") if isinstance(said, dict) else None
    if not isinstance(given, str) or not given:
        raise NotSignedIn('Send {"token": "…"} first.')
    return given


def _origin_allowed(websocket: WebSocket, allowed: tuple[str, ...]) -> bool:
    """Return whether a browser's page may connect: of our own host, or set as allowed."""
    origin = websocket.headers.get("origin")
    if origin is None:
        return True
    return origin in allowed or urlsplit(origin).netloc == websocket.headers.get("host")
