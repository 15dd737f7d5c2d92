"""What a simulated station tells: readings, happenings and snapshots of its state."""

from dataclasses import dataclass, field

from simulator.controller import Mode, Pilot, Source


@dataclass(frozen=True, slots=True)
class MeterReading:
    """What one meter shows. `energy_wh` is its register."""

    voltage_v: float
    current_a: float
    power_w: float
    energy_wh: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Both meters at one moment; `at_ms` is Unix time in milliseconds."""

    at_ms: int
    boot: int
    seq: int
    source: Source
    solar: MeterReading
    grid: MeterReading
    pilot: Pilot
    session: str | None

    @property
    def connected(self) -> MeterReading:
        """The meter in use: what the vehicle gets. All zero when there is none."""
        if self.source is Source.SOLAR:
            return self.solar
        if self.source is Source.GRID:
            return self.grid
        return _NOTHING


_NOTHING = MeterReading(0.0, 0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Session:
    """The session under way and the registers at its start, Wh."""

    id: str
    started_ms: int
    solar_start_wh: int
    grid_start_wh: int


@dataclass(frozen=True, slots=True)
class Happening:
    """Something worth an event message; `fields` are its further members."""

    at_ms: int
    type: str
    fields: dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the station is doing, since `at_ms`."""

    at_ms: int = field(compare=False)
    boot: int
    mode: Mode
    source: Source
    pilot: Pilot
    enabled: bool
    charging: bool
    current_limit_a: float
    faults: tuple[str, ...]
    session: Session | None


type Output = Reading | Happening | Snapshot
