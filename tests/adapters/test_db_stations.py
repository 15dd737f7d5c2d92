"""Stations come back exactly, and only to those who may use them."""

from datetime import timedelta
from typing import Any

import pytest

from billing_service.adapters.db.database import SqlUnitOfWork
from billing_service.domain.errors import NotFound
from billing_service.services.ports import (
    StationAccess,
    Viewer,
)
from tests.adapters.database import (
    ADMIN,
    DRIVER,
    NOW,
    OTHER,
    station,
    user,
)


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
