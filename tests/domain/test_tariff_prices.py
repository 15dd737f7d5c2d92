"""Price curves and the instants at which prices change."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from billing_service.domain.clock import next_boundary, tariff_boundaries
from billing_service.domain.period import Source
from billing_service.domain.prices import prices
from billing_service.domain.tariff import Dimension
from tests.domain.rating_builders import START, element, energy, price, tariff

NIGHT = tariff(
    element(energy("0.20"), start_time="22:00", end_time="06:00"),
    element(energy("0.30")),
)
DAY = timedelta(days=1)


def test_a_day_has_its_slots() -> None:
    """Half-open, without gaps, neighbours with equal prices joined."""
    midnight = datetime(2026, 6, 15, tzinfo=UTC)
    slots = prices(NIGHT, midnight, midnight + DAY, "UTC")
    assert [
        (slot.started_at.hour, slot.grid_energy.price)
        for slot in slots
        if slot.grid_energy is not None
    ] == [(0, Decimal("0.20")), (6, Decimal("0.30")), (22, Decimal("0.20"))]
    assert slots[-1].ended_at == midnight + DAY


def test_the_day_clocks_go_back_has_25_hours() -> None:
    """Nine cheap hours in the night of October."""
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)
    slots = prices(NIGHT, start, start + timedelta(hours=25), "Europe/Berlin")
    assert [slot.ended_at - slot.started_at for slot in slots] == [
        timedelta(hours=7),
        timedelta(hours=16),
        timedelta(hours=2),
    ]


def test_each_source_has_its_curve() -> None:
    """Solar and grid are told apart; no price is None."""
    (slot,) = prices(
        tariff(
            element(energy("0.10"), price(Dimension.FLAT, "1"), source=Source.SOLAR),
            element(price(Dimension.PARKING_TIME, "2")),
        ),
        START,
        START + DAY,
        "UTC",
    )
    assert slot.solar_energy is not None
    assert slot.grid_energy is None
    assert slot.time is None
    assert slot.parking_time is not None


def test_outside_its_validity_a_tariff_has_no_price() -> None:
    """The curve ends where the tariff does."""
    ending = tariff(
        element(energy("1")), valid_from=START, valid_until=START + timedelta(hours=1)
    )
    (slot,) = prices(ending, START - DAY, START + DAY, "UTC")
    assert (slot.started_at, slot.ended_at) == (START, START + timedelta(hours=1))
    assert prices(ending, START + DAY, START + 2 * DAY, "UTC") == ()


def test_a_tariff_that_ignores_the_clock_has_no_boundary() -> None:
    """A flat price never changes."""
    assert next_boundary(tariff(element(energy("1"))), START, "Europe/Berlin") is None


def test_the_next_boundary_is_the_station_s_local_time() -> None:
    """22:00 in Berlin is 20:00 UTC in summer."""
    assert next_boundary(NIGHT, START, "Europe/Berlin") == datetime(
        2026, 6, 15, 20, tzinfo=UTC
    )


def test_boundaries_lie_strictly_between() -> None:
    """The ends themselves are not boundaries; durations are."""
    ends = START + timedelta(hours=10)
    limited = tariff(
        element(energy("1"), max_duration=timedelta(hours=1)), *NIGHT.elements
    )
    assert tariff_boundaries(NIGHT, START, ends, "UTC") == ()
    assert tariff_boundaries(limited, START, ends, "UTC", session_started_at=START) == (
        START + timedelta(hours=1),
    )
