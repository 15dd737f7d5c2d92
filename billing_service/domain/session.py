"""A charging session: plug-in to unplug (OCPI Session)."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from billing_service.domain.tariff import Tariff


class SessionStatus(StrEnum):
    """OCPI SessionStatus, as far as a single station needs it."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    INVALID = "INVALID"


class SessionFlag(StrEnum):
    """What a reader of the session or its bill should know about the measurement."""

    ENERGY_MISMATCH = "energy_mismatch"
    """Register difference and E = Σ P·Δt disagree by more than the tolerance."""
    REGISTER_RESET = "register_reset"
    """A register fell and went on from there: a meter was replaced or reset."""
    REGISTER_OUTLIER = "register_outlier"
    """A register reading was impossible for the station's rating and was left out."""
    ESTIMATED_SPLIT = "estimated_split"
    """Where some energy belongs in time is estimated: across a gap, where it was billed from registers,
    or where a price changes that was known only when the frames were past their retention."""
    GAP = "gap"
    """Frames are further apart than the largest gap that is integrated."""
    CLOCK_ESTIMATED = "clock_estimated"
    """Some frames were taken before the station's clock was set."""
    LATE_FRAMES = "late_frames"
    """Frames arrived after the session was billed: a correction may be due."""
    FRAMES_DROPPED = "frames_dropped"
    """Its frames, or some, are past their retention: it can no longer be metered anew."""
    INFERRED = "inferred"
    """The station names no sessions: this one was found from its power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What is known of a session now. Energies in Wh, three decimals at most; times aware UTC.

    ``station_session`` is the station's own name for it. ``tariff`` is the version that was in
    force at the start, frozen. ``energy_wh`` is what is billed (registers where they were sent);
    ``integrated_wh`` is Σ P·Δt, shown beside it. ``bill_id`` is set once an issued bill has it.
    """

    id: str
    station_id: str
    station_session: str
    user_id: str | None
    status: SessionStatus
    started_at: datetime
    ended_at: datetime | None = None
    last_frame_at: datetime | None = None
    frames: int = 0
    solar_wh: Decimal = Decimal(0)
    grid_wh: Decimal = Decimal(0)
    integrated_wh: Decimal = Decimal(0)
    estimated_wh: Decimal = Decimal(0)
    meter_start_wh: Decimal | None = None
    meter_stop_wh: Decimal | None = None
    flags: frozenset[SessionFlag] = field(default_factory=frozenset)
    end_reason: str | None = None
    token: str | None = None
    tariff: Tariff | None = None
    bill_id: str | None = None

    @property
    def energy_wh(self) -> Decimal:
        """Everything delivered, from both sources."""
        return self.solar_wh + self.grid_wh

    @property
    def settled(self) -> bool:
        """Whether frames that come late may only be noted: billed, or past retention."""
        return self.bill_id is not None or SessionFlag.FRAMES_DROPPED in self.flags
