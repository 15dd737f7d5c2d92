"""Use of a station as rating sees it, cut into pieces in which no restriction can change.

Quantities are exact: Wh for energy, µs since 1970 for time. They are whole where nothing was cut,
because whole numbers are many times faster, and fractions where it was.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from billing_service.domain.clock import tariff_boundaries
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.tariff import Dimension, Moment, Reservation, Tariff

WH_PER_KWH = 1000
US_PER_SECOND = 1_000_000
US_PER_HOUR = 3600 * US_PER_SECOND

type Exact = int | Fraction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NONE, _ALL = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is rated: a stretch of a session, half-open in time, in which nothing else changes.

    ``time_dimension`` is TIME while charging, PARKING_TIME while connected without charging, TIME
    with ``reservation`` while reserved, and None where time is not counted. A stretch of no length
    may still carry energy. Currents are sums over the phases in A, powers in W.
    """

    started_at: datetime
    ended_at: datetime
    time_dimension: Dimension | None
    energy_wh: Decimal = Decimal(0)
    source: Source | None = None
    reservation: Reservation | None = None
    min_current_a: Decimal | None = None
    max_current_a: Decimal | None = None
    min_power_w: Decimal | None = None
    max_power_w: Decimal | None = None


def usage_of(period: ChargingPeriod) -> Usage:
    """Return a charging period as rating sees it."""
    return Usage(
        started_at=period.started_at,
        ended_at=period.ended_at,
        time_dimension=Dimension.TIME if period.charging else Dimension.PARKING_TIME,
        energy_wh=period.energy_wh,
        source=period.source,
        min_current_a=period.min_current_a,
        max_current_a=period.max_current_a,
        min_power_w=period.min_power_w,
        max_power_w=period.max_power_w,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedSession:
    """What was used in a session, and where and when. ``currency`` None: any."""

    started_at: datetime
    ended_at: datetime
    time_zone: str
    currency: str | None
    usages: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a usage in which no restriction can change. Times in µs since 1970."""

    usage: Usage
    start: Exact
    end: Exact
    energy_wh: Fraction
    energy_before_wh: Fraction

    @property
    def started_at(self) -> datetime:
        """The start on whole microseconds, never before a boundary the piece begins at."""
        return _EPOCH + timedelta(microseconds=int(self.start))


def check(usages: Sequence[Usage], started_at: datetime, ended_at: datetime) -> None:
    """Raise ValueError for what cannot have happened; usages are in order of time."""
    if ended_at < started_at:
        raise ValueError("the session ends before it starts")
    for usage in usages:
        if usage.ended_at < usage.started_at:
            raise ValueError(f"a period ends before it starts: {usage.started_at}")
        if not usage.energy_wh >= 0:
            raise ValueError(f"a period's energy is negative: {usage.energy_wh} Wh")
    for before, after in pairwise(usages):
        if after.started_at < before.ended_at:
            raise ValueError(f"two periods overlap at {after.started_at}")


def cut(
    usages: Sequence[Usage], tariff: Tariff, tz: tzinfo, session_started_at: datetime
) -> list[Piece]:
    """Cut at every instant and every amount of energy at which a restriction may change.

    Within a usage, energy flows evenly. Duration counts from the start of charging, not from the
    start of a reservation before it.
    """
    if not usages:
        return []
    instants = [
        to_us(at)
        for at in tariff_boundaries(
            tariff,
            usages[0].started_at,
            max(usage.ended_at for usage in usages),
            tz,
            session_started_at=charging_from(usages, session_started_at),
        )
    ]
    thresholds = {
        Fraction(limit) * WH_PER_KWH
        for element in tariff.elements
        for limit in (element.restrictions.min_kwh, element.restrictions.max_kwh)
        if limit is not None
    }
    pieces = []
    before = Fraction(0)
    for usage in usages:
        start, end = to_us(usage.started_at), to_us(usage.ended_at)
        energy = Fraction(usage.energy_wh)
        inside = instants[bisect_right(instants, start) : bisect_left(instants, end)]
        cuts = {Fraction(at - start, end - start) for at in inside}
        cuts |= {
            (limit - before) / energy
            for limit in thresholds
            if before < limit < before + energy
        }
        if not cuts:
            pieces.append(Piece(usage, start, end, energy, before))
        for left, right in pairwise(sorted(cuts | {_ALL, _NONE}) if cuts else ()):
            pieces.append(
                Piece(
                    usage=usage,
                    start=start + (end - start) * left,
                    end=start + (end - start) * right,
                    energy_wh=energy * (right - left),
                    energy_before_wh=before + energy * left,
                )
            )
        before += energy
    return pieces


def moment_of(
    piece: Piece, tariff: Tariff, tz: tzinfo, counted_from: datetime
) -> Moment:
    """Return what a tariff's restrictions are tested against at the start of a piece.

    Current and power are left out where the tariff restricts neither.
    """
    usage = piece.usage
    started_at = piece.started_at
    return Moment(
        local=started_at.astimezone(tz),
        energy_kwh=piece.energy_before_wh / WH_PER_KWH,
        duration=max(started_at - counted_from, timedelta(0)),
        source=usage.source,
        current_a=_between(usage.min_current_a, usage.max_current_a, None)
        if tariff.restricts_current
        else None,
        power_kw=_power_kw(usage) if tariff.restricts_power else None,
        reservation=usage.reservation,
    )


def _power_kw(usage: Usage) -> Fraction | None:
    """Return the power a usage is priced by.

    Extremes on both sides of a threshold would satisfy neither a minimum nor a maximum and charge
    for free, so one value stands for the whole usage: its mean, within the extremes.
    """
    duration = to_us(usage.ended_at) - to_us(usage.started_at)
    mean = Fraction(usage.energy_wh) * US_PER_HOUR / duration if duration else None
    power_w = _between(usage.min_power_w, usage.max_power_w, mean)
    return None if power_w is None else power_w / 1000


def _between(
    low: Decimal | None, high: Decimal | None, mean: Fraction | None
) -> Fraction | None:
    """Return the mean within the extremes seen; without a mean, the highest seen."""
    if low is None and high is None:
        return mean
    if low is None or high is None:
        one = high if low is None else low
        return None if one is None else Fraction(one)
    if mean is None:
        return Fraction(high)
    return min(max(mean, Fraction(low)), Fraction(high))


def charging_from(usages: Sequence[Usage], started_at: datetime) -> datetime:
    """Return when the session proper starts: after the reservation, if there was one."""
    if not any(usage.reservation for usage in usages):
        return started_at
    return min(
        (u.started_at for u in usages if u.reservation is None), default=started_at
    )


def to_us(at: datetime) -> int:
    """Return µs since 1970, exactly."""
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * US_PER_SECOND + delta.microseconds


def from_us(us: Exact) -> datetime:
    """Return the aware UTC time of µs since 1970, to the µs."""
    return _EPOCH + timedelta(microseconds=round(us))
