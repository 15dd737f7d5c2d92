"""Firmware images, and updates of stations."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, exists, insert, select, update

from billing_service.adapters.db.repositories.base import Repository
from billing_service.adapters.db.tables import firmware_images, firmware_updates
from billing_service.domain.errors import NotFound
from billing_service.services.ports import FirmwareImage, FirmwareUpdate, UpdateStatus

_UPDATES_AT_MOST = 50
_FACTS = ("sha256", "version", "project", "chip", "size", "uploaded_at")
_COLUMNS = (
    "id", "station_id", "sha256", "version", "status", "requested_at", "boot_before",
    "downloaded_at", "finished_at", "error", "message",
)  # fmt: skip


class FirmwareRepository(Repository):
    """The ``Firmware`` port."""

    async def images(self) -> list[FirmwareImage]:
        """Return all, the newest first, without their content."""
        result = await self._connection.execute(
            select(*(firmware_images.c[name] for name in _FACTS))
            .where(firmware_images.c.deleted_at.is_(None))
            .order_by(firmware_images.c.uploaded_at.desc(), firmware_images.c.sha256)
        )
        return [FirmwareImage(**row._mapping) for row in result]

    async def image(self, sha256: str) -> FirmwareImage:
        """Return one; until the transaction ends nobody else deletes it. Raises NotFound."""
        result = await self._connection.execute(
            select(*(firmware_images.c[name] for name in _FACTS))
            .where(
                firmware_images.c.sha256 == sha256,
                firmware_images.c.deleted_at.is_(None),
            )
            .with_for_update()
        )
        row = result.first()
        if row is None:
            raise NotFound(f"there is no firmware {sha256}")
        return FirmwareImage(**row._mapping)

    async def delete(self, sha256: str, at: datetime) -> None:
        """Let go of an image's bytes; what its updates say of it stays."""
        await self._connection.execute(
            update(firmware_images)
            .where(firmware_images.c.sha256 == sha256)
            .values(content=b"", deleted_at=at)
        )

    async def add(self, image: FirmwareImage, content: bytes) -> None:
        """Store an image, also one that was deleted; one that is there stays."""
        row = {name: getattr(image, name) for name in _FACTS} | {"content": content}
        await self._connection.execute(
            self._insert(firmware_images)
            .values(row)
            .on_conflict_do_update(
                index_elements=["sha256"],
                set_={
                    "content": content,
                    "uploaded_at": image.uploaded_at,
                    "deleted_at": None,
                },
                where=firmware_images.c.deleted_at.is_not(None),
            )
        )

    async def content(self, sha256: str) -> bytes:
        """Return an image's bytes. Raises NotFound."""
        content: bytes | None = await self._connection.scalar(
            select(firmware_images.c.content).where(
                firmware_images.c.sha256 == sha256,
                firmware_images.c.deleted_at.is_(None),
            )
        )
        if content is None:
            raise NotFound("There is no such image.")
        return bytes(content)

    async def add_update(self, new: FirmwareUpdate, ticket_digest: str) -> None:
        """Store a new update with its ticket's digest."""
        await self._connection.execute(
            insert(firmware_updates).values(_row(new) | {"ticket": ticket_digest})
        )

    async def update(self, update_id: str) -> FirmwareUpdate | None:
        """Return one; until the transaction ends nobody else changes it."""
        found = await self._several(
            select(firmware_updates)
            .where(firmware_updates.c.id == update_id)
            .with_for_update()
        )
        return found[0] if found else None

    async def by_ticket(self, ticket_digest: str) -> FirmwareUpdate | None:
        """Return the one that a ticket was made for; until the transaction ends it is ours."""
        found = await self._several(
            select(firmware_updates)
            .where(firmware_updates.c.ticket == ticket_digest)
            .with_for_update()
        )
        return found[0] if found else None

    async def of_station(self, station_id: str) -> list[FirmwareUpdate]:
        """Return a station's newest fifty, the newest first."""
        return await self._several(
            select(firmware_updates)
            .where(firmware_updates.c.station_id == station_id)
            .order_by(firmware_updates.c.requested_at.desc(), firmware_updates.c.id)
            .limit(_UPDATES_AT_MOST)
        )

    async def bringing(self, sha256: str) -> list[FirmwareUpdate]:
        """Return the updates to an image that are under way."""
        return await self._several(
            select(firmware_updates)
            .where(
                firmware_updates.c.sha256 == sha256,
                firmware_updates.c.status.in_(_UNDER_WAY),
            )
            .order_by(firmware_updates.c.station_id)
        )

    async def any_without_outcome(self, since: datetime) -> bool:
        """Return whether ``without_outcome`` has any."""
        found = await self._connection.scalar(
            select(exists().where(*_without_outcome(since)))
        )
        return bool(found)

    async def without_outcome(self, since: datetime) -> list[FirmwareUpdate]:
        """Return those requested since then that may still end; they are ours until we end."""
        return await self._several(
            select(firmware_updates)
            .where(*_without_outcome(since))
            .order_by(firmware_updates.c.id)
            .with_for_update()
        )

    async def save(self, changed: FirmwareUpdate) -> None:
        """Replace."""
        await self._connection.execute(
            update(firmware_updates)
            .where(firmware_updates.c.id == changed.id)
            .values(_row(changed))
        )

    async def _several(self, query: Select[Any]) -> list[FirmwareUpdate]:
        return [_update(row) for row in await self._connection.execute(query)]


_UNDER_WAY = (UpdateStatus.SENT.value, UpdateStatus.ACCEPTED.value)
_MAY_END = (*_UNDER_WAY, UpdateStatus.NO_ANSWER.value)


def _without_outcome(since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        firmware_updates.c.requested_at >= since,
        firmware_updates.c.status.in_(_MAY_END),
    )


def _row(each: FirmwareUpdate) -> dict[str, Any]:
    return {name: getattr(each, name) for name in _COLUMNS} | {
        "status": each.status.value
    }


def _update(row: Row[Any]) -> FirmwareUpdate:
    fields = {name: row._mapping[name] for name in _COLUMNS}
    return FirmwareUpdate(**fields | {"status": UpdateStatus(row.status)})
