"""Frames a second from Mosquitto (QoS 1) to committed rows, beside what nothing can exceed.

The limits' receivers first make their persistent session and go; then the broker is filled, and
they are started again. The service has more to start, and would still be at it when the first
rows are there: it runs, is held (SIGSTOP) while the broker is filled, and goes on. Each rate is
taken from the first to the last message or row, so that neither publishing nor starting counts.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from billing_service.adapters.db import Database
from billing_service.adapters.db.database import WRITES
from billing_service.adapters.db.repositories.frame_rows import COLUMNS
from billing_service.app import utc_now
from scripts.benchmarks.frames import messages
from scripts.benchmarks.report import Report
from scripts.benchmarks.rig import REPOSITORY, Rig, open_rig
from scripts.rig.ports import free_port
from scripts.rig.process import Program, RigError

FRAMES = 20_000
WITHIN_S = 120
AIOMQTT = "bare aiomqtt receive"
_boots = count(1)


async def measure(runs: int, frames: int = FRAMES) -> Report:
    """Measure all of it, the receivers in turn, so that each run sees the machine alike."""
    report = Report(
        "ingest",
        f"{frames:,} full frames of ten stations from Mosquitto with QoS 1, acknowledged after the "
        "commit, metered at once (everything that `solarrally serve` does), in frames a second. "
        "The limits: aiomqtt that only receives and acknowledges, `mosquitto_sub` (where it is installed), and COPY of the "
        "same rows into an empty table.",
    )
    rates: dict[str, list[float]] = {}

    def note(name: str, rate: float) -> None:
        rates.setdefault(name, []).append(rate)

    for _ in range(runs):
        async with open_rig("sqlite") as rig:
            note(AIOMQTT, await _bare(rig, frames))
            if (rate := await _mosquitto_sub(rig, frames)) is not None:
                note("mosquitto_sub", rate)
            note("SQLite", await _service(rig, frames, [("serve",)]))
        async with open_rig("timescaledb") as rig:
            worker = ("ingest", "--name")
            note(
                "TimescaleDB, one worker", await _service(rig, frames, [(*worker, "a")])
            )
            note("COPY", await _copy(rig))
        async with open_rig("timescaledb") as rig:
            both = [(*worker, "a"), (*worker, "b")]
            note("TimescaleDB, two workers", await _service(rig, frames, both))
    for name in (AIOMQTT, "mosquitto_sub", "COPY"):
        if name in rates:
            report.add(name, *rates.pop(name), unit="/s")
    for name, values in rates.items():
        aim = "60 %" if "two" not in name else ""
        report.add(name, *values, unit="/s", limit=AIOMQTT, aim=aim)
    return report


async def _fill(rig: Rig, frames: int) -> None:
    await rig.publish(b"\n".join(messages(frames, boot=next(_boots))) + b"\n")


async def _service(rig: Rig, frames: int, commands: Sequence[tuple[str, ...]]) -> float:
    """Measure processes of the service that share the load."""
    database = Database(rig.url, utc_now)
    try:
        async with _running(rig, commands) as programs:
            # Everything stands before anything is measured: tables, stations, the statements.
            await rig.publish(b"\n".join(messages(10, boot=next(_boots))) + b"\n")
            await _until(database, 10)
            with _held(programs):
                await _fill(rig, frames)
            began, first = await _until(database, 11)
            ended, last = await _until(database, frames + 10)
        return (last - first) / (ended - began)
    finally:
        await database.dispose()


@asynccontextmanager
async def _running(
    rig: Rig, commands: Sequence[tuple[str, ...]]
) -> AsyncIterator[list[Program]]:
    programs: list[Program] = []
    try:
        for command in commands:
            name = "-".join(command).replace("--", "")
            program = rig.program(name, *command, port=free_port())
            programs.append(program)
            await program.start()
            await _has_said(program, "broker_connected")
        if commands[0][0] == "ingest":
            # The first of the workers also reads the spare sessions when it starts.
            await _has_said(programs[0], "keeping_what_comes")
        yield programs
    finally:
        for program in programs:
            await program.stop()


async def _has_said(program: Program, event: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        while event not in program.log.read_text():
            if not program.running:
                raise program.ended()
            await asyncio.sleep(0.05)


@contextmanager
def _held(programs: Sequence[Program]) -> Iterator[None]:
    """Have the programs stand still meanwhile."""
    pids = [program.pid for program in programs if program.pid is not None]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def _until(database: Database, frames: int) -> tuple[float, int]:
    """Wait until so many rows are committed; return when, and how many."""
    loop = asyncio.get_running_loop()
    # One that writes would wait for the service, and the service for it.
    reading = database.engine.execution_options(**{WRITES: False})
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                async with reading.connect() as connection:
                    rows = int(
                        await connection.scalar(text("SELECT count(*) FROM frames"))
                    )
            except SQLAlchemyError:
                rows = 0  # not migrated yet
            if rows >= frames:
                return loop.time(), rows
            await asyncio.sleep(0.05)


async def _bare(rig: Rig, frames: int) -> float:
    """Measure aiomqtt that does nothing but receive and acknowledge."""
    login = rig.broker.logins["billing"]
    command = [
        sys.executable, "-m", "scripts.benchmarks.receiver",
        str(rig.broker.port), login.username, login.password,
    ]  # fmt: skip
    await _output([*command, "0"])
    await _fill(rig, frames)
    return float(await _output([*command, str(frames)]))


async def _mosquitto_sub(rig: Rig, frames: int) -> float | None:
    command = rig.mosquitto_sub(
        "-t",
        "ev/telemetry",
        "-q",
        "1",
        "-i",
        "sub",
        "-c",
        "-x",
        "3600",
    )
    if command is None:
        return None
    await _output([*command, "-E"])
    await _fill(rig, frames)
    process = await asyncio.create_subprocess_exec(
        *command, "-C", str(frames), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    loop = asyncio.get_running_loop()
    received = 0
    began = 0.0
    async with asyncio.timeout(WITHIN_S):
        while part := await process.stdout.read(1 << 20):
            began = began or loop.time()
            received += part.count(b"\n")
        await process.wait()
    if received != frames:
        raise RigError(f"mosquitto_sub received {received} of {frames}")
    return frames / (loop.time() - began)


async def _copy(rig: Rig) -> float:
    """Measure COPY of the rows that are stored, into an empty table of the same form."""
    dsn = (
        rig.url.replace("postgresql://postgres@/", "postgresql:///") + "&user=postgres"
    )
    loop = asyncio.get_running_loop()
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = connection.cursor(binary=True)
        query = f"SELECT {COLUMNS}, received_at FROM frames"  # noqa: S608 - our own
        await cursor.execute(query.encode())
        rows = await cursor.fetchall()
        await connection.execute("CREATE TABLE copied (LIKE frames INCLUDING ALL)")
        await connection.commit()
        began = loop.time()
        types = [column.type_code for column in cursor.description or ()]
        async with connection.cursor().copy(
            "COPY copied FROM STDIN (FORMAT BINARY)"
        ) as copy:
            copy.set_types(types)
            for row in rows:
                await copy.write_row(row)
        await connection.commit()
        return len(rows) / (loop.time() - began)


async def _output(command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY
    )
    async with asyncio.timeout(WITHIN_S):
        out, _ = await process.communicate()
    if process.returncode != 0:
        raise RigError(f"{command[0]} ended with {process.returncode}")
    return out.decode()
