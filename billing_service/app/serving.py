"""The process of ``solarrally serve``: an address, signals, and the API on top of it all."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from billing_service.api.application import create_api
from billing_service.api.deps import Services
from billing_service.app.heap import set_start_up_aside
from billing_service.app.lifespan import running
from billing_service.app.wiring import utc_now
from billing_service.settings import Settings

SHUTDOWN_WITHIN_S = 10
WS_MESSAGE_BYTES = 64 * 1024


class AddressUnusable(Exception):
    """The service cannot listen there; the sentence says why."""


async def serve(
    settings: Settings, started: Callable[[Services], Awaitable[None]]
) -> None:
    """Run API, ingest and metering in one process until it is told to end.

    ``started`` is called once everything is wired, before the first request. Raises what
    ``running`` raises, and AddressUnusable.
    """
    with _bind(settings.host, settings.port) as bound:
        await _serve(settings, started, bound)


async def _serve(
    settings: Settings,
    started: Callable[[Services], Awaitable[None]],
    bound: socket.socket,
) -> None:
    async with running(settings, utc_now) as services:
        await started(services)
        server = _Server(
            uvicorn.Config(
                api(services),
                host=settings.host,
                port=settings.port,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=settings.trusted_proxies,
                ws_max_size=WS_MESSAGE_BYTES,
                timeout_graceful_shutdown=SHUTDOWN_WITHIN_S,
            )
        )
        set_start_up_aside()
        with _signals(server):
            await server.serve([bound])


def api(services: Services) -> FastAPI:
    """Return the API on top of wired use cases."""
    app = create_api()
    app.state.services = services
    return app


def _bind(host: str, port: int) -> socket.socket:
    """Take the address before anything is started; nobody gets in before all is.

    Raises AddressUnusable.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # A port whose last connections still linger is free.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise AddressUnusable(
            f"cannot listen on {host} port {port}: {error.strerror or error}"
        ) from error
    return bound


class _Server(uvicorn.Server):
    """Leaves signals alone: uvicorn would raise them again before all parts are stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextmanager
def _signals(server: uvicorn.Server) -> Iterator[None]:
    """End the server on SIGINT and SIGTERM; a second SIGINT does not wait for requests."""
    loop = asyncio.get_running_loop()
    handled = (signal.SIGINT, signal.SIGTERM)
    for each in handled:
        loop.add_signal_handler(each, server.handle_exit, each, None)
    try:
        yield
    finally:
        for each in handled:
            loop.remove_signal_handler(each)
