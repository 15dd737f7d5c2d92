"""What every request goes through: an id, limits, headers, and a last net for errors."""

import re
import time
from collections.abc import Sequence
from http import HTTPStatus
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing_service.api import errors
from billing_service.api.metrics import Metrics

MAX_BODY_BYTES = 1024 * 1024

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile("[A-Za-z0-9._-]{1,64}")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Bills and tokens are nobody's but the asker's.
    "Cache-Control": "no-store",
}


class RequestContext:
    """Gives each request an id, logs it, counts it, and turns what nobody caught into a problem."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        """Wrap an application; ``metrics`` counts its requests."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        started = time.perf_counter()
        status = 0

        async def outgoing(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        structlog.contextvars.clear_contextvars()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, outgoing)
            except (
                Exception
            ):  # the last net: the cause is in the log, under the request's id
                log.exception("request_failed", path=scope["path"])
                if scope["type"] == "websocket" or status:
                    raise
                await errors.internal()(scope, receive, outgoing)
            finally:
                if scope["type"] == "http":
                    took_s = time.perf_counter() - started
                    log.info(
                        "request",
                        method=scope["method"],
                        path=scope["path"],
                        status=status,
                        duration_ms=round(took_s * 1000, 1),
                        **_session(scope),
                    )
                    self._metrics.note(scope, status, took_s)


def _session(scope: Scope) -> dict[str, str]:
    """Return the charging session that a request was about, for the log."""
    session_id = scope.get("path_params", {}).get("session_id")
    return {} if session_id is None else {"session_id": str(session_id)}


class BodyLimit:
    """Refuses bodies that are too large, announced or not, before they are held in memory.

    Routes under ``streamed`` read theirs bit by bit and have limits of their own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int = MAX_BODY_BYTES,
        streamed: Sequence[re.Pattern[str]] = (),
    ) -> None:
        """Wrap an application."""
        self._app = app
        self._max_bytes = max_bytes
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or any(
            path.fullmatch(scope["path"]) for path in self._streamed
        ):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self._max_bytes:
            await self._refusal()(scope, receive, send)
            return
        seen = 0
        started = False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise _TooLargeError
            return message

        async def outgoing(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, counted, outgoing)
        except _TooLargeError:
            if started:
                raise
            await self._refusal()(scope, receive, send)

    def _refusal(self) -> ASGIApp:
        return errors.problem(
            HTTPStatus.CONTENT_TOO_LARGE,
            "too_large",
            f"A request may have at most {self._max_bytes} bytes.",
            headers={"Connection": "close"},
        )


class _TooLargeError(Exception):
    """More bytes came than are allowed."""
