"""Firmware, updates, cards and what an admin sets of a station: in every kind of database."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from billing_service.adapters.db import Database
from billing_service.domain.errors import Conflict, NotFound
from billing_service.services.ports import (
    ChargingToken,
    FirmwareImage,
    FirmwareUpdate,
    TokenType,
    UpdateStatus,
)
from tests.adapters.database import NOW, open_database, populate, session

IMAGE = FirmwareImage(
    sha256="a" * 64, version="1.3.0", project="solarrally", chip="ESP32", size=3,
    uploaded_at=NOW,
)  # fmt: skip
UPDATE = FirmwareUpdate(
    id="u1", station_id="garage", sha256="a" * 64, version="1.3.0",
    status=UpdateStatus.SENT, requested_at=NOW, boot_before=2**32 - 1,
)  # fmt: skip
CARD = ChargingToken(
    uid="04AB", type=TokenType.RFID, user_id="u-driver", visual_number="No. 7",
    valid=True, last_updated=NOW,
)  # fmt: skip


@pytest_asyncio.fixture
async def database(tmp_path: Path, kind: str) -> AsyncIterator[Database]:
    """Yield a database with three users and a station."""
    async with open_database(tmp_path, kind) as made:
        async with made.write() as uow:
            await populate(uow)
            await uow.commit()
        yield made


async def test_an_image_comes_back_to_the_byte(database: Database) -> None:
    """Once, whoever stores it again; one that is not there is not found."""
    content = bytes(range(256)) * 1000
    async with database.write() as uow:
        for _ in range(2):
            await uow.firmware.add(IMAGE, content)
        await uow.commit()
    async with database.read() as read:
        assert await read.firmware.images() == [IMAGE]
        assert await read.firmware.content(IMAGE.sha256) == content
        with pytest.raises(NotFound):
            await read.firmware.content("b" * 64)


async def test_an_image_that_is_deleted_leaves_its_updates(database: Database) -> None:
    """No bytes stay; the row does for what refers to it; an upload brings the bytes back."""
    async with database.write() as uow:
        await uow.firmware.add(IMAGE, b"old")
        await uow.firmware.add_update(UPDATE, "digest")
        assert await uow.firmware.bringing(IMAGE.sha256) == [UPDATE]
        assert await uow.firmware.image(IMAGE.sha256) == IMAGE
        await uow.firmware.save(replace(UPDATE, status=UpdateStatus.NO_ANSWER))
        assert await uow.firmware.bringing(IMAGE.sha256) == []
        await uow.firmware.delete(IMAGE.sha256, NOW)
        await uow.commit()
    async with database.read() as read:
        assert await read.firmware.images() == []
        with pytest.raises(NotFound):
            await read.firmware.content(IMAGE.sha256)
        assert len(await read.firmware.of_station("garage")) == 1
    async with database.write() as uow:
        with pytest.raises(NotFound):
            await uow.firmware.image(IMAGE.sha256)
    later = replace(IMAGE, uploaded_at=NOW + timedelta(hours=1))
    async with database.write() as uow:
        await uow.firmware.add(later, b"new")
        await uow.firmware.add(IMAGE, b"twice")
        assert await uow.firmware.images() == [later]
        assert await uow.firmware.content(IMAGE.sha256) == b"new"


async def test_an_update_is_found_until_it_has_an_outcome(database: Database) -> None:
    """By its id, its ticket and its station."""
    since = NOW - timedelta(days=1)
    async with database.write() as uow:
        await uow.firmware.add(IMAGE, b"abc")
        await uow.firmware.add_update(UPDATE, "digest")
        await uow.commit()
    async with database.read() as read:
        assert await read.firmware.any_without_outcome(since)
        assert not await read.firmware.any_without_outcome(NOW + timedelta(days=1))
        assert await read.firmware.of_station("garage") == [UPDATE]
        assert await read.firmware.of_station("barn") == []
    ended = replace(
        UPDATE,
        status=UpdateStatus.FAILED,
        error="failed",
        message="why",
        finished_at=NOW,
    )
    async with database.write() as uow:
        assert await uow.firmware.by_ticket("digest") == UPDATE
        assert await uow.firmware.by_ticket("other") is None
        assert await uow.firmware.without_outcome(since) == [UPDATE]
        await uow.firmware.save(ended)
        await uow.commit()
    async with database.write() as uow:
        assert await uow.firmware.update("u1") == ended
        assert await uow.firmware.update("u2") is None
        assert await uow.firmware.without_outcome(since) == []


async def test_a_card_is_found_whatever_its_case(database: Database) -> None:
    """While it is valid and its user active; what no database can hold is no card."""
    async with database.write() as uow:
        await uow.charging_tokens.add(CARD)
        with pytest.raises(Conflict):
            await uow.charging_tokens.add(CARD)
        assert await uow.charging_tokens.user_of("04ab") == "u-driver"
        assert await uow.charging_tokens.user_of("04\x00") is None
        await uow.charging_tokens.save(replace(CARD, valid=False))
        assert await uow.charging_tokens.user_of("04AB") is None
        assert await uow.charging_tokens.all() == [replace(CARD, valid=False)]
        await uow.charging_tokens.delete("04AB")
        with pytest.raises(NotFound):
            await uow.charging_tokens.get("04AB")


async def test_sessions_of_a_card_that_are_nobody_s(database: Database) -> None:
    """Not another driver's, and not another card's."""
    async with database.write() as uow:
        for number, (token, user_id) in enumerate(
            [("04ab", None), ("04AB", "u-other"), ("04FF", None), (None, None)]
        ):
            await uow.sessions.save(
                replace(
                    session(f"s{number}"),
                    station_session=f"1-{number}",
                    token=token,
                    user_id=user_id,
                )
            )
        assert await uow.sessions.driverless("04AB") == ["s0"]
