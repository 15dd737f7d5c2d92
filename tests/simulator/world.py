"""A simulated station to look at."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from simulator.outputs import Happening, Output, Reading, Snapshot
from simulator.station import Station, StationConfig

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def station(**config: Any) -> Station:
    """Make a station that starts at START; `config` as in StationConfig."""
    return Station(StationConfig(**{"station": "garage", "start": START, **config}))


def run_s(subject: Station, seconds: float) -> list[Output]:
    """Let simulated seconds pass (each second one step at 1 Hz); what was told."""
    until = subject.elapsed_s + seconds
    out: list[Output] = []
    while subject.next_step_s <= until:
        out.extend(subject.advance())
    return out


def run_to_end(subject: Station) -> list[Output]:
    """Run a station with a duration to its end; what was told."""
    out: list[Output] = []
    while not subject.over:
        out.extend(subject.advance())
    return out


def readings(outputs: Iterable[Output]) -> list[Reading]:
    """The frames among `outputs`."""
    return [output for output in outputs if isinstance(output, Reading)]


def happenings(outputs: Iterable[Output], kind: str | None = None) -> list[Happening]:
    """The events among `outputs`, of one type or all."""
    return [
        output
        for output in outputs
        if isinstance(output, Happening) and (kind is None or output.type == kind)
    ]


def snapshots(outputs: Iterable[Output]) -> list[Snapshot]:
    """The states among `outputs`."""
    return [output for output in outputs if isinstance(output, Snapshot)]
