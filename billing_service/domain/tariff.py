"""What charging costs: the tariff model of OCPI 2.2.1 (mod_tariffs), and a price by source."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from billing_service.domain.period import Source


class Dimension(StrEnum):
    """What a price component charges for (OCPI TariffDimensionType)."""

    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    FLAT = "FLAT"


class DayOfWeek(StrEnum):
    """OCPI DayOfWeek."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


class Reservation(StrEnum):
    """OCPI ReservationRestrictionType: what an element that prices a reservation is for."""

    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceComponent:
    """A price for one dimension.

    ``price`` is per kWh (ENERGY), per hour (TIME, PARKING_TIME) or per session (FLAT), in the
    tariff's currency; without VAT unless the tariff is ``tax_included``. ``vat`` is a percentage,
    None where no VAT applies. ``step_size`` is the block in which the dimension is billed, in Wh
    or seconds; 0, the default, bills exactly what was used.
    """

    type: Dimension
    price: Decimal
    vat: Decimal | None = None
    step_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What restrictions are tested against: one instant of a session.

    ``local`` is the station's wall clock. ``energy_kwh`` and ``duration`` count from the start of
    the session. ``current_a`` (sum over the phases) and ``power_kw`` are None when unknown; then
    an element that restricts them does not apply.
    """

    local: datetime
    energy_kwh: Fraction = Fraction(0)
    duration: timedelta = timedelta(0)
    source: Source | None = None
    current_a: Fraction | None = None
    power_kw: Fraction | None = None
    reservation: Reservation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """When an element applies; None does not restrict. Minimums inclusive, maximums exclusive.

    Times and dates are the station's local ones; ``end_time`` before ``start_time`` wraps
    midnight, ``end_time`` 00:00 is the end of the day, and equal times are the whole day. Each
    restriction is tested on its own, so that 22:00-06:00 on MONDAY means the first six and the
    last two hours of Monday. Energy is in kWh, current in A summed over the phases, power in kW.
    An element with ``reservation`` prices the reservation and nothing else. ``source`` goes beyond
    OCPI: each kWh is priced by where it came from.
    """

    start_time: time | None = None
    end_time: time | None = None
    start_date: date | None = None
    end_date: date | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: timedelta | None = None
    max_duration: timedelta | None = None
    day_of_week: frozenset[DayOfWeek] = frozenset()
    reservation: Reservation | None = None
    source: Source | None = None

    def hold(self, moment: Moment) -> bool:
        """Tell whether all of them hold at that moment (OCPI: a logical AND)."""
        return (
            self.reservation is moment.reservation
            and (self.source is None or self.source is moment.source)
            and within_time(moment.local.time(), self.start_time, self.end_time)
            and (self.start_date is None or self.start_date <= moment.local.date())
            and (self.end_date is None or moment.local.date() < self.end_date)
            and (not self.day_of_week or day_of(moment.local) in self.day_of_week)
            and _within(moment.energy_kwh, self.min_kwh, self.max_kwh)
            and _within(moment.current_a, self.min_current, self.max_current)
            and _within(moment.power_kw, self.min_power, self.max_power)
            and (self.min_duration is None or self.min_duration <= moment.duration)
            and (self.max_duration is None or moment.duration < self.max_duration)
        )

    @property
    def follow_the_clock(self) -> bool:
        """Whether any of them depends on local time or date."""
        return bool(
            self.start_time is not None
            or self.end_time is not None
            or self.start_date
            or self.end_date
            or self.day_of_week
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffElement:
    """Price components that share their restrictions."""

    price_components: tuple[PriceComponent, ...]
    restrictions: Restrictions = Restrictions()


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLimit:
    """A bound on a session's total; each side binds on its own."""

    excl_vat: Decimal
    incl_vat: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """One immutable version of a tariff.

    Elements are tried in order; in each dimension the first whose restrictions all hold wins, and
    a dimension no element covers costs nothing.
    """

    id: str
    version: int
    name: str
    currency: str
    elements: tuple[TariffElement, ...]
    tax_included: bool = False
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    @property
    def restricts_current(self) -> bool:
        """Whether any element applies at some currents only."""
        return any(
            each.restrictions.min_current is not None
            or each.restrictions.max_current is not None
            for each in self.elements
        )

    @property
    def restricts_power(self) -> bool:
        """Whether any element applies at some powers only."""
        return any(
            each.restrictions.min_power is not None
            or each.restrictions.max_power is not None
            for each in self.elements
        )

    def component(
        self, dimension: Dimension, moment: Moment
    ) -> tuple[int, PriceComponent] | None:
        """Return the index of the element that prices a dimension at a moment, and its price.

        None when the dimension costs nothing then. An expired reservation is priced by the
        elements made for it, and where there are none by those of any reservation (OCPI,
        ReservationRestrictionType).
        """
        found = self._first(dimension, moment)
        if found is None and moment.reservation is Reservation.RESERVATION_EXPIRES:
            return self._first(
                dimension, replace(moment, reservation=Reservation.RESERVATION)
            )
        return found

    def _first(
        self, dimension: Dimension, moment: Moment
    ) -> tuple[int, PriceComponent] | None:
        for index, element in enumerate(self.elements):
            for component in element.price_components:
                if component.type is dimension and element.restrictions.hold(moment):
                    return index, component
        return None


def day_of(at: date) -> DayOfWeek:
    """Return the day of the week of a date or a local time."""
    return _DAYS[at.weekday()]


def within_time(now: time, start: time | None, end: time | None) -> bool:
    """Tell whether a wall-clock time lies in [start, end) as OCPI means it; see Restrictions."""
    first = time.min if start is None else start
    if end is None or end == time.min:
        return now >= first
    if first == end:
        return True
    if first < end:
        return first <= now < end
    return now >= first or now < end


def _within(value: Fraction | None, low: Decimal | None, high: Decimal | None) -> bool:
    if low is None and high is None:
        return True
    if value is None:
        return False
    return (low is None or Fraction(low) <= value) and (
        high is None or value < Fraction(high)
    )


_DAYS = tuple(DayOfWeek)
