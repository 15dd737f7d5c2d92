"""Restrictions in a few words, as a line of a CDR or a bill shows them."""

from datetime import timedelta
from decimal import Decimal

from billing_service.domain.tariff import DayOfWeek, Reservation, Restrictions


def restrictions_in_short(restrictions: Restrictions) -> str:
    """Return for example ``Mon–Fri, 22:00–06:00``; empty when nothing is restricted.

    The source is left out, because a line says it beside its quantity.
    """
    parts = [
        _dates(restrictions),
        days_in_short(restrictions.day_of_week),
        _times(restrictions),
        _range(restrictions.min_kwh, restrictions.max_kwh, "kWh"),
        _range(restrictions.min_current, restrictions.max_current, "A"),
        _range(restrictions.min_power, restrictions.max_power, "kW"),
        _range(
            _minutes(restrictions.min_duration),
            _minutes(restrictions.max_duration),
            "min",
        ),
    ]
    if restrictions.reservation is Reservation.RESERVATION:
        parts.append("reservation")
    elif restrictions.reservation is Reservation.RESERVATION_EXPIRES:
        parts.append("expired reservation")
    return ", ".join(part for part in parts if part)


def days_in_short(days: frozenset[DayOfWeek]) -> str:
    """Return ``Mon–Fri`` or ``Sat, Sun``; empty for every day."""
    order = list(DayOfWeek)
    chosen = [day for day in order if day in days]
    if not chosen or len(chosen) == len(order):
        return ""
    runs: list[list[DayOfWeek]] = []
    for day in chosen:
        if runs and order.index(day) == order.index(runs[-1][-1]) + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    words = []
    for run in runs:
        names = [day[:3].capitalize() for day in run]
        words.append(f"{names[0]}–{names[-1]}" if len(run) > 2 else ", ".join(names))
    return ", ".join(words)


def _times(restrictions: Restrictions) -> str:
    start, end = restrictions.start_time, restrictions.end_time
    if start is None and end is None:
        return ""
    first = "00:00" if start is None else f"{start:%H:%M}"
    last = "24:00" if end is None or f"{end:%H:%M}" == "00:00" else f"{end:%H:%M}"
    return f"{first}–{last}"


def _dates(restrictions: Restrictions) -> str:
    start, end = restrictions.start_date, restrictions.end_date
    last = None if end is None else end - timedelta(days=1)
    if start is not None and last is not None:
        return f"{start}" if start == last else f"{start}–{last}"
    if start is not None:
        return f"from {start}"
    return "" if last is None else f"until {last}"


def _range(low: Decimal | None, high: Decimal | None, unit: str) -> str:
    # A minimum of zero restricts nothing.
    if low is not None and high is not None and low > 0:
        return f"{low:f}–{high:f} {unit}"
    if high is not None:
        return f"< {high:f} {unit}"
    return f"≥ {low:f} {unit}" if low is not None and low > 0 else ""


def _minutes(limit: timedelta | None) -> Decimal | None:
    if limit is None:
        return None
    minutes = Decimal(limit // timedelta(seconds=1)) / 60
    return minutes if minutes % 1 else minutes.quantize(Decimal(1))
