"""Which tariff a session gets: the one rule.

A tariff that was never assigned covers everyone, everywhere. One that is, or was, assigned covers
only whom it is assigned to. Of all assignments that hold when the session starts and fit its
driver and station, they are tried in this order:

    the driver at this station    the driver
    the driver's group at this station    the driver's group
    this station    everyone

Among equals the one that began last comes first. The first whose tariff has a version in force
wins; where none has, of the tariffs that were never assigned the one that took effect last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Whom a tariff covers over [from_at, until_at). None does not restrict.

    It names a user or a group, or neither, and may name a station.
    """

    id: str
    tariff_id: str
    user_id: str | None = None
    group: str | None = None
    station_id: str | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Tell whether it holds then."""
        return (self.from_at is None or self.from_at <= at) and (
            self.until_at is None or at < self.until_at
        )

    def fits(self, *, user_id: str | None, group: str | None, station_id: str) -> bool:
        """Tell whether it covers a driver of a group (None: no driver, no group) there."""
        return (
            (self.user_id is None or self.user_id == user_id)
            and (self.group is None or self.group == group)
            and (self.station_id is None or self.station_id == station_id)
        )

    @property
    def same_target(self) -> tuple[str | None, str | None, str | None]:
        """Whom and where it covers, whatever the tariff."""
        return self.user_id, self.group, self.station_id

    @property
    def never(self) -> bool:
        """Whether it covers nothing at all: it keeps its tariff from covering everyone."""
        return self.from_at is not None and self.from_at == self.until_at


def in_order(
    assignments: Iterable[Assignment],
    at: datetime,
    *,
    user_id: str | None,
    group: str | None,
    station_id: str,
) -> list[Assignment]:
    """Return those that cover a session which starts then, the first to be tried first."""
    covering = (
        each
        for each in assignments
        if each.holds(at)
        and each.fits(user_id=user_id, group=group, station_id=station_id)
    )
    return sorted(covering, key=_rank, reverse=True)


def _rank(assignment: Assignment) -> tuple[bool, bool, bool, datetime, str]:
    return (
        assignment.user_id is not None,
        assignment.group is not None,
        assignment.station_id is not None,
        assignment.from_at or datetime.min.replace(tzinfo=UTC),
        assignment.id,
    )
