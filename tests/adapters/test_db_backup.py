"""Backup and restore: everything, between all three databases, or nothing at all."""

import asyncio
import gzip
import hashlib
import json
import os
import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from billing_service.adapters.db import backup_file, timescale
from billing_service.adapters.db.backup import BackupRefused, backup, restore
from billing_service.adapters.db.database import Database
from billing_service.adapters.db.migrate import current, migrate
from billing_service.adapters.db.tables import frame_evidence, metadata, retention
from billing_service.domain.errors import StoreUnavailable
from billing_service.domain.frame import EventType, SessionEvent
from billing_service.domain.summary import summaries_of
from billing_service.services.ports import (
    Mark,
    Rejected,
    StationAccess,
    Supplier,
)
from billing_service.settings import PREFIX
from scripts.rig.process import Program
from tests import databases
from tests.adapters.database import (
    ADMIN,
    NOW,
    T0_MS,
    bill,
    cdr,
    frame,
    period,
    populate,
    session,
    station,
    tariff,
    user,
)
from tests.adapters.frames import plain_frame
from tests.databases import KINDS, database_url, utc_now
from tests.process import solarrally

type Rows = dict[str, list[tuple[Any, ...]]]

_made: dict[str, tuple[bytes, Rows]] = {}
"""A backup of each kind, and what was in the database: filling one takes longer than most tests."""


def rejected(topic: str, payload: bytes, at: datetime = NOW) -> Rejected:
    """Make a message that broke the contract."""
    return Rejected(
        received_at=at, topic=topic, reason="r", message="m", payload=payload
    )


def mark(name: str | None) -> Mark:
    """Make a mark."""
    return Mark(
        station_id="garage", session=name, boot=-1, seq=7, from_ms=T0_MS, to_ms=T0_MS
    )


async def fill(database: Database) -> None:
    """Put something of every kind of value in, the awkward ones too."""
    async with database.write() as uow:
        await populate(uow)
        await uow.users.add(user("u-ünï", full_name="Zoë \u202eאבג", address=("1", "")))
        await uow.users.save(
            user("u-driver", active=False, tokens_valid_from=NOW, email="d@example.org")
        )
        await uow.stations.save(
            station(user_id="u-driver", online=True, state={"a": [1, 0.1, None, "é"]})
        )
        access = StationAccess(everyone=False, users=("u-ünï",), groups=("staff",))
        await uow.stations.set_access("garage", access)
        await uow.supplier.save(
            Supplier(name="Süd", address=("1", "2"), payment_days=14)
        )
        await uow.tariffs.add(tariff())
        await uow.tariffs.add(tariff(2))
        for number in ("s-1", "s-2", "s-3"):
            await uow.sessions.save(session(number))
            await uow.sessions.save_periods(number, [period(0), period(1, "0.001")])
        for number in ("s-1", "s-2"):
            stored = await uow.sessions.get(number, ADMIN)
            issued = await uow.bills.issue(stored, cdr(), bill, series="SR-", year=2026)
        await uow.bills.pay(issued.number, paid_on=NOW.date(), reference="1")
        await uow.proofs.give_out(issued.number, "ab" * 32)
        await uow.frames.add([frame(seq) for seq in range(5000)], NOW)
        await uow.frames.add([plain_frame(second) for second in range(3)], NOW)
        await uow.events.add(
            [
                SessionEvent(
                    station_id="garage",
                    type=EventType.PLUGGED,
                    at_ms=T0_MS + 1,
                    session="s-1",
                    token="04",
                )
            ],
            NOW,
        )
        await uow.rejected.add(
            [rejected("t", bytes(range(256)), NOW + timedelta(microseconds=1))]
        )
        await uow.marks.add([mark(None)])
        await uow.summaries.add("garage", "1-1", summaries_of(map(frame, range(5000))))
        await uow.audit.add(at=NOW, actor="a", action="b", subject="c", after={"x": 1})
        await uow.sign_ins.add(account="a", address="b", at=NOW)
        await uow.installation.mqtt_client_id()
        await uow.commit()
    async with database.engine.begin() as connection:
        await connection.execute(
            insert(frame_evidence),
            {
                "session_id": "s-1",
                "frames": 1,
                "first_at": T0_MS,
                "last_at": None,
                "sha256": "ab",
                "created_at": NOW,
            },
        )
        await connection.execute(
            insert(retention), {"id": 1, "dropped_before": T0_MS + 999}
        )


async def contents(database: Database) -> Rows:
    """Return every row of every table, as values that can be compared."""
    rows: Rows = {}
    async with database.engine.connect() as connection:
        for table in metadata.sorted_tables:
            query = select(table).order_by(*table.primary_key.columns)
            rows[table.name] = [tuple(row) for row in await connection.execute(query)]
    return rows


async def made(folder: Path, kind: str = "sqlite") -> tuple[Path, Rows]:
    """Back a filled database of a kind up; return the file and what was in it."""
    file = folder / "backup.gz"
    if kind in _made:
        data, before = _made[kind]
        file.write_bytes(data)
        return file, before
    async with databases.open_database(kind, folder) as database:
        await fill(database)
        before = await contents(database)
        counted = await backup(database.engine, file)
    assert counted == {name: len(rows) for name, rows in before.items()}
    assert counted["frames"] == 5003
    _made[kind] = file.read_bytes(), before
    return file, before


@pytest.mark.parametrize("target", KINDS)
async def test_a_backup_is_restored_whole_into_any_database(
    tmp_path: Path, kind: str, target: str
) -> None:
    """Each of the three into each of the three: every row of every table, to the last digit."""
    file, before = await made(tmp_path, kind)
    async with database_url(target, tmp_path, migrated=False) as url:
        database = Database(url, utc_now)
        try:
            restored = await restore(
                database.engine,
                file,
                takes_over=True,
                timescaledb=target == "timescaledb",
            )
            assert restored == {name: len(rows) for name, rows in before.items()}
            assert await contents(database) == before
            async with database.engine.connect() as connection:
                assert await timescale.is_hypertable(connection) == (
                    target == "timescaledb"
                )
            await _goes_on(database)
        finally:
            await database.dispose()


@pytest.mark.parametrize("takes_over", [False, True])
async def test_two_installations_share_no_name_at_the_broker(
    tmp_path: Path, kind: str, takes_over: bool
) -> None:
    """Unless one takes over from the other; also into a database that has been started on."""
    file, before = await made(tmp_path, kind)
    ((_, backed_up),) = before["installation"]
    async with databases.open_database(kind, tmp_path) as database:
        async with database.write() as uow:
            own = await uow.installation.mqtt_client_id()
            await uow.commit()
        await restore(database.engine, file, takes_over=takes_over, timescaledb=False)
        async with database.write() as uow:
            kept = await uow.installation.mqtt_client_id()
    assert own != backed_up
    assert kept == (backed_up if takes_over else own)


async def _goes_on(database: Database) -> None:
    """See that numbers go on where they were, and that what protects rows is there."""
    async with database.write() as uow:
        stored = await uow.sessions.get("s-3", ADMIN)
        issued = await uow.bills.issue(stored, cdr(), bill, series="SR-", year=2026)
        assert issued.number.endswith("0003")
        assert await uow.frames.add([frame(seq) for seq in (0, 4999, 5000)], NOW) == [
            frame(5000)
        ]
        await uow.audit.add(at=NOW, actor="a", action="b", subject="next")
        await uow.marks.add([mark("s")])
        await uow.commit()
    with pytest.raises(Exception, match=r"never change|append|immutable|refuse"):
        async with database.engine.begin() as connection:
            await connection.execute(text("UPDATE bills SET total = '0'"))


async def test_what_is_written_meanwhile_is_in_whole_or_not_at_all(
    tmp_path: Path, relational_kind: str
) -> None:
    """A backup is of one moment: a station is never in it without its user."""
    file = tmp_path / "backup.gz"
    async with databases.open_database(relational_kind, tmp_path) as database:
        await fill(database)
        done = asyncio.Event()

        async def write() -> int:
            number = 0
            while not done.is_set():
                number += 1
                async with database.write() as uow:
                    await uow.users.add(user(f"u-{number:05}"))
                    await uow.stations.save(
                        station(f"s{number:05}", user_id=f"u-{number:05}")
                    )
                    await uow.commit()
            return number

        writing = asyncio.create_task(write())
        counted = await backup(database.engine, file)
        done.set()
        assert await writing > 3
    # Users and stations that belong together: 4 and 1 were there before.
    assert counted["users"] - 4 == counted["stations"] - 1
    async with databases.open_database(relational_kind, tmp_path) as empty:
        await restore(empty.engine, file)


async def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    """It holds what the database holds."""
    file = tmp_path / "backup.gz"
    async with databases.open_database("sqlite", tmp_path) as database:
        await backup(database.engine, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir() if "backup" in each.name] == [
        "backup.gz"
    ]


async def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    """The last good backup may be the only one."""
    file, _ = await made(tmp_path)
    before = file.read_bytes()
    async with databases.open_database("sqlite", tmp_path) as database:
        with pytest.raises(BackupRefused, match="exists already"):
            await backup(database.engine, file)
    assert file.read_bytes() == before


async def test_an_older_or_empty_database_is_not_backed_up(tmp_path: Path) -> None:
    """Its tables are not those that this version reads; nothing is left behind."""
    file = tmp_path / "backup.gz"
    async with databases.open_database("sqlite", tmp_path) as database:
        await migrate(database.engine, "0001")
        with pytest.raises(BackupRefused, match="run solarrally migrate"):
            await backup(database.engine, file)
        await migrate(database.engine, "base")
        with pytest.raises(BackupRefused, match="nothing to back up"):
            await backup(database.engine, file)
    assert not [each for each in tmp_path.iterdir() if "backup" in each.name]


@pytest.mark.parametrize("target", KINDS)
async def test_a_database_that_has_data_is_left_alone(
    tmp_path: Path, target: str
) -> None:
    """Also a backup that was restored a moment ago is not restored again on top."""
    file, _ = await made(tmp_path)
    async with databases.open_database(target, tmp_path) as database:
        async with database.write() as uow:
            await uow.users.add(user("somebody"))
            await uow.commit()
        before = await contents(database)
        with pytest.raises(BackupRefused, match=r"has data already \(table users\)"):
            await restore(database.engine, file)
        assert await contents(database) == before
    async with databases.open_database(target, tmp_path) as database:
        await restore(database.engine, file)
        before = await contents(database)
        with pytest.raises(BackupRefused, match="has data already"):
            await restore(database.engine, file)
        assert await contents(database) == before


async def test_two_restores_at_once(tmp_path: Path) -> None:
    """One does it; the other finds it done."""
    file, before = await made(tmp_path)
    async with database_url("postgresql", tmp_path) as url:
        both = [Database(url, utc_now) for _ in range(2)]
        results = await asyncio.gather(
            *(
                restore(each.engine, file, takes_over=True, timescaledb=False)
                for each in both
            ),
            return_exceptions=True,
        )
        refused = [each for each in results if isinstance(each, BackupRefused)]
        assert len(refused) == 1, results
        assert await contents(both[0]) == before
        for each in both:
            await each.dispose()


# -- files that cannot be right --------------------------------------------------------------


def lines_of(file: Path) -> list[Any]:
    """Return what stands in a backup."""
    return [
        json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()
    ]


def written(file: Path, lines: list[Any], *, checksum: bool = True) -> None:
    """Write a backup of these lines, its end made to fit unless told otherwise."""
    if checksum:
        body = "".join(f"{json.dumps(line)}\n" for line in lines[:-1]).encode()
        rows = dict(lines[-1]["rows"])
        lines = [
            *lines[:-1],
            {"end": True, "rows": rows, "sha256": hashlib.sha256(body).hexdigest()},
        ]
    file.write_bytes(
        gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode())
    )


def _cut(share: float) -> Callable[[Path], None]:
    def cut(file: Path) -> None:
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * share)])

    return cut


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


def _edit(change: Callable[[list[Any]], Any], *, checksum: bool = True) -> Any:
    def edit(file: Path) -> None:
        lines = lines_of(file)
        change(lines)
        written(file, lines, checksum=checksum)

    return edit


def _at(lines: list[Any], name: str) -> int:
    return next(
        i
        for i, it in enumerate(lines)
        if isinstance(it, dict) and it.get("table") == name
    )


def _set(name: str, column: str, value: object) -> Any:
    def change(lines: list[Any]) -> None:
        at = _at(lines, name)
        lines[at + 1][lines[at]["columns"].index(column)] = value

    return _edit(change)


DAMAGED = {
    "empty": (lambda file: file.write_bytes(b""), "ends too early"),
    "text": (lambda file: file.write_text("hello\n" * 99), "is not a backup"),
    "gzipped text": (
        lambda file: file.write_bytes(gzip.compress(b"hello\n")),
        "line 1: not JSON",
    ),
    "other JSON": (lambda file: file.write_bytes(gzip.compress(b"{}\n")), "not a backup"),
    "no gzip of ours": (lambda file: file.write_bytes(gzip.compress(b"7\n")), "not a backup"),
    "half": (_cut(0.5), "ends too early"),
    "all but the last byte": (_cut(0.999999), "ends too early"),
    "a bit": (_flip, "damaged at line"),
    "twice": (lambda file: file.write_bytes(file.read_bytes() * 2), "follows its end"),
    "no end": (
        _edit(lambda lines: lines.pop(), checksum=False),
        "ends too early",
    ),
    "a row less": (_edit(lambda lines: lines.pop(2), checksum=False), "checksum"),
    "another number": (
        _edit(lambda lines: lines[2].__setitem__(0, 99), checksum=False),
        "checksum",
    ),
    "newer format": (
        _edit(lambda lines: lines[0].update(version=2)),
        "format version 2",
    ),
    "other schema": (
        _edit(lambda lines: lines[0].update(schema="0001")),
        "is of schema 0001",
    ),
    "unknown table": (
        _edit(lambda lines: lines[1].update(table="pg_class")),
        "pg_class is unknown",
    ),
    "other columns": (
        _edit(lambda lines: lines[1]["columns"].reverse()),
        "has other columns",
    ),
    "row of another width": (_edit(lambda lines: lines[2].pop()), "fits no table"),
    "row before a table": (_edit(lambda lines: lines.insert(1, [1])), "fits no table"),
    "a line that is neither": (_edit(lambda lines: lines.insert(1, 5)), "neither"),
    "float for money": (_set("sessions", "solar_wh", 1.5), "not of type str"),
    "infinite": (_set("sessions", "solar_wh", "Infinity"), "no finite decimal"),
    "text for a number": (_set("frames", "power_mw", "1"), "not of type int"),
    "time without zone": (_set("sessions", "started_at", "2026-01-01T00:00"), "offset"),
    "no base64": (_set("frame_blocks", "seqs", "é"), "frame_blocks"),
    "a role that is none": (_set("users", "role", "root"), "restoring failed"),
    "a parent that is none": (_set("stations", "user_id", "nobody"), "restoring failed"),
    "null in a key": (_set("sessions", "id", None), "restoring failed"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("target", "name"),
    [
        *(("sqlite", name) for name in DAMAGED),
        # What only the database can tell.
        *(
            ("postgresql", name)
            for name, (_, reason) in DAMAGED.items()
            if reason == "restoring failed"
        ),
    ],
)
async def test_a_file_that_cannot_be_right_changes_nothing(
    tmp_path: Path, target: str, name: str
) -> None:
    """Whatever is wrong with it is told, and the database stays empty; the good one still fits."""
    file, before = await made(tmp_path)
    good = file.read_bytes()
    damage, reason = DAMAGED[name]
    damage(file)
    async with databases.open_database(target, tmp_path) as database:
        with pytest.raises(BackupRefused, match=reason) as refused:
            await restore(database.engine, file, timescaledb=False)
        assert "\n" not in str(refused.value)
        assert not any((await contents(database)).values())
        file.write_bytes(good)
        await restore(database.engine, file, takes_over=True, timescaledb=False)
        assert await contents(database) == before


async def test_a_damaged_file_does_not_even_make_the_tables(tmp_path: Path) -> None:
    """It is read to its end before anything is touched."""
    file, _ = await made(tmp_path)
    _cut(0.9)(file)
    async with database_url("sqlite", tmp_path, migrated=False) as url:
        database = Database(url, utc_now)
        with pytest.raises(BackupRefused):
            await restore(database.engine, file)
        assert await current(database.engine) is None
        await database.dispose()


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Told by its name; a folder and a missing folder too."""
    async with databases.open_database("sqlite", tmp_path) as database:
        with pytest.raises(BackupRefused, match=r"nowhere\.gz: cannot be read"):
            await restore(database.engine, tmp_path / "nowhere.gz")
        with pytest.raises(BackupRefused, match="cannot be read: Is a directory"):
            await restore(database.engine, tmp_path)
        with pytest.raises(
            BackupRefused, match="name a file in a folder that is there"
        ):
            await backup(database.engine, tmp_path / "no" / "backup.gz")


async def test_a_database_that_is_away(tmp_path: Path) -> None:
    """Not a fault of the file."""
    file, _ = await made(tmp_path)
    database = Database("postgresql://u@127.0.0.1:1/none", utc_now)
    with pytest.raises(StoreUnavailable):
        await restore(database.engine, file)
    with pytest.raises(StoreUnavailable):
        await backup(database.engine, tmp_path / "other.gz")
    await database.dispose()


async def test_text_that_only_sqlite_takes(tmp_path: Path) -> None:
    """NUL and lone surrogates a station once sent do not stand in the way of a move."""
    file = tmp_path / "backup.gz"
    async with databases.open_database("sqlite", tmp_path) as database:
        async with database.write() as uow:
            await uow.users.add(user("u", full_name="a\x00b"))
            await uow.stations.save(station(state={"\x00": ["\ud800", "é\x00"]}))
            await uow.commit()
        await backup(database.engine, file)
    async with databases.open_database("postgresql", tmp_path) as database:
        await restore(database.engine, file, timescaledb=False)
        async with database.read() as uow:
            (only,) = await uow.users.all()
            assert only.full_name == "a\N{REPLACEMENT CHARACTER}b"
            garage = await uow.stations.get("garage")
            assert garage is not None
            assert garage.state == {"\ufffd": ["\ufffd", "é\ufffd"]}


def test_every_type_of_column_is_known() -> None:
    """A table that is added later is in the backup too; a new type of column is told here."""
    for table in metadata.sorted_tables:
        assert table.primary_key.columns, table.name
        for column in table.columns:
            backup_file._reading(column.type)


# -- gone half-way ---------------------------------------------------------------------------


async def test_killed_half_way_it_has_changed_nothing(
    tmp_path: Path, kind: str
) -> None:
    """`kill -9` in the middle of a restore leaves an empty database, ready for the next."""
    file = tmp_path / "backup.gz"
    async with databases.open_database("sqlite", tmp_path) as database:
        async with database.write() as uow:
            await populate(uow)
            await uow.rejected.add(
                [rejected(f"{number}", os.urandom(4000)) for number in range(2000)]
            )
            await uow.commit()
        await backup(database.engine, file)
        before = await contents(database)
    async with database_url(kind, tmp_path) as url:
        env = {
            f"{PREFIX}DATABASE_URL": url,
            f"{PREFIX}TIMESCALEDB": str(kind == "timescaledb"),
        }
        database = Database(url, utc_now)
        program = solarrally(tmp_path, "restore", str(file), env=env)
        await program.start()
        async with asyncio.timeout(60):
            while not await _has_begun(database, program):
                await asyncio.sleep(0.002)
        process = program._process
        assert process is not None
        process.kill()
        assert await program.wait() == -9
        assert not any((await contents(database)).values())
        again = solarrally(tmp_path, "restore", str(file), env=env)
        await again.start()
        assert await again.wait() == 0, again.log.read_text()
        assert await contents(database) == before
        await database.dispose()


async def _has_begun(database: Database, program: Program) -> bool:
    """Return whether the restore has written rows that it has not committed yet."""
    assert program.running, program.log.read_text()
    if database.engine.dialect.name == "sqlite":
        log = Path(f"{database.url.database}-wal")
        return log.exists() and log.stat().st_size > 1_000_000
    async with database.engine.connect() as connection:
        size = await connection.scalar(
            text("SELECT pg_total_relation_size('rejected_messages')")
        )
        return bool(size and size > 500_000)
