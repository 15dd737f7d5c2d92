"""Versions of tariffs, and which is in force for whom."""

from datetime import timedelta
from typing import Any

import pytest

from billing_service.adapters.db.database import SqlUnitOfWork
from billing_service.domain.errors import Conflict
from tests.adapters.database import (
    NOW,
    tariff,
)


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
