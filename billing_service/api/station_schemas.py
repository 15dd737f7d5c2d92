"""What goes over the wire about stations: their logs, tokens and firmware."""

from pydantic import field_validator

from billing_service.api.schemas import Out


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
