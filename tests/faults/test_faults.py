"""What breaks in the field, with real processes: every frame stored once, and the sums agree."""

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from websockets.asyncio.client import connect

from billing_service.adapters.db.migrate import migrate
from billing_service.services.auth import ATTEMPTS_PER_ACCOUNT
from scripts.rig.ports import free_port
from scripts.rig.postgres import Cluster, postgres_bin
from scripts.rig.process import Program
from tests.adapters.mosquitto import station_at
from tests.databases import NO_SERVER
from tests.faults.site import WITHIN_S, Site, frozen, kill, open_site

OUTAGE_S = 60
PASSWORD = "correct horse battery"


async def test_killed_in_mid_burst_again_and_again(tmp_path: Path) -> None:
    """`kill -9` of the only worker, three times, each time while frames come in."""
    async with open_site(tmp_path, "garage", "carport") as site:
        # Its session at the broker, made once, keeps what comes while it is dead.
        worker = await _started(site)
        for _ in range(3):
            burst = asyncio.create_task(site.stations.publish(400))
            await site.until_stored(await site.stored() + 50)
            await kill(worker)
            await burst
            assert await site.stored() < len(site.stations.published)
            worker = site.program("ingest", "--name", "one")
            await worker.start()
        await site.check()
        await worker.stop()
        assert "Traceback" not in worker.log.read_text()


async def test_two_workers_share_the_load_whatever_happens_to_them(
    tmp_path: Path,
) -> None:
    """The broker restarts, one worker is killed and comes again, one retires: nothing is lost."""
    async with open_site(tmp_path, "a", "b", "c") as site:
        async with site.workers("one", "two") as (one, two):
            await _until_connected(one, two)
            await _until_said("keeping_what_comes", 1, one, two)
            await site.stations.publish(300)
            burst = asyncio.create_task(site.stations.publish(600))
            await site.until_stored(1000)
            await site.broker.stop()
            await site.broker.start()
            await burst
            burst = asyncio.create_task(site.stations.publish(300))
            await kill(one)
            await burst
            again = site.program("ingest", "--name", "one")
            await again.start()
            try:
                await _until_connected(again)
                await site.check()
            finally:
                await again.stop()
        # Each did a share of it; what the first had when it was killed, nobody counts.
        assert _share(two) > 100
        assert _share(again) + _share(two) <= len(site.stations.published)
        retired = site.program("ingest", "--name", "two", "--retire")
        await retired.start()
        assert await retired.wait() == 0, retired.log.read_text()
        async with site.workers("one") as (one,):
            await _until_connected(one)
            await site.stations.publish(50)
            await site.check()
        for program in (one, two, again):
            assert "Traceback" not in program.log.read_text()


async def test_what_comes_before_the_workers_are_back(tmp_path: Path) -> None:
    """A restarted broker has forgotten the shared subscription, and still nothing is lost."""
    async with (
        open_site(tmp_path, "garage", "carport") as site,
        site.workers("one", "two") as workers,
    ):
        await _until_connected(*workers)
        await _until_said("keeping_what_comes", 1, *workers)
        for restarts in (1, 2):
            await site.stations.publish(100)
            with frozen(*workers):
                await site.broker.stop()
                await site.broker.start()
                await site.stations.publish(200)
            await site.check()
            await _until_said("keeping_what_comes", 1 + restarts, *workers)
        for program in workers:
            assert "Traceback" not in program.log.read_text()


async def test_a_minute_without_database(tmp_path: Path) -> None:
    """It crashes and comes back at once, then stays away for a minute; /readyz tells all of it."""
    bin_dir = postgres_bin()
    if bin_dir is None:
        pytest.fail(NO_SERVER)
    server = await asyncio.to_thread(Cluster, bin_dir, fsync=True)
    try:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.create, "site")
        async with open_site(tmp_path, "garage", url=server.url("site")) as site:
            await migrate(site.database.engine)
            port = free_port()
            serve = site.program("serve", port=port)
            await serve.start()
            try:
                await serve.until_listening(port, WITHIN_S)
                async with httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}", trust_env=False
                ) as client:
                    await _without_database(site, server, client)
                    await site.check()
                    await _until_ready(client, database="ok", broker="ok")
                    await site.broker.stop()
                    await _until_ready(client, database="ok", broker="not connected")
                    await site.broker.start()
                    await _until_ready(client, database="ok", broker="ok")
            finally:
                await serve.stop()
            assert "Traceback" not in serve.log.read_text()
    finally:
        await asyncio.to_thread(server.remove)


async def _without_database(
    site: Site, server: Cluster, client: httpx.AsyncClient
) -> None:
    await _until_ready(client, database="ok", broker="ok")
    burst = asyncio.create_task(site.stations.publish(1500))
    await site.until_stored(100)
    await asyncio.to_thread(server.stop, signal.SIGQUIT)
    await asyncio.to_thread(server.start)
    await burst
    await site.check()
    await asyncio.to_thread(server.stop)
    gone = asyncio.get_running_loop().time()
    await site.stations.publish(1500)
    await _until_ready(client, database="cannot be reached", broker="ok")
    # Only this test has to wait: a minute is what is promised.
    await asyncio.sleep(OUTAGE_S - (asyncio.get_running_loop().time() - gone))
    await asyncio.to_thread(server.start)


async def test_clocks_jump(tmp_path: Path) -> None:
    """A station's clock goes back an hour, stands, jumps ahead: the counters say what is what."""
    async with open_site(tmp_path, "garage", "carport", kind="sqlite") as site:
        port = free_port()
        serve = site.program("serve", port=port)
        await serve.start()
        try:
            await serve.until_listening(port, WITHIN_S)
            await site.stations.publish(100)
            await site.stations.publish(300, jumps=[0, -3600, -3600, 0, 30, -1, 7200])
            await site.stations.publish(100)
            sessions = await site.check()
            assert all("clock_estimated" in session.flags for session in sessions)
            # Once more, the times put right: known, and changing nothing.
            site.stations.seq = 0
            await site.stations.publish(500)
            await site.stations.publish(1)
            await site.check()
        finally:
            await serve.stop()
        assert "Traceback" not in serve.log.read_text()


async def test_a_home_s_service_killed_again_and_again(tmp_path: Path) -> None:
    """`kill -9` of `serve` on SQLite, three times in mid-burst: nothing is lost, the file is whole."""
    async with open_site(tmp_path, "garage", "carport", kind="sqlite") as site:
        serve = await _serving(site)
        for _ in range(3):
            burst = asyncio.create_task(site.stations.publish(400))
            await site.until_stored(await site.stored() + 50)
            await kill(serve)
            await burst
            assert await site.stored() < len(site.stations.published)
            serve = await _serving(site)
        await site.check()
        await serve.stop()
        assert "Traceback" not in serve.log.read_text()
        async with site.database.engine.connect() as connection:
            assert await connection.scalar(text("PRAGMA integrity_check")) == "ok"


async def test_a_guesser_is_throttled_by_all_processes_together(
    tmp_path: Path,
) -> None:
    """Two API processes let through as many wrong passwords as one would, all tried at once."""
    async with open_site(tmp_path, kind="postgresql") as site:
        ports = [free_port(), free_port()]
        apis = [site.program("serve", port=port, ingest="false") for port in ports]
        try:
            for api in apis:
                await api.start()
            for api, port in zip(apis, ports, strict=True):
                await api.until_listening(port, WITHIN_S)
            await _add_admin(site)
            async with httpx.AsyncClient(trust_env=False, timeout=WITHIN_S) as client:
                tried = await asyncio.gather(
                    *(
                        _sign_in(client, port, "wrong")
                        for _ in range(ATTEMPTS_PER_ACCOUNT)
                        for port in ports
                    )
                )
                assert tried.count(401) == tried.count(429) == ATTEMPTS_PER_ACCOUNT
                # The right one comes too late, whichever of them is asked.
                for port in ports:
                    assert await _sign_in(client, port, PASSWORD) == 429
        finally:
            for api in apis:
                await api.stop()
        for api in apis:
            assert "Traceback" not in api.log.read_text()


async def test_live_from_any_process(tmp_path: Path) -> None:
    """Two API processes without ingest show what a worker meters, frame by frame, to the end."""
    async with open_site(tmp_path, "garage") as site:
        ports = [free_port(), free_port()]
        apis = [site.program("serve", port=port, ingest="false") for port in ports]
        async with site.workers("one") as (worker,):
            try:
                for api in apis:
                    await api.start()
                for api, port in zip(apis, ports, strict=True):
                    await api.until_listening(port, WITHIN_S)
                await _until_connected(worker)
                await site.stations.publish(5)
                (session,) = await site.check()
                headers = await _signed_in(site, ports[0])
                ready = asyncio.Barrier(len(ports) + 1)
                heard = [
                    asyncio.create_task(_watch(port, session.id, headers, ready))
                    for port in ports
                ]
                await _charge_on(site, ready)
                seen = [await each for each in heard]
            finally:
                for api in apis:
                    await api.stop()
        for times in seen:
            assert times == sorted(set(times))
            assert len(times) >= 3
        for program in (*apis, worker):
            assert "Traceback" not in program.log.read_text()


async def _watch(
    port: int, session_id: str, headers: dict[str, str], ready: asyncio.Barrier
) -> list[str]:
    """Watch a session until it ends; return the times of the frames seen."""
    seen: list[str] = []
    async with (
        asyncio.timeout(WITHIN_S),
        connect(
            f"ws://127.0.0.1:{port}/live/{session_id}",
            additional_headers=headers,
            proxy=None,
        ) as socket,
    ):
        assert json.loads(await socket.recv())["session"]["status"] == "ACTIVE"
        await ready.wait()
        async for message in socket:
            said: dict[str, Any] = json.loads(message)
            if said["frame"] is not None:
                seen.append(said["frame"]["at"])
        assert socket.close_code == 1000
    return seen


async def _charge_on(site: Site, ready: asyncio.Barrier) -> None:
    """Publish a few frames, one after the other, then unplug."""
    await ready.wait()
    for _ in range(8):
        await site.stations.publish(1)
        await asyncio.sleep(0.1)
    at = site.stations.start.isoformat(timespec="milliseconds")
    async with station_at(site.broker) as station:
        ended = {
            "type": "session_ended",
            "timestamp": at,
            "started_at": at,
            "session": "garage-1",
            "reason": "unplugged",
        }
        await station.publish("ev/garage/event", json.dumps(ended), qos=1)


async def _serving(site: Site) -> Program:
    """Return the whole service, started and known to the broker."""
    port = free_port()
    serve = site.program("serve", port=port)
    await serve.start()
    await serve.until_listening(port, WITHIN_S)
    await _until_connected(serve)
    return serve


async def _sign_in(client: httpx.AsyncClient, port: int, password: str) -> int:
    answer = await client.post(
        f"http://127.0.0.1:{port}/auth/token",
        data={"username": "root", "password": password},
    )
    return answer.status_code


async def _add_admin(site: Site) -> None:
    adding = site.program("user", "add", "root", "--role", "admin", "--password-stdin")
    process = await asyncio.create_subprocess_exec(
        *adding._argv,
        cwd=site.folder,
        env=adding.env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    await process.communicate(f"{PASSWORD}\n".encode())
    assert process.returncode == 0


async def _signed_in(site: Site, port: int) -> dict[str, str]:
    await _add_admin(site)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"http://127.0.0.1:{port}/auth/token",
            data={"username": "root", "password": PASSWORD},
        )
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def _started(site: Site) -> Program:
    worker = site.program("ingest", "--name", "one")
    await worker.start()
    await _until_connected(worker)
    return worker


async def _until_connected(*workers: Program) -> None:
    """Wait until the broker knows them: from then on it keeps what they cannot take."""
    async with asyncio.timeout(WITHIN_S):
        for worker in workers:
            while "broker_connected" not in worker.log.read_text():
                assert worker.running, worker.log.read_text()
                await asyncio.sleep(0.05)


async def _until_said(event: str, times: int, *workers: Program) -> None:
    """Wait until the workers together have logged an event so often."""
    async with asyncio.timeout(WITHIN_S):
        while sum(each.log.read_text().count(event) for each in workers) < times:
            await asyncio.sleep(0.05)


async def _until_ready(client: httpx.AsyncClient, **expected: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            answer = await client.get("/readyz", timeout=WITHIN_S)
            said = answer.json()["checks"]
            if all(said[name] == value for name, value in expected.items()):
                assert (answer.status_code == 200) == all(
                    value == "ok" for value in said.values()
                )
                return
            await asyncio.sleep(0.1)


def _share(worker: Program) -> int:
    """Return how many frames a worker that has ended well says it stored."""
    found = re.findall(r"ingest_ended\W.*?frames=(\d+)", worker.log.read_text())
    return int(found[-1])
