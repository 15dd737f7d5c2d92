"""When the station's wall clock can change a price: tariff boundaries, daylight saving included."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from billing_service.domain.errors import TariffInvalid
from billing_service.domain.tariff import Tariff

_DAY = timedelta(days=1)


def zone(time_zone: str | tzinfo) -> tzinfo:
    """Return the time zone of an IANA name. Raises TariffInvalid when there is none such."""
    if isinstance(time_zone, tzinfo):
        return time_zone
    try:
        return ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise TariffInvalid(
            (("time_zone", f"there is no time zone {time_zone!r}"),)
        ) from error


def tariff_boundaries(
    tariff: Tariff,
    started_at: datetime,
    ended_at: datetime,
    time_zone: str | tzinfo,
    *,
    session_started_at: datetime | None = None,
) -> tuple[datetime, ...]:
    """Return the instants strictly between two at which a restriction on time may change.

    Aware UTC, ascending. Where a restriction follows the wall clock these are its times of day,
    midnights, and the changes of the zone's offset, so that 23- and 25-hour days come out right:
    a time that occurs twice is a boundary twice. With ``session_started_at`` the duration
    thresholds are among them.
    """
    found: set[datetime] = set()
    if session_started_at is not None:
        for element in tariff.elements:
            for limit in (
                element.restrictions.min_duration,
                element.restrictions.max_duration,
            ):
                if limit is not None:
                    found.add(session_started_at.astimezone(UTC) + limit)
    times = {time.min}
    follows = False
    for element in tariff.elements:
        restrictions = element.restrictions
        follows |= restrictions.follow_the_clock
        times.update(
            t for t in (restrictions.start_time, restrictions.end_time) if t is not None
        )
    if follows:
        tz = zone(time_zone)
        found.update(_offset_changes(started_at, ended_at, tz))
        day = started_at.astimezone(tz).date() - _DAY
        last = ended_at.astimezone(tz).date() + _DAY
        while day <= last:
            found.update(_instants(day, times, tz))
            day += _DAY
    return tuple(sorted(at for at in found if started_at < at < ended_at))


def next_boundary(
    tariff: Tariff,
    after: datetime,
    time_zone: str | tzinfo,
    *,
    session_started_at: datetime | None = None,
) -> datetime | None:
    """Return the first instant after one at which a price may change; None if none within 2 days."""
    boundaries = tariff_boundaries(
        tariff,
        after,
        after + 2 * _DAY,
        time_zone,
        session_started_at=session_started_at,
    )
    return boundaries[0] if boundaries else None


def _instants(day: date, times: set[time], tz: tzinfo) -> set[datetime]:
    # A time that the clock skips yields two instants that are no boundary; cutting there is
    # harmless, because the price on both sides is the same.
    return {
        datetime.combine(day, t, tz).replace(fold=fold).astimezone(UTC)
        for t in times
        for fold in (0, 1)
    }


def _offset_changes(
    started_at: datetime, ended_at: datetime, tz: tzinfo
) -> set[datetime]:
    """Return when the zone's offset changes, to the second; one change a day at most."""
    found = set()
    left = started_at.astimezone(UTC).replace(microsecond=0)
    while left < ended_at:
        right = left + _DAY
        if _offset(left, tz) != _offset(right, tz):
            low, high = left, right
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=int((high - low).total_seconds() / 2))
                if _offset(middle, tz) == _offset(left, tz):
                    low = middle
                else:
                    high = middle
            found.add(high)
        left = right
    return found


def _offset(at: datetime, tz: tzinfo) -> timedelta | None:
    return at.astimezone(tz).utcoffset()
