"""A site of real processes to break: stations that publish, workers, a broker, a database."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiomqtt
from sqlalchemy import text

from billing_service.adapters.db.database import Database
from billing_service.domain.errors import StoreUnavailable
from billing_service.domain.session import Session
from billing_service.services.ports import Role, SessionQuery, Viewer
from billing_service.settings import PREFIX
from scripts.rig.broker import Broker
from scripts.rig.process import Program
from tests.adapters.mosquitto import mosquitto, station_at
from tests.databases import database_url, utc_now
from tests.process import solarrally

type Key = tuple[str, int, int]

WITHIN_S = 60
_IN_FLIGHT = 40
_ADMIN = Viewer("admin", Role.ADMIN)


@dataclass
class Stations:
    """Stations that charge at 3.6 kW, 1 Wh a second, and never forget what was not acknowledged."""

    broker: Broker
    names: Sequence[str]
    published: set[Key] = field(default_factory=set)
    seq: int = 0
    start: datetime = field(
        default_factory=lambda: datetime.now(UTC) - timedelta(hours=6)
    )

    async def publish(self, frames: int, *, jumps: Sequence[int] = ()) -> None:
        """Publish so many frames of each station, in order; again until the broker has them.

        ``jumps`` are seconds by which the clock is wrong, frame by frame, over and over.
        """
        waiting = []
        for _ in range(frames):
            off = jumps[self.seq % len(jumps)] if jumps else 0
            waiting += [(name, self.seq, off) for name in self.names]
            self.seq += 1
        async with asyncio.timeout(WITHIN_S):
            while waiting:
                with suppress(aiomqtt.MqttError):
                    await self._send(waiting)
                await asyncio.sleep(0.05 if waiting else 0)

    async def _send(self, waiting: list[tuple[str, int, int]]) -> None:
        async with station_at(self.broker) as client:
            while waiting:
                part = waiting[:_IN_FLIGHT]
                # aiomqtt returns from publish when the broker has acknowledged.
                await asyncio.gather(
                    *(
                        client.publish(
                            f"ev/{name}/telemetry", self._frame(*each), qos=1
                        )
                        for each in part
                        for name in each[:1]
                    )
                )
                self.published.update((name, 1, seq) for name, seq, _ in part)
                del waiting[: len(part)]

    def _frame(self, name: str, seq: int, off_s: int) -> bytes:
        at = self.start + timedelta(seconds=seq + off_s)
        meter = {"V": 230.0, "I": 15.7, "P": 3600.0, "E": 3000 + seq}
        idle = {"V": 230.0, "I": 0.0, "P": 0.0, "E": 2000}
        return json.dumps(
            {
                "station": name,
                "boot": 1,
                "seq": seq,
                "timestamp": at.isoformat(timespec="milliseconds"),
                **meter,
                "E": 5000 + seq,
                "source": "solar",
                "solar": meter,
                "grid": idle,
                "pilot": "C",
                "session": f"{name}-1",
                "clock": "synced",
            }
        ).encode()


@dataclass
class Site:
    """The processes and what they share."""

    folder: Path
    broker: Broker
    url: str
    database: Database
    stations: Stations

    def program(self, *arguments: str, **settings: Any) -> Program:
        """Return one of our processes, not started yet."""
        login = self.broker.logins["billing"]
        env = {
            "database_url": self.url,
            "accept_stations": "all",
            "mqtt_port": self.broker.port,
            "mqtt_username": login.username,
            "mqtt_password": login.password,
            **settings,
        }
        return solarrally(
            self.folder,
            *arguments,
            env={f"{PREFIX}{name.upper()}": str(value) for name, value in env.items()},
        )

    @asynccontextmanager
    async def workers(self, *names: str) -> AsyncIterator[list[Program]]:
        """Run workers for the block; each must end well if it still runs then."""
        programs = [self.program("ingest", "--name", name) for name in names]
        try:
            for program in programs:
                await program.start()
            yield programs
        finally:
            for program in programs:
                await program.stop()

    async def stored(self) -> int:
        """Return how many frames are stored now."""
        async with self.database.engine.connect() as connection:
            return int(await connection.scalar(text("SELECT count(*) FROM frames")))

    async def _stored(self) -> list[Key]:
        async with self.database.engine.connect() as connection:
            rows = await connection.execute(
                text("SELECT station_id, boot, seq FROM frames")
            )
            return [(row.station_id, row.boot, row.seq) for row in rows]

    async def until_stored(self, frames: int) -> None:
        """Wait until so many are."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while await self.stored() < frames:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            missing = sorted(self.stations.published - set(await self._stored()))
            raise AssertionError(
                f"{len(missing)} frames are missing after {WITHIN_S} s: {missing[:50]}"
            ) from None

    async def check(self, *, energy_wh: int | None = None) -> list[Session]:
        """Wait until all is stored and metered; see that nothing is missing, double or wrong.

        Each station's session has ``energy_wh``, one Wh less than its frames unless told.
        """
        await self.until_stored(len(self.stations.published))
        async with asyncio.timeout(WITHIN_S):
            while not await self._metered():
                await asyncio.sleep(0.05)
        stored = Counter(await self._stored())
        async with self.database.engine.connect() as connection:
            rejected = await connection.scalar(
                text("SELECT count(*) FROM rejected_messages")
            )
        assert rejected == 0
        assert set(stored) == self.stations.published
        assert set(stored.values()) == {1}
        sessions = await self.sessions()
        assert sorted(each.station_id for each in sessions) == sorted(
            self.stations.names
        )
        expected = self.stations.seq - 1 if energy_wh is None else energy_wh
        for session in sessions:
            assert session.frames == self.stations.seq
            assert session.solar_wh == session.energy_wh == expected
            async with self.database.read() as uow:
                periods = await uow.sessions.periods(session.id)
            if session.frames and session.ended_at:
                assert _sum(each.energy_wh for each in periods) == expected
        return sessions

    async def sessions(self) -> list[Session]:
        """Return all sessions."""
        async with self.database.read() as uow:
            return [*(await uow.sessions.page(SessionQuery(), _ADMIN)).items]

    async def _metered(self) -> bool:
        with suppress(StoreUnavailable):
            async with self.database.read() as uow:
                return not await uow.marks.waiting()
        return False


def _sum(values: Iterable[Decimal]) -> Decimal:
    return sum(values, Decimal(0))


async def kill(program: Program) -> None:
    """Kill it as a power cut would."""
    process = program._process
    assert process is not None
    process.send_signal(signal.SIGKILL)
    await process.wait()


@contextmanager
def frozen(*programs: Program) -> Iterator[None]:
    """Stop programs for the block as a machine does that has too much to do."""
    pids = [program.pid for program in programs if program.pid is not None]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def open_site(
    folder: Path, *names: str, kind: str = "timescaledb", url: str | None = None
) -> AsyncIterator[Site]:
    """Yield a site with a broker and an empty database of a kind, or the one that is named."""
    async with mosquitto(folder) as broker:
        if url is not None:
            async with _site(folder, broker, url, names) as site:
                yield site
            return
        async with (
            database_url(kind, folder) as made,
            _site(folder, broker, made, names) as site,
        ):
            yield site


@asynccontextmanager
async def _site(
    folder: Path, broker: Broker, url: str, names: Sequence[str]
) -> AsyncIterator[Site]:
    database = Database(url, utc_now)
    try:
        yield Site(folder, broker, url, database, Stations(broker, names))
    finally:
        await database.dispose()
