"""OCPI CDR objects (mod_cdrs): the usage in one as rating needs it, and a rated one as JSON."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Any

from billing_service.adapters.ocpi.reading import Reader
from billing_service.domain.cdr import Cdr, CdrLine, Cost
from billing_service.domain.clock import zone
from billing_service.domain.errors import CdrInvalid, TariffInvalid
from billing_service.domain.period import Source
from billing_service.domain.tariff import Dimension, Reservation
from billing_service.domain.usage import Usage, UsedSession

_HOUR = 3600
_COARSEST_ROUNDING_S = 36
"""Hours with two decimals are 36 s coarse; a volume is not believed to be rounded more."""


class _CdrDimension(StrEnum):
    """OCPI CdrDimensionType. Those of sessions only say nothing about the price."""

    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    RESERVATION_TIME = "RESERVATION_TIME"
    MAX_CURRENT = "MAX_CURRENT"
    MIN_CURRENT = "MIN_CURRENT"
    MAX_POWER = "MAX_POWER"
    MIN_POWER = "MIN_POWER"
    CURRENT = "CURRENT"
    ENERGY_EXPORT = "ENERGY_EXPORT"
    ENERGY_IMPORT = "ENERGY_IMPORT"
    POWER = "POWER"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"


_LONGEST = timedelta(days=366)

_TIMES = (
    _CdrDimension.RESERVATION_TIME,
    _CdrDimension.TIME,
    _CdrDimension.PARKING_TIME,
)


@dataclass(frozen=True, slots=True)
class _Period:
    path: str
    started_at: datetime
    volumes: dict[_CdrDimension, Decimal]
    source: Source | None


def session_from_ocpi(data: object) -> UsedSession:
    """Read the usage in a CDR. Raises CdrInvalid with everything that is wrong.

    ``time_zone`` (IANA, UTC when absent) and a period's ``source`` are additions to OCPI. Volumes
    are hours rounded to some decimals: where a period's times agree within that rounding, the
    times count, so that 0.0833 h is five minutes.
    """
    reader = Reader()
    session = _session(reader, data)
    if reader.problems or session is None:
        raise CdrInvalid(reader.problems)
    return session


def _session(reader: Reader, data: object) -> UsedSession | None:
    root = reader.mapping(data, "$")
    if root is None:
        return None
    started_at = reader.instant(root, "start_date_time", "$", required=True)
    ended_at = reader.instant(root, "end_date_time", "$", required=True)
    time_zone = reader.text(root, "time_zone", "$") or "UTC"
    currency = reader.currency(root, "currency", "$")
    try:
        zone(time_zone)
    except TariffInvalid as error:
        reader.problem("$.time_zone", error.problems[0][1])
    periods = [
        _period(reader, path, value)
        for path, value in reader.items(root, "charging_periods", "$")
    ]
    if started_at is None or ended_at is None:
        return None
    if ended_at < started_at:
        reader.problem("$.end_date_time", "must not be before start_date_time")
        return None
    if ended_at - started_at > _LONGEST:
        reader.problem(
            "$.end_date_time", f"must be within {_LONGEST.days} days of start_date_time"
        )
    known = [period for period in periods if period is not None]
    for period in known:
        if not started_at <= period.started_at <= ended_at:
            reader.problem(
                f"{period.path}.start_date_time",
                "must lie between start_date_time and end_date_time of the CDR",
            )
    for before, after in pairwise(known):
        if after.started_at < before.started_at:
            reader.problem(
                f"{after.path}.start_date_time", "must not be before the period above"
            )
    if reader.problems:
        return None
    expired = not any(
        period.volumes.get(dimension)
        for period in known
        for dimension in (
            _CdrDimension.ENERGY,
            _CdrDimension.TIME,
            _CdrDimension.PARKING_TIME,
        )
    )
    ends = [period.started_at for period in known[1:]] + [ended_at]
    usages = [
        usage
        for period, end in zip(known, ends, strict=True)
        for usage in _usages(reader, period, end, expired=expired)
    ]
    return UsedSession(
        started_at=started_at,
        ended_at=ended_at,
        time_zone=time_zone,
        currency=currency,
        usages=tuple(usages),
    )


def _period(reader: Reader, path: str, value: object) -> _Period | None:
    data = reader.mapping(value, path)
    if data is None:
        return None
    started_at = reader.instant(data, "start_date_time", path, required=True)
    source = reader.choice(data, "source", path, Source)
    volumes: dict[_CdrDimension, Decimal] = {}
    for where, item in reader.items(data, "dimensions", path):
        dimension = reader.mapping(item, where)
        if dimension is None:
            continue
        kind = reader.choice(dimension, "type", where, _CdrDimension, required=True)
        volume = reader.number(dimension, "volume", where, required=True)
        if kind is None or volume is None:
            continue
        if kind in volumes:
            reader.problem(f"{where}.type", f"{kind} is given twice in this period")
        elif volume < 0:
            reader.problem(f"{where}.volume", f"must not be negative, not {volume}")
        else:
            volumes[kind] = volume
    for name in ("CURRENT", "POWER"):
        low = volumes.get(_CdrDimension(f"MIN_{name}"))
        high = volumes.get(_CdrDimension(f"MAX_{name}"))
        if low is not None and high is not None and high < low:
            reader.problem(
                f"{path}.dimensions", f"MAX_{name} must not be below MIN_{name}"
            )
    return None if started_at is None else _Period(path, started_at, volumes, source)


def _usages(
    reader: Reader, period: _Period, ended_at: datetime, *, expired: bool
) -> list[Usage]:
    """Lay a period's reserved, charging and parking time one after the other."""
    microseconds = (ended_at - period.started_at) // timedelta(microseconds=1)
    length = Fraction(microseconds, 1_000_000)
    given = [kind for kind in _TIMES if period.volumes.get(kind)]
    lengths = [_seconds(period.volumes[kind]) for kind in given]
    coarse = sum((_rounding(period.volumes[kind]) for kind in given), Fraction(0))
    spare = length - sum(lengths, Fraction(0))
    if lengths and abs(spare) <= max(coarse, Fraction(1)):
        lengths[-1] += spare
    elif spare < 0:
        hours = " + ".join(f"{kind} {period.volumes[kind]} h" for kind in given)
        reader.problem(
            f"{period.path}.dimensions",
            f"{hours} is more than the {float(length):g} s until the next period",
        )
        return []
    usages = []
    # Energy flows while charging; a period that only parks or only reserves keeps its own.
    carrier = _CdrDimension.TIME if _CdrDimension.TIME in given else None
    at = period.started_at
    for kind, seconds in zip(given, lengths, strict=True):
        end = at + timedelta(microseconds=round(seconds * 1_000_000))
        carries = kind is carrier or (carrier is None and kind is given[-1])
        usages.append(
            _usage(period, kind, at, end, carries_energy=carries, expired=expired)
        )
        at = end
    if not given:
        usages.append(
            _usage(period, None, at, ended_at, carries_energy=True, expired=expired)
        )
    return usages


def _usage(
    period: _Period,
    kind: _CdrDimension | None,
    started_at: datetime,
    ended_at: datetime,
    *,
    carries_energy: bool,
    expired: bool,
) -> Usage:
    volumes = period.volumes
    reservation = None
    if kind is _CdrDimension.RESERVATION_TIME:
        reservation = (
            Reservation.RESERVATION_EXPIRES if expired else Reservation.RESERVATION
        )
    time_dimension = None
    if kind is not None:
        time_dimension = (
            Dimension.PARKING_TIME
            if kind is _CdrDimension.PARKING_TIME
            else Dimension.TIME
        )
    energy = volumes.get(_CdrDimension.ENERGY, Decimal(0)) if carries_energy else 0
    return Usage(
        started_at=started_at,
        ended_at=ended_at,
        time_dimension=time_dimension,
        energy_wh=Decimal(energy).scaleb(3),
        source=period.source,
        reservation=reservation,
        min_current_a=volumes.get(_CdrDimension.MIN_CURRENT),
        max_current_a=volumes.get(_CdrDimension.MAX_CURRENT),
        min_power_w=_watts(volumes.get(_CdrDimension.MIN_POWER)),
        max_power_w=_watts(volumes.get(_CdrDimension.MAX_POWER)),
    )


def _rounding(hours: Decimal) -> Fraction:
    """Return how many seconds the last decimal of an hour count is worth."""
    exponent = hours.as_tuple().exponent
    last = Fraction(10) ** (exponent if isinstance(exponent, int) else 0) * _HOUR
    return min(last, Fraction(_COARSEST_ROUNDING_S))


def _seconds(hours: Decimal) -> Fraction:
    """Return seconds; a broken number of them becomes the whole minute or second it was."""
    exact = Fraction(hours) * _HOUR
    if exact.denominator == 1:
        return exact
    for unit in (60, 1):
        whole = Fraction(round(exact / unit) * unit)
        if abs(whole - exact) <= _rounding(hours) / 2:
            return whole
    return exact


def _watts(kilowatts: Decimal | None) -> Decimal | None:
    return None if kilowatts is None else kilowatts.scaleb(3)


def cdr_to_ocpi(cdr: Cdr) -> dict[str, Any]:
    """Write a rated session with OCPI's field names: amounts as decimal strings, not rounded.

    Energy (kWh) and times (h) are numbers. ``lines`` is an addition that explains every amount.
    """
    data: dict[str, Any] = {
        "start_date_time": _time(cdr.started_at),
        "end_date_time": _time(cdr.ended_at),
        "currency": cdr.currency,
        "tariff_id": cdr.tariff_id,
        "total_cost": _cost(cdr.total_cost),
        "total_fixed_cost": _cost(cdr.total_fixed_cost),
        "total_energy": float(cdr.total_energy_kwh),
        "total_energy_cost": _cost(cdr.total_energy_cost),
        "total_time": _hours(cdr.total_time),
        "total_time_cost": _cost(cdr.total_time_cost),
        "total_parking_time": _hours(cdr.total_parking_time),
        "total_parking_cost": _cost(cdr.total_parking_cost),
    }
    if any(line.reservation for line in cdr.lines):
        data["total_reservation_cost"] = _cost(cdr.total_reservation_cost)
    data["lines"] = [_line(line) for line in cdr.lines]
    return data


def _line(line: CdrLine) -> dict[str, Any]:
    return {
        "dimension": str(line.dimension),
        "element": line.element,
        "start_date_time": _time(line.started_at),
        "end_date_time": _time(line.ended_at),
        "source": None if line.source is None else str(line.source),
        "quantity": _amount(line.quantity),
        "price": _amount(line.price),
        "vat": None if line.vat is None else f"{line.vat:f}",
        "cost": _cost(line.cost),
        "reason": line.reason,
    }


def _cost(cost: Cost) -> dict[str, str]:
    return {"excl_vat": _amount(cost.excl_vat), "incl_vat": _amount(cost.incl_vat)}


def _amount(value: Decimal) -> str:
    """Return all decimals there are, and at least four."""
    exponent = value.as_tuple().exponent
    return (
        f"{value:.4f}" if isinstance(exponent, int) and exponent > -4 else f"{value:f}"
    )


def _hours(value: timedelta) -> float:
    return value / timedelta(hours=1)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
