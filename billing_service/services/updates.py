"""Firmware for stations: images, and updates followed to their outcome.

An image may hold a home's Wi-Fi password, so nobody but the station that is being updated can
fetch it: by a ticket that is made for the update and ends with it.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from uuid import uuid4

import structlog

from billing_service.domain.errors import (
    CommandRefused,
    NotFound,
    StationPending,
    StationSilent,
    UpdateRunning,
    UploadTooLarge,
)
from billing_service.services.audit import Actor, plain
from billing_service.services.ports import (
    Clock,
    CommandSender,
    FirmwareImage,
    FirmwareUpdate,
    OpenReadUnitOfWork,
    OpenUnitOfWork,
    UpdateStatus,
)

log = structlog.get_logger(__name__)

MAX_IMAGE_BYTES = 8 * 1024 * 1024
OUTCOME_WITHIN = timedelta(minutes=15)
"""An update without an outcome by then has none: the station was cut off, or never heard."""

_HEARD_OF_FOR = timedelta(days=7)
"""A station that comes back within this time can still show that it was updated."""

_OPEN = frozenset({UpdateStatus.SENT, UpdateStatus.ACCEPTED})
_MAY_END = _OPEN | {UpdateStatus.NO_ANSWER}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What an image says of itself, its size in bytes, and its digest."""

    version: str
    project: str
    chip: str
    size: int
    sha256: str


class Updates:
    """Keeps images, and brings them onto stations."""

    def __init__(
        self,
        open_uow: OpenUnitOfWork,
        open_read: OpenReadUnitOfWork,
        clock: Clock,
        commands: CommandSender,
        read_image: Callable[[bytes], ImageFacts],
    ) -> None:
        """Take what it works with; ``read_image`` raises InvalidInput for what is none."""
        self._open_uow = open_uow
        self._open_read = open_read
        self._clock = clock
        self._commands = commands
        self._read_image = read_image

    # -- images ------------------------------------------------------------------------------------

    async def images(self) -> list[FirmwareImage]:
        """Return all, the newest first."""
        async with self._open_read() as read:
            return await read.firmware.images()

    async def add(self, actor: Actor, chunks: AsyncIterator[bytes]) -> FirmwareImage:
        """Keep an image; one that is known stays as it is.

        Raises UploadTooLarge while it comes, InvalidInput, UploadRefused.
        """
        content = bytearray()
        async for chunk in chunks:
            content += chunk
            if len(content) > MAX_IMAGE_BYTES:
                raise UploadTooLarge(
                    f"An image may have at most {MAX_IMAGE_BYTES} bytes."
                )
        facts = self._read_image(bytes(content))
        image = FirmwareImage(
            sha256=facts.sha256,
            version=facts.version,
            project=facts.project,
            chip=facts.chip,
            size=facts.size,
            uploaded_at=self._clock(),
        )
        async with self._open_uow() as uow:
            for known in await uow.firmware.images():
                if known.sha256 == image.sha256:
                    return known
            await uow.firmware.add(image, bytes(content))
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="firmware.add",
                subject=f"firmware:{image.sha256}",
                after=plain(asdict(image)),
                address=actor.address,
            )
            await uow.commit()
        return image

    async def delete(self, actor: Actor, sha256: str) -> None:
        """Delete an image; what became of its updates stays known.

        Raises NotFound, and UpdateRunning while it is on its way to a station.
        """
        async with self._open_uow() as uow:
            image = await uow.firmware.image(sha256)
            if running := await uow.firmware.bringing(sha256):
                stations = ", ".join(each.station_id for each in running)
                raise UpdateRunning(
                    f"It is on its way to {stations}: wait for the outcome."
                )
            await uow.firmware.delete(sha256, self._clock())
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="firmware.delete",
                subject=f"firmware:{sha256}",
                before=plain(asdict(image)),
                address=actor.address,
            )
            await uow.commit()

    async def content(self, sha256: str, ticket: str) -> bytes:
        """Return an image to the station that a running update was given a ticket for.

        Raises NotFound: no such image, and no such ticket, look the same.
        """
        async with self._open_uow() as uow:
            update = await uow.firmware.by_ticket(_digest(ticket))
            if (
                update is None
                or update.sha256 != sha256
                or update.status not in _MAY_END
                or self._clock() - update.requested_at > OUTCOME_WITHIN
            ):
                raise NotFound("There is no such image.")
            content = await uow.firmware.content(sha256)
            if update.downloaded_at is None:
                await uow.firmware.save(replace(update, downloaded_at=self._clock()))
                await uow.commit()
        return content

    # -- updates -----------------------------------------------------------------------------------

    async def of_station(self, station_id: str) -> list[FirmwareUpdate]:
        """Return a station's updates, the newest first. Raises NotFound."""
        async with self._open_read() as read:
            if await read.stations.get(station_id) is None:
                raise NotFound(f"there is no station {station_id}")
            return await read.firmware.of_station(station_id)

    async def start(
        self, actor: Actor, station_id: str, sha256: str, base_url: str
    ) -> FirmwareUpdate:
        """Tell a station to install an image; return once it has agreed.

        ``base_url`` is where the station reaches this service. The outcome comes later:
        ``outcome`` and ``settle`` note it. Raises NotFound, StationPending, UpdateRunning,
        CommandRefused, StationSilent; the last two are noted too.
        """
        ticket = secrets.token_urlsafe(32)
        async with self._open_uow() as uow:
            station = await uow.stations.one(station_id, actor.viewer)
            if not station.accepted:
                raise StationPending(f"Accept the station {station_id} first.")
            image = await uow.firmware.image(sha256)
            await uow.marks.hold(station_id)
            for other in await uow.firmware.of_station(station_id):
                if other.status in _OPEN:
                    raise UpdateRunning(
                        f"The station is being updated to {other.version} already."
                    )
            boot = (station.info or {}).get("boot")
            update = FirmwareUpdate(
                id=uuid4().hex,
                station_id=station_id,
                sha256=sha256,
                version=image.version,
                status=UpdateStatus.SENT,
                requested_at=self._clock(),
                boot_before=boot if isinstance(boot, int) else None,
            )
            await uow.firmware.add_update(update, _digest(ticket))
            await uow.audit.add(
                at=self._clock(),
                actor=actor.label,
                action="station.update",
                subject=f"station:{station_id}",
                after={"version": image.version, "sha256": sha256, "update": update.id},
                address=actor.address,
            )
            await uow.commit()
        value = {
            "url": f"{base_url.rstrip('/')}/firmware/{sha256}/image?ticket={ticket}",
            "sha256": sha256,
            "version": image.version,
        }
        try:
            await self._commands.send(
                station_id, "update_firmware", value, command_id=update.id
            )
        except CommandRefused as refused:
            await self._end(
                update.id, UpdateStatus.REFUSED, refused.error, refused.message
            )
            raise
        except StationSilent as silent:
            await self._end(update.id, UpdateStatus.NO_ANSWER, None, silent.message)
            raise
        return await self._end(update.id, UpdateStatus.ACCEPTED, None, "")

    async def outcome(
        self, station_id: str, update_id: str, error: str | None, message: str
    ) -> None:
        """Note what a station said became of an update; ``error`` None: it is installed."""
        async with self._open_uow() as uow:
            update = await uow.firmware.update(update_id)
            if (
                update is None
                or update.station_id != station_id
                or update.status not in _MAY_END
            ):
                return
            await uow.firmware.save(
                replace(
                    update,
                    status=UpdateStatus.FAILED if error else UpdateStatus.INSTALLED,
                    error=error,
                    message=message,
                    finished_at=self._clock(),
                )
            )
            await uow.commit()

    async def settle(self) -> int:
        """End updates whose outcome was not heard; return how many.

        A station that has started anew with the version was updated, whoever missed its word. One
        that has said nothing for too long has given no answer.
        """
        now = self._clock()
        since = now - _HEARD_OF_FOR
        async with self._open_read() as read:
            if not await read.firmware.any_without_outcome(since):
                return 0
        ended = 0
        async with self._open_uow() as uow:
            for update in await uow.firmware.without_outcome(since):
                station = await uow.stations.get(update.station_id)
                info = (station.info if station else None) or {}
                boot = info.get("boot")
                newest = (await uow.firmware.of_station(update.station_id))[0]
                if (
                    update.id == newest.id
                    and info.get("firmware") == update.version
                    and isinstance(boot, int)
                    and boot > (update.boot_before or 0)
                ):
                    status, message = UpdateStatus.INSTALLED, ""
                elif (
                    update.status in _OPEN
                    and now - update.requested_at > OUTCOME_WITHIN
                ):
                    status = UpdateStatus.NO_ANSWER
                    message = "The station did not say what became of it."
                else:
                    continue
                await uow.firmware.save(
                    replace(update, status=status, message=message, finished_at=now)
                )
                ended += 1
            if ended:
                await uow.commit()
        return ended

    async def _end(
        self, update_id: str, status: UpdateStatus, error: str | None, message: str
    ) -> FirmwareUpdate:
        """Note what became of the command, unless more is known already."""
        async with self._open_uow() as uow:
            update = await uow.firmware.update(update_id)
            assert update is not None
            if update.status is UpdateStatus.SENT:
                finished = None if status is UpdateStatus.ACCEPTED else self._clock()
                update = replace(
                    update,
                    status=status,
                    error=error,
                    message=message,
                    finished_at=finished,
                )
                await uow.firmware.save(update)
                await uow.commit()
        return update


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
