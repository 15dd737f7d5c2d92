"""The service's API for tests: real routes, use cases and SQLite; stations that obey or refuse."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from billing_service.adapters.common_passwords import is_common
from billing_service.adapters.pdf import PdfBillRenderer
from billing_service.api.deps import Services
from billing_service.app import api, check_database, wire
from billing_service.domain.errors import CommandRefused
from billing_service.domain.frame import EventType, Frame, Pilot, SessionEvent, to_ms
from billing_service.domain.period import Source
from billing_service.domain.session import Session
from billing_service.domain.tariff import Tariff
from billing_service.services.ports import Role, Station, User
from billing_service.settings import Settings
from tests.services.site import T0, T0_MS, TARIFF, Site, open_site

PASSWORD = "correct horse battery"
STATION = "garage"


class PlainPasswords:
    """Hashes nothing, so that tests are fast; counts what it was asked."""

    def __init__(self) -> None:
        """Start at zero."""
        self.worked = 0

    async def hash(self, password: str) -> str:
        """Return the password itself."""
        return f"plain:{password}"

    async def verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        """Compare."""
        self.worked += 1
        return hashed == f"plain:{password}", None

    def is_common(self, password: str) -> bool:
        """Look into the real list."""
        return is_common(password)

    async def waste(self, password: str) -> None:
        """Work as much as ``verify``."""
        await self.verify(password, "")


@dataclass
class Commands:
    """Stations: they obey, unless ``error`` is set."""

    sent: list[tuple[str, str]] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    error: Exception | None = None

    async def send(
        self,
        station_id: str,
        command: str,
        value: object = None,
        *,
        command_id: str | None = None,
    ) -> None:
        """Note the command."""
        self.sent.append((station_id, command))
        self.values.append(value)
        if self.error is not None:
            raise self.error

    def refuse(self, error: str) -> None:
        """Refuse from now on."""
        self.error = CommandRefused(error, f"The station says {error}.")


@dataclass
class Api:
    """An API and what stands behind it."""

    app: FastAPI
    site: Site
    services: Services
    commands: Commands
    passwords: PlainPasswords
    settings: Settings
    client: httpx.AsyncClient
    broker_error: str | None = None

    def advance(self, **delta: float) -> None:
        """Let time pass."""
        self.site.now += timedelta(**delta)

    async def add_user(self, name: str, role: Role = Role.USER, **more: Any) -> User:
        """Add a user whose id is the name."""
        user = User(
            id=name, name=name, role=role, password_hash=f"plain:{PASSWORD}", **more
        )
        async with self.site.database.write() as uow:
            await uow.users.add(user)
            await uow.commit()
        return user

    async def user(self, name: str) -> User:
        """Return a user."""
        async with self.site.database.read() as read:
            found = await read.users.get(name)
        assert found is not None
        return found

    async def headers(self, name: str) -> dict[str, str]:
        """Return the headers of a user who signs in."""
        tokens = await self.services.auth.sign_in(name, PASSWORD, "192.0.2.1")
        return {"Authorization": f"Bearer {tokens.access_token}"}

    async def request(
        self, name: str | None, method: str, path: str, **more: Any
    ) -> httpx.Response:
        """Ask as a user, or as nobody."""
        headers = more.pop("headers", {}) | (await self.headers(name) if name else {})
        return await self.client.request(method, path, headers=headers, **more)

    async def charge(self, session: str = "1-1", *, ended: bool = True) -> Session:
        """Let the station charge an hour of 3.6 kW, the second half hour from the grid."""
        frames = [frame(minute, session) for minute in range(61)]
        await self.site.receive(frames, [self.plugged(session)])
        if ended:
            await self.end(session)
        async with self.site.database.read() as read:
            stored = await read.sessions.named(STATION, session)
        assert stored is not None
        return stored

    @staticmethod
    def plugged(session: str) -> SessionEvent:
        """Return the event that begins a session."""
        return SessionEvent(
            station_id=STATION, type=EventType.PLUGGED, at_ms=T0_MS, session=session
        )

    async def charge_on(self, session: str) -> None:
        """Let the station send one more minute of what is under way."""
        await self.site.receive([frame(61, session)])

    async def end(self, session: str, minute: int = 60) -> None:
        """Unplug."""
        at_ms = T0_MS + minute * 60_000
        ended = SessionEvent(
            station_id=STATION,
            type=EventType.SESSION_ENDED,
            at_ms=at_ms,
            session=session,
            started_at_ms=T0_MS,
            reason="unplugged",
        )
        await self.site.receive([], [ended])

    async def assign(self, session_id: str, user: str | None) -> None:
        """Make a session someone's."""
        async with self.site.database.write() as uow:
            await uow.sessions.assign(session_id, user)
            await uow.commit()

    async def station(self, **changes: Any) -> Station:
        """Store the station, with changes."""
        async with self.site.database.write() as uow:
            known = await uow.stations.get(STATION)
            station = known or Station(
                id=STATION,
                name="Garage",
                time_zone="Europe/Vienna",
                max_power_w=11_000,
                first_seen_at=T0,
            )
            station = replace(station, **changes)
            await uow.stations.save(station)
            await uow.commit()
        return station

    async def audited(self) -> list[tuple[str, str, str]]:
        """Return the audit log: actor, action, subject."""
        async with self.site.database.engine.connect() as connection:
            rows = await connection.exec_driver_sql(
                "SELECT actor, action, subject FROM audit_log ORDER BY id"
            )
            return [(row[0], row[1], row[2]) for row in rows]


@asynccontextmanager
async def open_api(
    folder: Path,
    *,
    tariff: Tariff | None = TARIFF,
    kind: str = "sqlite",
    **more: Any,
) -> AsyncIterator[Api]:
    """Yield an API with an admin, two users and a station; nothing outside is touched."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]  # of BaseSettings
        data_dir=folder,
        supplier_name="Sunny Charging",
        supplier_vat_id="ATU12345678",
        time_zone="Europe/Vienna",
        **more,
    )
    async with open_site(folder, tariff=tariff, kind=kind) as site:
        commands, passwords = Commands(), PlainPasswords()
        made: list[Api] = []

        async def broker() -> str | None:
            return made[0].broker_error

        services = wire(
            settings,
            site.clock,
            site.database,
            bus=site.bus,
            commands=commands,
            passwords=passwords,
            render=PdfBillRenderer(settings.locale),
            checks={
                "database": lambda: check_database(site.database),
                "broker": broker,
            },
        )
        app = api(services)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://billing.test"
        ) as client:
            made.append(Api(app, site, services, commands, passwords, settings, client))
            await made[0].add_user("admin", Role.ADMIN)
            await made[0].add_user("driver", full_name="Dana Driver")
            await made[0].add_user("other")
            await made[0].station()
            yield made[0]


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """Serve on a free port of this machine; yield ``host:port``."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        host, port = bound.getsockname()
        server = uvicorn.Server(
            uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
        )
        ready = asyncio.Event()
        startup = server.startup

        async def started(sockets: list[socket.socket] | None = None) -> None:
            await startup(sockets)
            ready.set()

        server.startup = started  # type: ignore[method-assign]  # to know when
        serving = asyncio.create_task(server._serve([bound]))
        await ready.wait()
        try:
            yield f"{host}:{port}"
        finally:
            server.should_exit = True
            await serving


def problem(response: httpx.Response) -> dict[str, Any]:
    """Return a problem document, after checking that it is one."""
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:solarrally:problem:{body['code']}"
    assert body["title"]
    assert body["detail"]
    return body


def code(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the stable code of a problem."""
    return response.status_code, problem(response)["code"]


def numbers(value: Any) -> Iterator[Any]:
    """Yield every number in a JSON value."""
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def tariff_json(**more: Any) -> dict[str, Any]:
    """Return a tariff as OCPI JSON."""
    element = {
        "price_components": [
            {"type": "ENERGY", "price": 0.25, "vat": 20, "step_size": 1}
        ]
    }
    return {
        "id": "evening",
        "name": "Evening",
        "currency": "EUR",
        "elements": [element],
    } | more


def decimals(response: httpx.Response) -> Any:
    """Return JSON with exact numbers."""
    return json.loads(response.text, parse_float=Decimal)


def at(minutes: float) -> datetime:
    """Return minutes after the start of charging."""
    return T0 + timedelta(minutes=minutes)


def frame(minute: int, session: str) -> Frame:
    """Make the frame of a minute of an hour's charging, the second half from the grid."""
    solar = 30_000 * 60 * min(minute, 30) // 30
    grid = 30_000 * 60 * max(0, minute - 30) // 30
    return Frame(
        STATION,
        int(session.split("-", maxsplit=1)[0]),
        minute + 1000 * int(session.split("-")[1]),
        to_ms(at(minute)),
        230_000,
        15_652,
        3_600_000,
        Source.SOLAR if minute < 30 else Source.GRID,
        solar + grid,
        solar,
        grid,
        Pilot.C,
        session,
    )
