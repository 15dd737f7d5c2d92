"""Log files of stations that were offline, streamed in."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from billing_service.adapters.offline_log import MAX_LINE_BYTES, LogLimits, read_log
from billing_service.domain.frame import to_ms
from billing_service.services.audit import Console
from billing_service.services.ports import Station
from billing_service.services.uploads import LogReport, LogUploads
from tests.log_files import log_line as line
from tests.services.site import STATION, T0, Site, open_site

pytestmark = pytest.mark.asyncio

NOW_MS = to_ms(T0) + 3_600_000


async def chunks(content: bytes, size: int) -> AsyncIterator[bytes]:
    """Send a file in chunks."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def upload(
    site: Site, content: bytes, *, size: int = 1000, limits: LogLimits | None = None
) -> LogReport:
    """Store a file as the service does."""
    uploads = LogUploads(
        site.database.write,
        site.database.read,
        site.clock,
        site.ingest,
        lambda pieces, station, now_ms: read_log(
            pieces, station, limits or LogLimits(), now_ms
        ),
    )
    async with site.database.write() as uow:
        await uow.stations.save(
            Station(
                id=STATION,
                name=STATION,
                time_zone="UTC",
                max_power_w=11_000,
                first_seen_at=T0,
            )
        )
        await uow.commit()
    return await uploads.store(Console(), STATION, chunks(content, size))


async def seqs(site: Site) -> list[int]:
    """Return what is stored."""
    async with site.database.read() as uow:
        return [frame.seq async for frame in uow.frames.of_session(STATION, "1-1")]


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_a_sound_file_is_stored(
    tmp_path: Path, size: int, pack: type[bytes]
) -> None:
    """Plain or gzip, in chunks of any size: every line is accepted."""
    content = pack(b"".join(line(seq) for seq in range(30)))
    async with open_site(tmp_path) as site:
        report = await upload(site, content, size=size)
        assert (report.accepted.count, report.accepted.ranges) == (30, [(1, 30)])
        assert await seqs(site) == list(range(30))


async def test_the_same_file_again_is_only_counted(tmp_path: Path) -> None:
    """Idempotent: the second time every line is a duplicate; a longer file goes on."""
    content = b"".join(line(seq) for seq in range(10))
    async with open_site(tmp_path) as site:
        await upload(site, content)
        again = await upload(site, content + line(10) + line(3))
        assert again.duplicate.ranges == [(1, 10), (12, 12)]
        assert again.accepted.ranges == [(11, 11)]
        assert await seqs(site) == list(range(11))


@pytest.mark.parametrize("size", [1, 7, 10**6])
async def test_lines_that_an_editor_ended_with_cr_lf_are_the_same(
    tmp_path: Path, size: int
) -> None:
    """A file that went through a PC is as good as the card's, and nothing of it is new."""
    longest = MAX_LINE_BYTES - len(line(9, note="").rstrip(b"\n"))
    sound = b"".join([line(0), line(1), line(2, note="x" * longest)])
    converted = sound.replace(b"\n", b"\r\n")
    async with open_site(tmp_path) as site:
        first = await upload(site, line(0))
        report = await upload(site, converted + line(3)[:-1] + b"\r", size=size)
        assert (first.accepted.ranges, report.duplicate.ranges) == ([(1, 1)], [(1, 1)])
        assert (report.accepted.ranges, report.bad) == ([(2, 3)], 0)
        assert report.torn
        again = await upload(site, sound, size=size)
        assert (again.duplicate.count, again.accepted.count) == (3, 0)
        assert await seqs(site) == [0, 1, 2]


async def test_every_bad_line_is_told_by_its_number(tmp_path: Path) -> None:
    """Corrupt, foreign and rejected lines are named; their neighbours are stored."""
    good = line(0)
    broken = bytearray(line(1))
    broken[20] ^= 1
    content = b"".join(
        [
            good,
            bytes(broken),
            b"garbage\n",
            b"\n",
            line(2, station="carport"),
            line(3, P="a lot"),
            line(4, note="x" * 5000),
            line(5),
        ]
    )
    async with open_site(tmp_path) as site:
        report = await upload(site, content)
        assert report.corrupt.ranges == [(2, 4), (7, 7)]
        assert report.foreign.ranges == [(5, 5)]
        assert report.rejected.ranges == [(6, 6)]
        assert "wrong_type" in report.rejected.example
        assert (report.torn, report.error) == (False, None)
        assert await seqs(site) == [0, 5]


async def test_a_torn_last_line_is_normal(tmp_path: Path) -> None:
    """A power cut in mid-write leaves half a line: said, and no error."""
    async with open_site(tmp_path) as site:
        report = await upload(site, line(0) + line(1)[:-9])
        assert (report.accepted.count, report.torn, report.error) == (1, True, None)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (LogLimits(bytes=500), "more than 500 bytes"),
        (LogLimits(lines=2), "more than 2 lines"),
    ],
)
async def test_limits_end_the_reading_and_keep_what_came_before(
    tmp_path: Path, limits: LogLimits, said: str
) -> None:
    """Too many bytes or lines: the rest is refused, what was read stands."""
    async with open_site(tmp_path) as site:
        content = b"".join(line(seq) for seq in range(9))
        report = await upload(site, content, size=100, limits=limits)
        assert report.error == said
        assert await seqs(site) == list(range(report.accepted.count))
        assert 0 < report.accepted.count < 9


async def test_a_gzip_bomb_is_stopped_while_it_unpacks(tmp_path: Path) -> None:
    """A small file that unpacks to a huge one is refused early."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with open_site(tmp_path) as site:
        report = await upload(site, bomb, limits=LogLimits(unpacked_bytes=10**6))
        assert report.error == "unpacks to more than 1000000 bytes"


@pytest.mark.parametrize("cut", [5, 60])
async def test_a_gzip_that_ends_early_or_is_broken_is_told(
    tmp_path: Path, cut: int
) -> None:
    """A truncated gzip is an error, and the upload can be repeated."""
    packed = gzip.compress(b"".join(line(seq) for seq in range(9)))
    async with open_site(tmp_path) as site:
        assert (await upload(site, packed[:-cut])).error == "the gzip ends early"
        broken = packed[:40] + b"\xff" * 40 + packed[80:]
        assert "gzip is broken" in str((await upload(site, broken)).error)
        assert (await upload(site, packed + packed)).error is None


async def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    """Megabytes without a line break are one corrupt line."""
    async with open_site(tmp_path) as site:
        report = await upload(site, b"x" * 3_000_000 + b"\n" + line(0), size=65_536)
        assert (report.corrupt.ranges, report.accepted.ranges) == ([(1, 1)], [(2, 2)])
