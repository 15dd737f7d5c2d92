"""What the repositories keep comes back exactly, and only to whom it belongs."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, StatementError

from billing_service.adapters.db import Database
from billing_service.adapters.db.database import SqlUnitOfWork, database_url
from billing_service.adapters.db.repositories.messages import (
    REJECTED_KEPT,
    REJECTED_PAYLOAD_BYTES,
)
from billing_service.domain.errors import Conflict, NotFound, StoreUnavailable
from billing_service.domain.frame import EventType, SessionEvent, to_ms
from billing_service.domain.session import SessionFlag, SessionStatus
from billing_service.services.ports import (
    Rejected,
    Role,
    SessionQuery,
    StationAccess,
    Viewer,
)
from tests.adapters.database import (
    ADMIN,
    DRIVER,
    NOW,
    OTHER,
    T0_MS,
    open_database,
    period,
    populate,
    session,
    station,
    tariff,
    user,
)


@pytest_asyncio.fixture
async def database(tmp_path: Path, relational_kind: str) -> AsyncIterator[Database]:
    """Yield a database with three users and a station."""
    async with open_database(tmp_path, relational_kind) as made:
        async with made.write() as uow:
            await populate(uow)
            await uow.commit()
        yield made


@pytest_asyncio.fixture
async def uow(database: Database) -> AsyncIterator[SqlUnitOfWork]:
    """Yield a transaction that is undone."""
    async with database.write() as made:
        yield made


# -- sessions --------------------------------------------------------------------------------------


async def test_a_session_comes_back_exactly(uow: SqlUnitOfWork) -> None:
    """Flags, times, the frozen tariff, and decimals beyond a float's digits."""
    await uow.sessions.save(session())
    assert await uow.sessions.get("s-1", ADMIN) == session()
    bare = session(
        "s-2",
        user_id=None,
        status=SessionStatus.PENDING,
        ended_at=None,
        tariff=None,
        flags=frozenset(),
    )
    await uow.sessions.save(bare)
    assert await uow.sessions.named("garage", "s-2") == bare


async def test_another_s_session_is_not_found(uow: SqlUnitOfWork) -> None:
    """Its driver and an admin see it; for anyone else it does not exist."""
    await uow.sessions.save(session())
    assert (await uow.sessions.get("s-1", DRIVER)).id == "s-1"
    with pytest.raises(NotFound):
        await uow.sessions.get("s-1", OTHER)
    with pytest.raises(NotFound):
        await uow.sessions.get("s-9", ADMIN)


async def test_a_session_without_a_driver_is_an_admin_s(uow: SqlUnitOfWork) -> None:
    """Nobody else sees what is nobody's."""
    await uow.sessions.save(session(user_id=None))
    assert (await uow.sessions.page(SessionQuery(), ADMIN)).total == 1
    assert (await uow.sessions.page(SessionQuery(), DRIVER)).total == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["s-4", "s-3", "s-2", "s-1"]),
        ({"limit": 2}, ["s-4", "s-3"]),
        ({"limit": 2, "offset": 3}, ["s-1"]),
        ({"station_id": "carport"}, ["s-2"]),
        ({"status": SessionStatus.ACTIVE}, ["s-3"]),
        ({"user_id": "u-other"}, ["s-4"]),
        ({"billed": True}, []),
        ({"billed": False, "limit": 1}, ["s-4"]),
        ({"started_from": NOW + timedelta(hours=2)}, ["s-3", "s-2"]),
        ({"started_to": NOW + timedelta(hours=2)}, ["s-1"]),
    ],
)
async def test_the_list_is_filtered_newest_first(
    uow: SqlUnitOfWork, query: dict[str, Any], found: list[str]
) -> None:
    """Each filter, both ends of the time filter (from inclusive, to exclusive), and pages."""
    await uow.stations.save(station("carport"))
    more: list[dict[str, Any]] = [
        {},
        {"station_id": "carport"},
        {"status": SessionStatus.ACTIVE},
        {"user_id": "u-other"},
    ]
    for number, fields in enumerate(more, start=1):
        started = NOW + timedelta(hours=number)
        await uow.sessions.save(session(f"s-{number}", started_at=started, **fields))
    if "started_from" in query:
        query = query | {"started_to": NOW + timedelta(hours=4)}
    page = await uow.sessions.page(SessionQuery(**query), ADMIN)
    assert [each.id for each in page.items] == found
    unpaged = SessionQuery(
        **{k: v for k, v in query.items() if k not in ("limit", "offset")}
    )
    assert page.total == len((await uow.sessions.page(unpaged, ADMIN)).items)


async def test_a_user_cannot_filter_for_another(uow: SqlUnitOfWork) -> None:
    """Asking for another's sessions finds none, and does not count them."""
    await uow.sessions.save(session())
    page = await uow.sessions.page(SessionQuery(user_id="u-driver"), OTHER)
    assert (page.items, page.total) == ((), 0)


async def test_saving_keeps_the_driver(uow: SqlUnitOfWork) -> None:
    """A driver who was assigned while metering worked stays."""
    await uow.sessions.save(session(user_id=None))
    await uow.sessions.assign("s-1", "u-other")
    await uow.sessions.save(session(user_id=None, frames=1))
    kept = await uow.sessions.get("s-1", ADMIN)
    assert (kept.user_id, kept.frames) == ("u-other", 1)


async def test_open_sessions(uow: SqlUnitOfWork) -> None:
    """PENDING and ACTIVE ones, oldest first, of one station or all."""
    await uow.stations.save(station("carport"))
    for number, status in enumerate(SessionStatus):
        await uow.sessions.save(
            session(
                f"s-{status}", status=status, started_at=NOW - timedelta(hours=number)
            )
        )
    await uow.sessions.save(
        session("s-far", station_id="carport", status=SessionStatus.ACTIVE)
    )
    assert [each.id for each in await uow.sessions.open_at("garage")] == [
        "s-ACTIVE",
        "s-PENDING",
    ]
    assert len(await uow.sessions.all_open()) == 3


async def test_sessions_that_frames_may_end(uow: SqlUnitOfWork) -> None:
    """Open ones, and those that frames alone ended since; none that only power tells of."""
    more: dict[str, dict[str, Any]] = {
        "open": {"status": SessionStatus.ACTIVE, "ended_at": None},
        "pending": {"status": SessionStatus.PENDING, "ended_at": None},
        "by-frames": {"end_reason": None},
        "long-ago": {"end_reason": None, "ended_at": NOW - timedelta(hours=2)},
        "by-event": {"end_reason": "unplugged"},
        "by-power": {
            "status": SessionStatus.ACTIVE,
            "flags": frozenset({SessionFlag.INFERRED}),
        },
    }
    for name, fields in more.items():
        await uow.sessions.save(session(name, **fields))
    since = to_ms(NOW - timedelta(hours=1))
    found = await uow.sessions.ended_by_frames("garage", since)
    assert [each.id for each in found] == ["by-frames", "open", "pending"]


async def test_inferred_sessions_that_overlap(uow: SqlUnitOfWork) -> None:
    """Ends touch; one that has not ended overlaps whatever comes after its start."""
    flags = frozenset({SessionFlag.INFERRED})
    await uow.sessions.save(session("s-1", flags=flags))
    await uow.sessions.save(session("s-2", flags=flags, started_at=NOW, ended_at=None))
    await uow.sessions.save(session("s-3"))
    start, end = to_ms(NOW - timedelta(hours=3)), to_ms(NOW - timedelta(hours=1))

    async def near(from_ms: int, to_ms_: int) -> list[str]:
        found = await uow.sessions.inferred_near("garage", from_ms, to_ms_)
        return [each.id for each in found]

    assert await near(end, end + 1) == ["s-1"]
    assert await near(end + 1, end + 2) == []
    assert await near(start - 2, start - 1) == []
    assert await near(start, to_ms(NOW)) == ["s-1", "s-2"]


async def test_periods_are_replaced_in_order(uow: SqlUnitOfWork) -> None:
    """What was there before is gone; deleting the session takes them with it."""
    await uow.sessions.save(session())
    await uow.sessions.save_periods("s-1", [period(n) for n in range(5)])
    periods = [period(2), period(1, "0.001")]
    await uow.sessions.save_periods("s-1", periods)
    assert await uow.sessions.periods("s-1") == periods
    longer = [period(2), period(3), period(4)]
    await uow.sessions.save_periods("s-1", longer, kept=1)
    assert await uow.sessions.periods("s-1") == longer
    await uow.sessions.save_periods("s-1", longer[:2], kept=2)
    assert await uow.sessions.periods("s-1") == longer[:2]
    await uow.sessions.delete("s-1")
    assert await uow.sessions.periods("s-1") == []
    await uow.sessions.save(session())
    await uow.sessions.save_periods("s-1", [])
    assert await uow.sessions.periods("s-1") == []


async def test_a_station_names_a_session_once(uow: SqlUnitOfWork) -> None:
    """Two sessions cannot claim the same name of a station."""
    await uow.sessions.save(session())
    with pytest.raises(IntegrityError):
        await uow.sessions.save(replace(session("s-2"), station_session="s-1"))


# -- what columns keep -----------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [1.5, Decimal("NaN"), Decimal("Infinity")])
async def test_a_decimal_column_takes_decimals_only(
    uow: SqlUnitOfWork, wrong: Any
) -> None:
    """A float would have lost digits before anyone saw it."""
    with pytest.raises(StatementError, match=r"Decimal|stored"):
        await uow.sessions.save(session(solar_wh=wrong))


async def test_a_time_column_takes_aware_times_only(uow: SqlUnitOfWork) -> None:
    """A time without a zone means nothing."""
    naive = datetime(2026, 11, 23)  # noqa: DTZ001 -- what is refused
    with pytest.raises(StatementError, match="no time zone"):
        await uow.sessions.save(session(started_at=naive))


async def test_foreign_keys_hold(database: Database) -> None:
    """A session of a station that is not stored cannot be committed."""
    async with database.write() as uow:
        await uow.sessions.save(session(station_id="nowhere"))
        with pytest.raises(IntegrityError):
            await uow.commit()


# -- transactions ----------------------------------------------------------------------------------


async def test_reading_does_not_wait_for_a_writer(database: Database) -> None:
    """A reader sees what was committed, while another transaction is writing."""
    async with database.write() as writing:
        await writing.users.save(user("u-other", full_name="New"))
        async with database.read() as reading:
            assert (await reading.users.get("u-other")) == user("u-other")
        await writing.commit()
    async with database.read() as reading:
        changed = await reading.users.get("u-other")
    assert changed == user("u-other", full_name="New")


@pytest.mark.parametrize("relational_kind", ["sqlite"])
async def test_sqlite_is_set_up_for_safety(database: Database) -> None:
    """Write-ahead log, foreign keys, and triggers that REPLACE cannot pass."""
    async with database.engine.connect() as connection:
        found = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in (
                "journal_mode",
                "foreign_keys",
                "synchronous",
                "recursive_triggers",
            )
        }
    assert found == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 1,
        "recursive_triggers": 1,
    }


async def test_a_database_that_cannot_be_opened_is_away(tmp_path: Path) -> None:
    """A folder in the file's place is told as such, not as a driver's error."""
    (tmp_path / "taken.db").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'taken.db'}", lambda: NOW)
    with pytest.raises(StoreUnavailable):
        await database.ping()
    await database.dispose()
    # The driver's threads report to this test's loop; they are done when it ends.
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "not a database URL"),
        ("nonsense", "not a database URL"),
        ("mysql://host/db", "mysql is not supported"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, why: str) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match=why):
        database_url(url)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///a.db", "sqlite+aiosqlite"),
        ("postgresql://u:p@host/db", "postgresql+psycopg"),
        ("postgresql+asyncpg://u:p@host/db", "postgresql+psycopg"),
    ],
)
def test_the_driver_is_ours_to_choose(url: str, driver: str) -> None:
    """Users write the plain URL."""
    assert database_url(url).drivername == driver


# -- stations --------------------------------------------------------------------------------------


async def test_a_station_comes_back_exactly(uow: SqlUnitOfWork) -> None:
    """With what it last said, and without."""
    full = station(
        "carport",
        user_id="u-driver",
        online=True,
        last_seen_at=NOW,
        info={"model": "SR-32", "phases": 1, "name": "Übergang"},
        state={"session": None, "faults": []},
    )
    await uow.stations.save(full)
    assert await uow.stations.get("carport") == full
    assert await uow.stations.get("garage") == station()


async def test_a_sign_of_life_changes_nothing_else(uow: SqlUnitOfWork) -> None:
    """Of those that are named, and only when they were last seen; unknown ones stay so."""
    await uow.stations.save(station("carport", online=True))
    await uow.stations.save(station("yard"))
    held = await uow.stations.held(["yard", "nowhere", "carport"])
    assert held == {
        "carport": station("carport", online=True),
        "yard": station("yard"),
    }
    await uow.stations.seen(["carport", "nowhere"], NOW)
    seen = await uow.stations.held(["yard", "nowhere", "carport"])
    assert seen == {
        "carport": station("carport", online=True, last_seen_at=NOW),
        "yard": station("yard"),
    }


async def test_stations_one_may_use(uow: SqlUnitOfWork) -> None:
    """One's own and those that are no one's; an admin's are all."""
    await uow.stations.save(station("carport", user_id="u-driver"))

    async def names(viewer: Any) -> list[str]:
        return [each.id for each in await uow.stations.visible(viewer)]

    assert await names(ADMIN) == await names(DRIVER) == ["carport", "garage"]
    assert await names(OTHER) == ["garage"]
    with pytest.raises(NotFound):
        await uow.stations.one("carport", OTHER)


async def test_stations_that_several_may_use(uow: SqlUnitOfWork) -> None:
    """Named users and members of named groups, each time anew; an empty list lets nobody in."""

    async def may_use(viewer: Viewer) -> bool:
        return [each.id for each in await uow.stations.visible(viewer)] == ["garage"]

    await uow.users.save(user(OTHER.user_id, group="staff"))
    for access, expected in (
        (StationAccess(), (True, True)),
        (StationAccess(everyone=False), (False, False)),
        (StationAccess(everyone=False, users=(DRIVER.user_id,)), (True, False)),
        (StationAccess(everyone=False, groups=("a", "staff")), (False, True)),
    ):
        for _ in range(2):
            await uow.stations.set_access("garage", access)
        assert await uow.stations.access("garage") == access
        assert (await may_use(DRIVER), await may_use(OTHER)) == expected
        assert await may_use(ADMIN)
    await uow.stations.set_up(station(user_id=DRIVER.user_id))
    assert (await may_use(DRIVER), await may_use(OTHER)) == (True, True)
    assert await uow.stations.naming(DRIVER.user_id) == []


async def test_a_claim_is_taken_once_and_in_time(uow: SqlUnitOfWork) -> None:
    """The last one counts; an old one is forgotten unused."""
    await uow.stations.claim("garage", "u-other", NOW)
    await uow.stations.claim("garage", "u-driver", NOW)
    assert await uow.stations.take_claim("garage", NOW) == "u-driver"
    assert await uow.stations.take_claim("garage", NOW) is None
    await uow.stations.claim("garage", "u-driver", NOW - timedelta(hours=1))
    assert await uow.stations.take_claim("garage", NOW) is None


# -- tariffs ---------------------------------------------------------------------------------------


async def test_a_version_is_stored_once(uow: SqlUnitOfWork) -> None:
    """The newest is told; an existing one is not overwritten."""
    await uow.tariffs.add(tariff(1))
    await uow.tariffs.add(tariff(2))
    await uow.tariffs.add(tariff(1, "away"))
    assert await uow.tariffs.latest("home") == tariff(2)
    assert await uow.tariffs.latest("none") is None
    assert await uow.tariffs.all() == [tariff(1, "away"), tariff(2)]
    with pytest.raises(Conflict):
        await uow.tariffs.add(tariff(2, name="other"))


@pytest.mark.parametrize(
    ("stored", "at", "in_force"),
    [
        pytest.param([], 0, None, id="none stored"),
        pytest.param([{}], -1000, "home v1", id="a first version holds for ever back"),
        pytest.param([{"valid_from": 1}], 0, None, id="not yet"),
        pytest.param([{"valid_from": 1}], 1, "home v1", id="from its first instant"),
        pytest.param([{"valid_until": 1}], 1, None, id="until is exclusive"),
        pytest.param(
            [{}, {"version": 2}], -1, "home v1", id="old sessions keep theirs"
        ),
        pytest.param([{}, {"version": 2}], 0, "home v2", id="new ones get the new one"),
        pytest.param(
            [{}, {"version": 2, "valid_from": 5}], 4, "home v1", id="announced"
        ),
        pytest.param(
            [{}, {"version": 2, "valid_until": 3}],
            4,
            None,
            id="ended by its new version",
        ),
        pytest.param(
            [{}, {"tariff_id": "promo", "valid_from": 1, "valid_until": 3}],
            2,
            "promo v1",
            id="what took effect last wins",
        ),
        pytest.param(
            [{}, {"tariff_id": "promo", "valid_from": 1, "valid_until": 3}],
            3,
            "home v1",
            id="and gives way again",
        ),
    ],
)
async def test_the_tariff_in_force(
    uow: SqlUnitOfWork, stored: list[dict[str, Any]], at: int, in_force: str | None
) -> None:
    """Hours from now; versions are stored now."""
    for fields in stored:
        times = {
            name: NOW + timedelta(hours=fields[name])
            for name in ("valid_from", "valid_until")
            if name in fields
        }
        await uow.tariffs.add(
            tariff(fields.get("version", 1), fields.get("tariff_id", "home"), **times)
        )
    found = await uow.tariffs.in_force(
        NOW + timedelta(hours=at), station_id="garage", user_id=None
    )
    assert (found and found.name) == in_force


# -- people ----------------------------------------------------------------------------------------


async def test_a_user_comes_back_exactly(uow: SqlUnitOfWork) -> None:
    """Every field."""
    full = user(
        "u-9",
        name="Jordan",
        full_name="Jordan Ünïcode",
        email="j@example.org",
        address=("1 Road", "Town"),
        active=False,
        tokens_valid_from=NOW,
    )
    await uow.users.add(full)
    assert await uow.users.get("u-9") == full


async def test_names_differ_by_more_than_case(uow: SqlUnitOfWork) -> None:
    """One person, however the name is typed; compatible letters count as the same."""
    await uow.users.add(user("u-9", name="Straße"))
    found = await uow.users.by_name("STRASSE")
    assert found == user("u-9", name="Straße")
    with pytest.raises(Conflict):
        await uow.users.add(user("u-10", name="strasse"))
    assert await uow.users.by_name("nobody") is None
    assert await uow.users.by_name("nul\x00") is None


async def test_only_an_active_admin_counts(uow: SqlUnitOfWork) -> None:
    """An inactive one can let nobody in."""
    assert await uow.users.any_admin()
    await uow.users.save(user("u-admin", role=Role.ADMIN, active=False))
    assert not await uow.users.any_admin()


async def test_sign_ins_are_counted_by_account_and_address(uow: SqlUnitOfWork) -> None:
    """Within the time asked for; the oldest tells when to try again."""
    old, recent = NOW - timedelta(minutes=20), NOW - timedelta(minutes=5)
    for account, address, at in (
        ("a", "1.1.1.1", old),
        ("a", "1.1.1.1", recent),
        ("a", "2.2.2.2", NOW),
        ("b", "1.1.1.1", NOW),
    ):
        await uow.sign_ins.add(account=account, address=address, at=at)
    since = NOW - timedelta(minutes=15)

    async def counted() -> tuple[int, int]:
        on, by = await uow.sign_ins.attempts(
            account="a", address="1.1.1.1", since=since
        )
        assert by.oldest_at is None or by.oldest_at >= since
        return on.number, by.number

    assert await counted() == (2, 2)
    await uow.sign_ins.purge(since)
    await uow.sign_ins.forgive(account="a", address="1.1.1.1")
    assert await counted() == (1, 1)


# -- messages --------------------------------------------------------------------------------------


async def test_an_event_is_stored_once(uow: SqlUnitOfWork) -> None:
    """By station, type, time and session; they come back in order of time."""
    events = [
        SessionEvent(
            station_id="garage",
            type=kind,
            at_ms=T0_MS + at,
            session="1-1",
            started_at_ms=T0_MS,
            meter_start_mwh=10**13,
            token="04A2",
        )
        for kind, at in (
            (EventType.UNPLUGGED, 9),
            (EventType.PLUGGED, 0),
            (EventType.SESSION_STARTED, 0),
        )
    ]
    assert await uow.events.add([*events, events[0]], NOW) == events
    assert await uow.events.add(events, NOW) == []
    found = await uow.events.of_session("garage", "1-1")
    assert found == [events[1], events[2], events[0]]


async def test_rejected_messages_are_kept_within_bounds(uow: SqlUnitOfWork) -> None:
    """The newest, the start of each, counted by reason; text a database refuses is mended."""
    bad = Rejected(
        received_at=NOW,
        topic="ev/\x00x/telemetry",
        reason="not_json",
        message="\ud800",
        payload=b"\xff" * (REJECTED_PAYLOAD_BYTES + 1),
    )
    await uow.rejected.add([bad] * REJECTED_KEPT)
    await uow.rejected.add([replace(bad, reason="too_large")] * 2)
    assert await uow.rejected.counts() == {
        "not_json": REJECTED_KEPT - 2,
        "too_large": 2,
    }
    page = await uow.rejected.page(limit=3, offset=0)
    assert page.total == REJECTED_KEPT
    assert [each.reason for each in page.items] == [
        "too_large",
        "too_large",
        "not_json",
    ]
    assert len(page.items[0].payload) == REJECTED_PAYLOAD_BYTES
    assert "\x00" not in page.items[0].topic
