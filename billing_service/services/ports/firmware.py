"""Firmware images, and updates of stations."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareImage:
    """An ESP32 application image, as it describes itself. ``size`` in bytes."""

    sha256: str
    version: str
    project: str
    chip: str
    size: int
    uploaded_at: datetime


class UpdateStatus(StrEnum):
    """How far an update of a station's firmware has come."""

    SENT = "SENT"
    ACCEPTED = "ACCEPTED"
    INSTALLED = "INSTALLED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    NO_ANSWER = "NO_ANSWER"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareUpdate:
    """An image on its way to a station; ``id`` is the command's.

    ``error`` is the contract's, ``message`` a sentence. ``boot_before`` is the station's reboot
    counter when it was asked for.
    """

    id: str
    station_id: str
    sha256: str
    version: str
    status: UpdateStatus
    requested_at: datetime
    boot_before: int | None = None
    downloaded_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None
    message: str = ""


class Firmware(Protocol):
    """Firmware images, and updates of stations."""

    async def images(self) -> list[FirmwareImage]:
        """Return all, the newest first, without their content."""

    async def image(self, sha256: str) -> FirmwareImage:
        """Return one; until the transaction ends nobody else deletes it. Raises NotFound."""

    async def delete(self, sha256: str, at: datetime) -> None:
        """Let go of an image's bytes; what its updates say of it stays."""

    async def add(self, image: FirmwareImage, content: bytes) -> None:
        """Store an image, also one that was deleted; one that is there stays."""

    async def content(self, sha256: str) -> bytes:
        """Return an image's bytes. Raises NotFound."""

    async def add_update(self, new: FirmwareUpdate, ticket_digest: str) -> None:
        """Store a new update with its ticket's digest."""

    async def update(self, update_id: str) -> FirmwareUpdate | None:
        """Return one; until the transaction ends nobody else changes it."""

    async def by_ticket(self, ticket_digest: str) -> FirmwareUpdate | None:
        """Return the one that a ticket was made for, likewise."""

    async def of_station(self, station_id: str) -> list[FirmwareUpdate]:
        """Return a station's newest fifty, the newest first."""

    async def bringing(self, sha256: str) -> list[FirmwareUpdate]:
        """Return the updates to an image that are under way."""

    async def any_without_outcome(self, since: datetime) -> bool:
        """Return whether ``without_outcome`` has any."""

    async def without_outcome(self, since: datetime) -> list[FirmwareUpdate]:
        """Return those requested since then that may still end; until then they are ours."""

    async def save(self, changed: FirmwareUpdate) -> None:
        """Replace."""
