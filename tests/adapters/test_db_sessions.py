"""Sessions and their periods come back exactly, and only to whom they belong."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from billing_service.adapters.db.database import SqlUnitOfWork
from billing_service.domain.errors import NotFound
from billing_service.domain.frame import to_ms
from billing_service.domain.session import SessionFlag, SessionStatus
from billing_service.services.ports import (
    SessionQuery,
)
from tests.adapters.database import (
    ADMIN,
    DRIVER,
    NOW,
    OTHER,
    period,
    session,
    station,
)


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
