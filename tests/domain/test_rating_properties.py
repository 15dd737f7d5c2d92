"""Rating: what holds for any session and tariff."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from billing_service.domain.cdr import Cdr
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.rating import rate
from billing_service.domain.tariff import (
    DayOfWeek,
    Dimension,
    PriceComponent,
    PriceLimit,
    Restrictions,
    Tariff,
    TariffElement,
)

EXAMPLES = settings(max_examples=60, deadline=None)

# Days on which clocks change, and ordinary ones.
STARTS = st.sampled_from(
    [
        datetime(2026, 3, 28, 20, tzinfo=UTC),
        datetime(2026, 10, 24, 18, tzinfo=UTC),
        datetime(2026, 11, 1, 0, tzinfo=UTC),
        datetime(2026, 6, 15, 12, tzinfo=UTC),
    ]
)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
PRICES = st.decimals(0, 5, places=4)
RATES = st.sampled_from([None, Decimal(0), Decimal(10), Decimal(19), Decimal("5.5")])
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))


def components(step_sizes: st.SearchStrategy[int]) -> st.SearchStrategy[PriceComponent]:
    """Price components of any dimension."""
    return st.builds(
        PriceComponent,
        type=st.sampled_from(Dimension),
        price=PRICES,
        vat=RATES,
        step_size=step_sizes,
    )


RESTRICTIONS = st.builds(
    Restrictions,
    start_time=st.none() | TIMES,
    end_time=st.none() | TIMES,
    min_kwh=st.none() | st.decimals(0, 40, places=1),
    max_kwh=st.none() | st.decimals(1, 40, places=1),
    min_duration=st.none() | st.builds(timedelta, minutes=st.integers(0, 600)),
    max_duration=st.none() | st.builds(timedelta, minutes=st.integers(1, 600)),
    day_of_week=st.frozensets(st.sampled_from(DayOfWeek)),
    source=st.none() | st.sampled_from([Source.SOLAR, Source.GRID]),
)


def tariffs(
    step_sizes: st.SearchStrategy[int], limits: bool = False
) -> st.SearchStrategy[Tariff]:
    """Tariffs of up to six elements."""
    limit = (
        st.none()
        | st.builds(
            PriceLimit,
            excl_vat=st.decimals(0, 10, places=2),
            incl_vat=st.none() | st.decimals(0, 12, places=2),
        )
        if limits
        else st.none()
    )
    return st.builds(
        Tariff,
        id=st.just("t"),
        version=st.just(1),
        name=st.just("t"),
        currency=st.just("EUR"),
        tax_included=st.booleans(),
        elements=st.lists(
            st.builds(
                TariffElement,
                price_components=st.lists(
                    components(step_sizes), min_size=1, max_size=3
                ).map(tuple),
                restrictions=RESTRICTIONS,
            ),
            min_size=1,
            max_size=6,
        ).map(tuple),
        max_price=limit,
    )


NO_STEPS = tariffs(st.just(0))
ANY = tariffs(st.sampled_from([0, 1, 60, 500, 900]), limits=True)


@st.composite
def sessions(draw: st.DrawFn) -> list[ChargingPeriod]:
    """One to six periods, one after the other."""
    at = draw(STARTS)
    periods = []
    for _ in range(draw(st.integers(1, 6))):
        end = at + timedelta(seconds=draw(st.integers(0, 6 * 3600)))
        charging = draw(st.booleans())
        periods.append(
            ChargingPeriod(
                started_at=at,
                ended_at=end,
                source=draw(st.sampled_from([Source.SOLAR, Source.GRID])),
                charging=charging,
                energy_wh=(
                    draw(st.decimals(0, 30000, places=3)) if charging else Decimal(0)
                ),
            )
        )
        at = end
    return periods


def price_of(periods: list[ChargingPeriod], tariff: Tariff, zone: str) -> Cdr:
    """Rate the periods as one session."""
    return rate(
        periods,
        tariff,
        zone,
        started_at=periods[0].started_at,
        ended_at=periods[-1].ended_at,
    )


@EXAMPLES
@given(sessions(), ANY, ZONES)
def test_lines_sum_to_the_totals(
    periods: list[ChargingPeriod], tariff: Tariff, zone: str
) -> None:
    """Exactly, without and with VAT, whatever was cut, rounded up or limited."""
    cdr = price_of(periods, tariff, zone)
    assert sum(line.cost.excl_vat for line in cdr.lines) == cdr.total_cost.excl_vat
    assert sum(line.cost.incl_vat for line in cdr.lines) == cdr.total_cost.incl_vat
    parts = (
        cdr.total_fixed_cost
        + cdr.total_energy_cost
        + cdr.total_time_cost
        + cdr.total_parking_cost
    )
    adjusted = [line.cost for line in cdr.lines if line.limit is not None]
    assert cdr.total_cost == sum(adjusted, parts)


@EXAMPLES
@given(sessions(), NO_STEPS, ZONES)
def test_priced_energy_is_never_more_than_was_used(
    periods: list[ChargingPeriod], tariff: Tariff, zone: str
) -> None:
    """Cutting creates no energy; what all elements together leave out is the difference."""
    cdr = price_of(periods, tariff, zone)
    priced = sum(
        line.quantity for line in cdr.lines if line.dimension is Dimension.ENERGY
    )
    assert priced <= cdr.total_energy_kwh
    catch_all = TariffElement(
        price_components=(PriceComponent(type=Dimension.ENERGY, price=Decimal(1)),)
    )
    full = Tariff(
        id="t",
        version=1,
        name="t",
        currency="EUR",
        elements=(*tariff.elements, catch_all),
    )
    priced = sum(
        line.quantity
        for line in price_of(periods, full, zone).lines
        if line.dimension is Dimension.ENERGY
    )
    assert priced == cdr.total_energy_kwh


@EXAMPLES
@given(sessions(), NO_STEPS, ZONES)
def test_adding_a_period_never_loses_cost(
    periods: list[ChargingPeriod], tariff: Tariff, zone: str
) -> None:
    """With prices that are not negative, more use never costs less."""
    costs = [
        price_of(periods[: n + 1], tariff, zone).total_cost.excl_vat
        for n in range(len(periods))
    ]
    assert all(before <= after for before, after in pairwise(costs))


@EXAMPLES
@given(sessions(), NO_STEPS, ZONES, st.data())
def test_splitting_a_period_changes_nothing(
    periods: list[ChargingPeriod], tariff: Tariff, zone: str, data: st.DataObject
) -> None:
    """At any instant, as long as energy is split in proportion to time."""
    index = data.draw(st.integers(0, len(periods) - 1))
    whole = periods[index]
    seconds = int(whole.duration.total_seconds())
    # Only whole mWh are energies; make the period's one divide by its seconds.
    energy = (
        Decimal(seconds) * data.draw(st.integers(0, 5))
        if whole.charging
        else Decimal(0)
    )
    whole = ChargingPeriod(
        started_at=whole.started_at,
        ended_at=whole.ended_at,
        source=whole.source,
        charging=whole.charging,
        energy_wh=energy,
    )
    cut = data.draw(st.integers(0, seconds))
    instant = whole.started_at + timedelta(seconds=cut)
    left = energy * cut / seconds if seconds else energy
    halves = [
        ChargingPeriod(
            started_at=start,
            ended_at=end,
            source=whole.source,
            charging=whole.charging,
            energy_wh=part,
        )
        for start, end, part in (
            (whole.started_at, instant, left),
            (instant, whole.ended_at, energy - left),
        )
    ]
    before, after = periods[:index], periods[index + 1 :]
    one = price_of([*before, whole, *after], tariff, zone)
    two = price_of([*before, *halves, *after], tariff, zone)
    assert one == two


@EXAMPLES
@given(sessions(), ANY, ZONES, st.randoms(use_true_random=False))
def test_the_order_of_periods_does_not_matter(
    periods: list[ChargingPeriod], tariff: Tariff, zone: str, random: object
) -> None:
    """Periods may be handed over in any order."""
    periods = [p for p in periods if p.duration]
    if not periods:
        return
    shuffled = list(periods)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    span = {"started_at": periods[0].started_at, "ended_at": periods[-1].ended_at}
    assert rate(periods, tariff, zone, **span) == rate(shuffled, tariff, zone, **span)


@EXAMPLES
@given(sessions(), ANY, ZONES)
def test_a_maximum_is_never_exceeded(
    periods: list[ChargingPeriod], tariff: Tariff, zone: str
) -> None:
    """Neither the net nor the gross total, to the billionth."""
    if tariff.max_price is None:
        return
    total = price_of(periods, tariff, zone).total_cost
    noise = Decimal("1e-9")
    assert total.excl_vat <= tariff.max_price.excl_vat + noise
    if tariff.max_price.incl_vat is not None:
        assert total.incl_vat <= tariff.max_price.incl_vat + noise
