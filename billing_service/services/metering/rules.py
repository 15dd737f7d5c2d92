"""By which rules a session is metered."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from billing_service.domain.clock import next_boundary
from billing_service.domain.frame import SessionEvent, from_ms, to_ms
from billing_service.domain.metering import MeteringRules
from billing_service.domain.session import Session
from billing_service.domain.tariff import Tariff
from billing_service.services.ports import Station

_RATING_MARGIN = Decimal("1.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringSettings:
    """What an installation may set.

    ``max_gap``: no power is integrated across more. ``idle``: a session without a name ends when
    no power has flowed for so long. ``tolerance``: see MeteringRules.
    """

    max_gap: timedelta = timedelta(seconds=60)
    idle: timedelta = timedelta(minutes=10)
    tolerance: Decimal = Decimal("0.05")

    @property
    def max_gap_ms(self) -> int:
        """``max_gap`` in ms."""
        return round(self.max_gap.total_seconds() * 1000)

    @property
    def idle_ms(self) -> int:
        """``idle`` in ms."""
        return round(self.idle.total_seconds() * 1000)


def rules_of(
    settings: MeteringSettings, station: Station, session: Session
) -> MeteringRules:
    """Return the rules for a session of a station."""
    power, current = _thresholds(session.tariff)
    return MeteringRules(
        max_gap_ms=settings.max_gap_ms,
        max_power_mw=int(station.max_power_w * _RATING_MARGIN * 1000),
        tolerance=settings.tolerance,
        next_boundary=_Boundaries(session, station.time_zone),
        power_steps_mw=power,
        current_steps_ma=current,
    )


def basis_of(
    settings: MeteringSettings,
    station: Station,
    session: Session,
    started: SessionEvent | None,
) -> str:
    """Return what a session's fold rests on besides its frames, as text that can be compared.

    A fold with another basis is not gone on with. A version of a tariff never changes.
    """
    rules = rules_of(settings, station, session)
    tariff = session.tariff
    return repr((
        rules.max_gap_ms,
        rules.max_power_mw,
        station.time_zone,
        to_ms(session.started_at) if _counts_from_the_start(tariff) else None,
        None if tariff is None else (tariff.id, tariff.version),
        started,
    ))  # fmt: skip


def _counts_from_the_start(tariff: Tariff | None) -> bool:
    """Return whether a tariff's prices change so and so long after the start."""
    return any(
        element.restrictions.min_duration is not None
        or element.restrictions.max_duration is not None
        for element in (tariff.elements if tariff else ())
    )


class _Boundaries:
    """When the price may change: at the tariff's boundaries and at local midnight."""

    def __init__(self, session: Session, time_zone: str) -> None:
        self._tariff = session.tariff
        self._started_at = session.started_at
        self._zone = ZoneInfo(time_zone)

    def __call__(self, after_ms: int) -> int:
        after = from_ms(after_ms)
        tomorrow = after.astimezone(self._zone).date() + timedelta(days=1)
        midnight = to_ms(datetime.combine(tomorrow, time.min, self._zone))
        if self._tariff is None:
            return midnight
        changes = next_boundary(
            self._tariff, after, self._zone, session_started_at=self._started_at
        )
        return midnight if changes is None else min(midnight, to_ms(changes))


def _thresholds(tariff: Tariff | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the powers (mW) and currents (mA) at which a tariff's restrictions turn."""
    powers: set[int] = set()
    currents: set[int] = set()
    for element in tariff.elements if tariff else ():
        r = element.restrictions
        powers.update(
            int(kw * 1_000_000) for kw in (r.min_power, r.max_power) if kw is not None
        )
        currents.update(
            int(a * 1000) for a in (r.min_current, r.max_current) if a is not None
        )
    return tuple(sorted(powers)), tuple(sorted(currents))
