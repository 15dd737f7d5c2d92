"""Uploading a station's SD card over the API."""

import asyncio
import gzip
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from billing_service.services.uploads import BATCH_LINES
from tests.api.harness import Api, code, listening, open_api, problem
from tests.log_files import log_line

PATH = "/stations/garage/logs"


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]


async def test_a_card_s_frames_become_a_session(api: Api) -> None:
    """Every line is accounted for by number, and what is sound is metered."""
    content = log_line(0) + b"garbage\n" + log_line(1, station="barn") + log_line(2)
    content += log_line(3, P="much") + log_line(4)[:-5]
    answer = await api.request("admin", "POST", PATH, content=gzip.compress(content))
    assert answer.status_code == 200
    report = answer.json()
    assert {
        name: report[name]["ranges"]
        for name in ("accepted", "duplicate", "corrupt", "foreign", "rejected")
    } == {
        "accepted": [{"first": 1, "last": 1}, {"first": 4, "last": 4}],
        "duplicate": [],
        "corrupt": [{"first": 2, "last": 2}],
        "foreign": [{"first": 3, "last": 3}],
        "rejected": [{"first": 5, "last": 5}],
    }
    assert (report["torn"], report["error"]) == (True, None)
    assert report["rejected"]["example"].startswith("wrong_type")
    await api.site.metering.run_once()
    assert (await api.site.session()).frames == 2
    again = (await api.request("admin", "POST", PATH, content=content)).json()
    assert (again["accepted"]["count"], again["duplicate"]["count"]) == (0, 2)


async def test_an_upload_is_no_sign_of_life(api: Api) -> None:
    """A card that was carried here says nothing about its station now."""
    await api.request("admin", "POST", PATH, content=log_line(0))
    station = (await api.request("admin", "GET", "/stations/garage")).json()
    assert station["last_seen_at"] is None


async def test_who_uploaded_what_is_kept(api: Api) -> None:
    """Frames are evidence: the log names the admin, the file's digest and the counts."""
    content = log_line(0)
    answer = await api.request("admin", "POST", PATH, content=content)
    digest = hashlib.sha256(content).hexdigest()
    assert (answer.json()["sha256"], answer.json()["bytes"]) == (digest, len(content))
    assert ("user:admin (admin)", "station.upload", "station:garage") in (
        await api.audited()
    )


async def test_a_driver_cannot_write_the_evidence(api: Api) -> None:
    """Not even for a station that is the driver's alone: a CRC proves nothing about truth."""
    await api.station(user_id="driver")
    refused = await api.request("driver", "POST", PATH, content=log_line(0))
    assert code(refused) == (403, "not_allowed")
    assert await api.site.sessions() == []


async def test_a_station_nobody_knows(api: Api) -> None:
    """A typing mistake does not make a station."""
    answer = await api.request(
        "admin", "POST", "/stations/nowhere/logs", content=log_line(0)
    )
    assert code(answer) == (404, "not_found")


async def test_a_broken_gzip_keeps_what_came_before(api: Api) -> None:
    """422 with the report of what was stored; the whole file may be sent again."""
    packed = gzip.compress(b"".join(log_line(seq) for seq in range(50)))
    cut = await api.request("admin", "POST", PATH, content=packed[:-20])
    assert code(cut) == (422, "upload_refused")
    stored = problem(cut)["report"]["accepted"]["count"]
    assert problem(cut)["report"]["error"] == "the gzip ends early"
    whole = (await api.request("admin", "POST", PATH, content=packed)).json()
    assert whole["duplicate"]["count"] == stored
    assert whole["accepted"]["count"] == 50 - stored


async def test_what_is_too_large_is_stopped_on_its_way(tmp_path: Path) -> None:
    """A bomb and a huge file alike: 413, and the lines before the limit stand."""
    async with open_api(tmp_path, upload_max_mb=1) as api:
        content = log_line(0) + b"\0" * 20_000_000
        for file in (content, gzip.compress(content)):
            answer = await api.request("admin", "POST", PATH, content=_pieces(file))
            assert code(answer) == (413, "too_large")
            report = problem(answer)["report"]
            assert report["accepted"]["count"] + report["duplicate"]["count"] == 1


async def _stored(api: Api) -> int:
    async with api.site.database.read() as read:
        return len([frame async for frame in read.frames.of_session("garage", "1-1")])


async def test_a_client_that_goes_away_half_way(api: Api) -> None:
    """What arrived is stored, and the broken upload is in the log."""
    lines = b"".join(log_line(seq) for seq in range(BATCH_LINES))
    headers = await api.headers("admin")
    async with listening(api.app) as host:
        name, port = host.split(":")
        _, writer = await asyncio.open_connection(name, int(port))
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
            f"Authorization: {headers['Authorization']}\r\n\r\n".encode()
        )
        writer.write(lines)
        await writer.drain()
        async with asyncio.timeout(20):
            while not await _stored(api):
                await asyncio.sleep(0.01)
            writer.close()
            await writer.wait_closed()
            while not await api.audited():
                await asyncio.sleep(0.01)
    assert await _stored(api) == BATCH_LINES
    assert [action for _, action, _ in await api.audited()] == ["station.upload"]


async def test_the_file_is_never_in_memory(api: Api) -> None:
    """64 MB go through a real server; a few MB are all that is ever held."""
    size, padding = 64_000_000, "x" * 3500
    count = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal count
        sent = 0
        while sent < size:
            line = log_line(count, note=padding)
            sent, count = sent + len(line), count + 1
            yield line

    headers = await api.headers("admin")
    async with (
        listening(api.app) as host,
        httpx.AsyncClient(base_url=f"http://{host}", timeout=120) as client,
    ):
        # The first one loads what is loaded once.
        await client.post(PATH, headers=headers, content=log_line(0))
        tracemalloc.start()
        try:
            answer = await client.post(PATH, headers=headers, content=body())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    report = answer.json()
    assert report["bytes"] >= size
    assert (report["accepted"]["count"], report["duplicate"]["count"]) == (count - 1, 1)
    assert peak < 8_000_000
