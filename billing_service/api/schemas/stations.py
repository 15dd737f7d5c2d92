"""What goes over the wire about stations: their logs, tokens and firmware."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, field_validator

from billing_service import patterns
from billing_service.api.schemas.base import Group, In, Line, Out
from billing_service.api.schemas.tariffs import TariffRef
from billing_service.domain.tariff import Tariff
from billing_service.services.ports import (
    Station,
    StationAccess,
    TokenType,
    UpdateStatus,
)


class StationOut(Out):
    """A station. ``info`` and ``state`` are its last messages of the MQTT contract.

    ``firmware`` and ``faults`` are theirs; ``tariff`` covers a session of the asker that starts
    now. One that is not ``accepted`` waits for an admin.
    """

    id: str
    name: str
    time_zone: str
    max_power_w: int
    first_seen_at: datetime
    last_seen_at: datetime | None
    online: bool | None
    user_id: str | None
    accepted: bool
    firmware: str | None
    faults: list[str]
    tariff: TariffRef | None
    info: dict[str, Any] | None
    state: dict[str, Any] | None

    @classmethod
    def of(cls, station: Station, tariff: Tariff | None) -> Self:
        """Make it of a station; what it said of itself was not checked when it was stored."""
        firmware = (station.info or {}).get("firmware")
        faults = (station.state or {}).get("faults")
        return cls(
            id=station.id,
            name=station.name,
            time_zone=station.time_zone,
            max_power_w=station.max_power_w,
            first_seen_at=station.first_seen_at,
            last_seen_at=station.last_seen_at,
            online=station.online,
            user_id=station.user_id,
            accepted=station.accepted,
            firmware=firmware if isinstance(firmware, str) else None,
            faults=[each for each in faults if isinstance(each, str)]
            if isinstance(faults, list)
            else [],
            tariff=None if tariff is None else TariffRef.model_validate(tariff),
            info=station.info,
            state=station.state,
        )


_Name = Annotated[Line, Field(min_length=1, max_length=100)]
_Rating = Annotated[int, Field(ge=100, le=1_000_000, description="W")]


class StationIn(In):
    """A station to register. ``user_id`` is whose it is; null: everyone may use it."""

    id: Annotated[str, Field(pattern=patterns.STATION_ID)]
    name: _Name | None = None
    time_zone: Annotated[str, Field(max_length=64)] | None = None
    max_power_w: _Rating | None = None
    user_id: Annotated[str, Field(max_length=64)] | None = None


class StationPatch(In):
    """What an admin changes of a station; what is left out stays. ``user_id`` null: nobody's own."""

    name: _Name | None = None
    time_zone: Annotated[str, Field(max_length=64)] | None = None
    max_power_w: _Rating | None = None
    user_id: Annotated[str, Field(max_length=64)] | None = None


_UserId = Annotated[str, Field(pattern=patterns.ID)]


class AccessIn(In):
    """Who may use a station, beside the user whose it is and admins; replaces what was set.

    ``users`` are ids. Without ``everyone`` and with empty lists nobody may.
    """

    everyone: bool = False
    users: Annotated[tuple[_UserId, ...], Field(max_length=500)] = ()
    groups: Annotated[tuple[Group, ...], Field(max_length=100)] = ()

    def access(self) -> StationAccess:
        """Return it as the use cases take it."""
        return StationAccess(
            everyone=self.everyone, users=self.users, groups=self.groups
        )


class AccessOut(Out):
    """Who may use a station: its user, those named, members of the groups, or everyone."""

    user_id: str | None
    everyone: bool
    users: list[str]
    groups: list[str]

    @classmethod
    def of(cls, station: Station, access: StationAccess) -> Self:
        """Make it of a station and what was set for it."""
        return cls(
            user_id=station.user_id,
            everyone=access.everyone and station.user_id is None,
            users=[*access.users],
            groups=[*access.groups],
        )


_Uid = Annotated[
    str,
    Field(
        pattern=patterns.CARD_UID,
        description="As the station tells it; compared without case",
        examples=["04A2B3C4D5E680"],
    ),
]


class ChargingTokenIn(In):
    """A token to give to a user (OCPI 2.2.1 Token)."""

    uid: _Uid
    user_id: Annotated[str, Field(max_length=64)]
    type: TokenType = TokenType.RFID
    visual_number: Annotated[Line, Field(max_length=64)] = ""
    valid: bool = True


class ChargingTokenPatch(In):
    """What to change of a token; what is left out stays."""

    user_id: Annotated[str, Field(max_length=64)] | None = None
    visual_number: Annotated[Line, Field(max_length=64)] | None = None
    valid: bool | None = None


class ChargingTokenOut(Out):
    """A token; one that is not ``valid`` is blocked."""

    uid: str
    type: TokenType
    user_id: str
    visual_number: str
    valid: bool
    last_updated: datetime


class FirmwareOut(Out):
    """An ESP32 application image, as it describes itself. ``size`` in bytes."""

    sha256: str
    version: str
    project: str
    chip: str
    size: int
    uploaded_at: datetime


class UpdateIn(In):
    """Which image to install."""

    sha256: Annotated[str, Field(pattern=patterns.SHA256)]


class UpdateOut(Out):
    """An image on its way to a station.

    ``SENT`` until it answers, ``ACCEPTED`` until its outcome: ``INSTALLED`` or ``FAILED``.
    ``REFUSED`` carries the station's ``error``; ``NO_ANSWER`` becomes ``INSTALLED`` should the
    station come back with the version.
    """

    id: str
    station_id: str
    sha256: str
    version: str
    status: UpdateStatus
    requested_at: datetime
    downloaded_at: datetime | None
    finished_at: datetime | None
    error: str | None
    message: str


class RangeOut(Out):
    """Lines one behind the other, the last one included."""

    first: int
    last: int


class LinesOut(Out):
    """How many lines, and which: the first thousand stretches. ``example`` is of the first."""

    count: int
    ranges: list[RangeOut]
    example: str

    @field_validator("ranges", mode="before")
    @classmethod
    def _pairs(cls, value: list[tuple[int, int]]) -> list[dict[str, int]]:
        return [{"first": first, "last": last} for first, last in value]


class LogReportOut(Out):
    """What became of a log file's lines, by number from 1. ``bytes`` and ``sha256`` as sent.

    ``accepted`` are new, ``duplicate`` were known, ``corrupt`` have a wrong CRC or form,
    ``foreign`` are another station's, ``rejected`` break the contract; ``torn``: the last line
    has no end, as after a power cut.
    """

    accepted: LinesOut
    duplicate: LinesOut
    corrupt: LinesOut
    foreign: LinesOut
    rejected: LinesOut
    torn: bool
    error: str | None
    bytes: int
    sha256: str
