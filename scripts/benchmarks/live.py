"""From a station's publish to 200 WebSockets, and the service's memory under a steady load."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt
import httpx
from websockets.asyncio.client import connect

from scripts.benchmarks.frames import telemetry
from scripts.benchmarks.report import Report
from scripts.benchmarks.rig import Rig, open_rig
from scripts.rig.ports import free_port
from scripts.rig.process import Program

LISTENERS = 200
_STATION = "bench0"
_PASSWORD = "correct horse battery"  # noqa: S105 - of a rig that is gone in a minute
_BROKER = "publish to another MQTT client"
_WITHIN_S = 60


async def measure(kind: str, frames: int = 60, listeners: int = LISTENERS) -> Report:
    """Publish a frame, wait until everybody has it, publish the next."""
    report = Report(
        "live",
        f"Milliseconds from the publish of a frame to its arrival at {listeners} WebSockets, with "
        "the session's energy and cost so far, four frames a second; each run is a share of all "
        f"arrivals. Ingest, API and metering in one process, on {kind}; the listeners share the "
        "machine. The limit: the same message at another MQTT client.",
    )
    async with open_rig(kind) as rig, _serving(rig) as (_, port, token):
        delays, bare = await _listen(rig, port, token, frames, listeners)
    report.add(f"{_BROKER}, p99", _share(bare, 0.99), unit="ms")
    for name, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99)):
        report.add(
            f"WebSocket, {name}",
            _share(delays, share),
            unit="ms",
            limit=f"{_BROKER}, p99",
            aim="< 100 ms" if share == 0.99 else "",
        )
    return report


async def measure_memory(kind: str, minutes: float, per_second: int = 500) -> Report:
    """Keep a steady load up and look at the resident memory now and then."""
    report = Report(
        "memory",
        f"Resident memory of `solarrally serve` on {kind} over {minutes:g} minutes at {per_second} "
        "frames a second from ten stations, a third of the time after another.",
    )
    async with open_rig(kind) as rig, _serving(rig) as (program, _, _token):
        start, seq = datetime.now(UTC) - timedelta(hours=6), 0
        samples: list[float] = []
        async with _client(rig, "station") as station:
            until = time.monotonic() + minutes * 60
            while (now := time.monotonic()) < until:
                await asyncio.gather(
                    *(
                        station.publish(
                            f"ev/bench{number % 10}/telemetry",
                            telemetry(
                                f"bench{number % 10}",
                                1,
                                seq + number // 10,
                                start + timedelta(seconds=(seq + number // 10) / 5),
                            ),
                            qos=1,
                        )
                        for number in range(per_second)
                    )
                )
                seq += per_second // 10
                samples.append(_resident_mb(program))
                await asyncio.sleep(max(0.0, 1 - (time.monotonic() - now)))
    third = max(1, len(samples) // 3)
    names = ("first third", "second third", "last third")
    for number, name in enumerate(names):
        part = samples[number * third : (number + 1) * third]
        report.add(
            name,
            *part,
            unit="MB",
            limit=names[0] if number else None,
            aim="flat" if number else "",
        )
    return report


def _resident_mb(program: Program) -> float:
    status = Path(f"/proc/{program.pid}/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@asynccontextmanager
async def _serving(rig: Rig) -> AsyncIterator[tuple[Program, int, str]]:
    """Run the service; yield it with its port and an admin's token."""
    port = free_port()
    program = rig.program("serve", "serve", port=port)
    await program.start()
    try:
        await program.until_listening(port, _WITHIN_S)
        adding = rig.program(
            "add", "user", "add", "root", "--role", "admin", "--password-stdin"
        )
        process = await asyncio.create_subprocess_exec(
            *adding._argv,
            env=adding.env,
            cwd=rig.folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await process.communicate(f"{_PASSWORD}\n".encode())
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                f"http://127.0.0.1:{port}/auth/token",
                data={"username": "root", "password": _PASSWORD},
            )
            yield program, port, answer.raise_for_status().json()["access_token"]
    finally:
        await program.stop()


def _client(rig: Rig, name: str) -> aiomqtt.Client:
    login = rig.broker.logins[name]
    return aiomqtt.Client(
        "127.0.0.1",
        rig.broker.port,
        username=login.username,
        password=login.password,
        protocol=aiomqtt.ProtocolVersion.V5,
    )


async def _listen(
    rig: Rig, port: int, token: str, frames: int, listeners: int
) -> tuple[list[float], list[float]]:
    headers = {"Authorization": f"Bearer {token}"}
    base = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    sent: dict[str, float] = {}
    delays: list[float] = []
    bare: list[float] = []
    ready = asyncio.Semaphore(0)

    async def watch(session_id: str) -> None:
        url = f"ws://127.0.0.1:{port}/live/{session_id}"
        async with connect(url, additional_headers=headers, proxy=None) as socket:
            await socket.recv()
            ready.release()
            seen = 0
            while seen < frames:
                message = await socket.recv()
                now = time.perf_counter()
                frame = json.loads(message)["frame"]
                if frame is not None and (at := sent.get(_second(frame["at"]))):
                    delays.append((now - at) * 1000)
                    seen += 1

    async def beside() -> None:
        async with _client(rig, "recorder") as other:
            await other.subscribe(f"ev/{_STATION}/telemetry", qos=1)
            ready.release()
            async for message in other.messages:
                now = time.perf_counter()
                at = sent.get(_second(json.loads(message.payload)["timestamp"]))
                if at is not None:
                    bare.append((now - at) * 1000)

    async with _client(rig, "station") as station:
        topic = f"ev/{_STATION}/telemetry"
        await station.publish(topic, telemetry(_STATION, 1, 0, base), qos=1)
        session_id = await _session(port, headers)
        other = asyncio.create_task(beside())
        watching = [asyncio.create_task(watch(session_id)) for _ in range(listeners)]
        for _ in range(listeners + 1):
            await ready.acquire()
        for seq in range(1, frames + 1):
            at = base + timedelta(seconds=seq)
            payload = telemetry(_STATION, 1, seq, at)
            sent[_second(at.isoformat())] = time.perf_counter()
            await station.publish(topic, payload, qos=1)
            await asyncio.sleep(0.25)
        async with asyncio.timeout(_WITHIN_S):
            await asyncio.gather(*watching)
        other.cancel()
    return delays, bare


def _second(text: str) -> str:
    return text[:19]


async def _session(port: int, headers: dict[str, str]) -> str:
    async with (
        asyncio.timeout(_WITHIN_S),
        httpx.AsyncClient(trust_env=False, headers=headers) as client,
    ):
        while True:
            answer = await client.get(f"http://127.0.0.1:{port}/sessions/")
            if items := answer.json()["items"]:
                session_id: str = items[0]["id"]
                return session_id
            await asyncio.sleep(0.05)


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
