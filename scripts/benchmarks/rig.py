"""What the benchmarks run against: a real broker, a real database, real processes."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from scripts.rig.broker import Broker, find
from scripts.rig.ports import free_port
from scripts.rig.postgres import Cluster, postgres_bin
from scripts.rig.process import Program, RigError

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Rig:
    """A folder, a broker, and where the database is."""

    folder: Path
    broker: Broker
    url: str

    def program(self, name: str, *arguments: str, **settings: Any) -> Program:
        """Return one of the service's processes, not started yet."""
        login = self.broker.logins["billing"]
        env = {
            "data_dir": self.folder,
            "database_url": self.url,
            "mqtt_port": self.broker.port,
            "mqtt_username": login.username,
            "mqtt_password": login.password,
            "accept_stations": "all",
            "log_level": "info",
            **settings,
        }
        return Program(
            name,
            [sys.executable, "-m", "billing_service", *arguments],
            log=self.folder / f"{name}.log",
            cwd=self.folder,
            env={"PYTHONPATH": str(REPOSITORY)}
            | {f"SOLARRALLY_{key.upper()}": str(value) for key, value in env.items()},
        )

    def mosquitto_sub(self, *arguments: str) -> list[str] | None:
        """Return a command line of Mosquitto's own client, None when it is not installed."""
        try:
            program = find("mosquitto_sub")
        except RigError:
            return None
        login = self.broker.logins["billing"]
        return [
            program, "-p", str(self.broker.port), "-u", login.username,
            "-P", login.password, "-V", "mqttv5", *arguments,
        ]  # fmt: skip

    async def publish(self, lines: bytes) -> None:
        """Publish a message a line with QoS 1, and return when the broker has them all."""
        login = self.broker.logins["station"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "scripts.benchmarks.publisher", str(self.broker.port),
            login.username, login.password, f"{self.broker.prefix}/telemetry",
            stdin=asyncio.subprocess.PIPE, cwd=REPOSITORY,
        )  # fmt: skip
        await process.communicate(lines)
        if process.returncode != 0:
            raise RigError("publishing failed")


@asynccontextmanager
async def open_rig(kind: str) -> AsyncIterator[Rig]:
    """Yield a rig with an empty database: SQLite, or TimescaleDB that syncs to disk as it should."""
    with tempfile.TemporaryDirectory(prefix="solarrally-bench-") as name:
        folder = Path(name)
        broker = Broker(folder / "broker", folder / "broker.log", free_port(), "ev")
        await broker.start()
        server = None
        try:
            if kind == "sqlite":
                url = f"sqlite:///{folder / 'bench.db'}"
            else:
                server = await asyncio.to_thread(_server)
                url = server.url("bench")
            yield Rig(folder, broker, url)
        finally:
            await broker.stop()
            if server is not None:
                await asyncio.to_thread(server.remove)


def _server() -> Cluster:
    bin_dir = postgres_bin()
    if bin_dir is None:
        raise RigError("PostgreSQL with TimescaleDB is not installed")
    server = Cluster(bin_dir, fsync=True)
    try:
        server.start()
        server.create("bench")
    except RigError, psycopg.Error:
        server.remove()
        raise
    return server
