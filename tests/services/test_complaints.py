"""What users of neighbouring projects complain about, from frames to a session and its cost.

Each test names the complaint. Those that are about one pure function stand with it, in
``tests/domain/test_metering.py`` and ``tests/domain/test_rating.py``.
"""

from collections.abc import AsyncIterator, Sequence
from copy import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from billing_service.adapters.wire import parse_frame
from billing_service.domain.cdr import Cdr
from billing_service.domain.errors import FrameRejected
from billing_service.domain.frame import EventType, Frame, Pilot, SessionEvent, to_ms
from billing_service.domain.period import ChargingPeriod, Source
from billing_service.domain.session import Session
from billing_service.domain.tariff import (
    Dimension,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
)
from billing_service.services.sessions import cost_so_far
from tests.services.site import STATION, T0, Site, open_site

ZONE = "Europe/Berlin"


def energy(price: str, **restrictions: object) -> TariffElement:
    """Make an element with a price for each kWh."""
    component = PriceComponent(type=Dimension.ENERGY, price=Decimal(price))
    return TariffElement(
        price_components=(component,),
        restrictions=Restrictions(**restrictions),  # type: ignore[arg-type]  # by name
    )


BY_HOUR = Tariff(
    id="hours",
    version=1,
    name="By the hour",
    currency="EUR",
    elements=(
        energy("1.00", start_time=time(2), end_time=time(3)),
        energy("-0.05", start_time=time(13), end_time=time(14)),
        energy("0.10", start_time=time(22), end_time=time(6)),
        energy("0.30"),
    ),
)


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Yield a site where each hour may have its price."""
    async with open_site(tmp_path, tariff=BY_HOUR) as made:
        made.now = datetime(2027, 6, 1, tzinfo=UTC)
        yield made


def reading(
    at: datetime,
    grid_wh: int = 0,
    solar_wh: int = 0,
    *,
    watts: int = 1000,
    **more: object,
) -> Frame:
    """Make a frame with both registers, counted by its second."""
    source = more.pop("source", Source.GRID)
    made = Frame(
        STATION, 1, int(at.timestamp()) % 2**31, to_ms(at), 230_000, 0, watts * 1000,
        Source(str(source)), (grid_wh + solar_wh) * 1000, solar_wh * 1000, grid_wh * 1000,
        Pilot.C, "1-1",
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


def hours(first: datetime, number: int) -> list[Frame]:
    """Make hours of 1 kW from the grid, a frame a minute."""
    return [
        reading(first + timedelta(minutes=minute), 7_000 + minute * 1000 // 60)
        for minute in range(number * 60 + 1)
    ]


async def charged(
    site: Site, frames: Sequence[Frame]
) -> tuple[Session, list[ChargingPeriod], Cdr]:
    """Meter frames and rate the session."""
    await site.receive(frames)
    session = await site.session()
    async with site.database.read() as read:
        periods = await read.sessions.periods(session.id)
    cost = cost_so_far(session, tuple(periods), ZONE)
    assert cost is not None
    assert sum(period.energy_wh for period in periods) == session.energy_wh
    return session, periods, cost


def priced(cost: Cdr, price: str) -> Decimal:
    """Return how many kWh were rated at a price."""
    return sum(
        (line.quantity for line in cost.lines if line.price == Decimal(price)),
        start=Decimal(0),
    )


async def test_a_session_begins_at_zero_and_is_never_negative(site: Site) -> None:
    """ocpp#1031: the counter is far from zero at plug-in, and falls by a Wh of rounding."""
    wh = [7_000, 6_999, 7_000, 7_001, 7_000, 7_002]
    seen = []
    for second, value in enumerate(wh):
        await site.receive([reading(T0 + timedelta(seconds=10 * second), value)])
        seen.append((await site.session()).energy_wh)
    assert seen[0] == 0
    assert min(seen) >= 0
    assert seen[-1] <= 5


async def test_the_next_session_does_not_go_on_where_the_last_one_ended(
    site: Site,
) -> None:
    """ocpp#2143: registers never reset; each session counts from its own start."""
    first = hours(T0, 1)
    second = [
        replace(reading(frame.at + timedelta(hours=2), 8_000 + i), session="1-2")
        for i, frame in enumerate(first[:31])
    ]
    await site.receive([*first, *second])
    assert [each.energy_wh for each in await site.sessions()] == [1000, 30]


async def test_nothing_is_counted_twice(site: Site) -> None:
    """OpenEVSE#321, zaptec#178: the total beside the two meters, and power beside registers."""
    frames = [
        reading(T0 + timedelta(seconds=10 * n), 500 + n, 900 + 2 * n, watts=1080)
        for n in range(61)
    ]
    session, _, _ = await charged(site, frames)
    assert [session.grid_wh, session.solar_wh] == [Decimal(60), Decimal(120)]
    assert session.energy_wh == 180


async def test_a_reboot_makes_no_spike(site: Site) -> None:
    """grizzl_e-for-HA#43: registers are 0 for a moment after a reboot, then right again."""
    before = [
        reading(T0 + timedelta(seconds=10 * n), 90_000 + 3 * n) for n in range(30)
    ]
    started = T0 + timedelta(seconds=320)
    zeros = [
        reading(started + timedelta(seconds=n), 0, watts=0, boot=2, seq=n)
        for n in range(3)
    ]
    after = [
        reading(
            started + timedelta(seconds=10 + 10 * n), 90_090 + 3 * n, boot=2, seq=n + 3
        )
        for n in range(30)
    ]
    session, _, _ = await charged(site, [*before, *zeros, *after])
    # Between the last reading before and the first one after, 40 s at 1 kW could have flowed.
    assert 2 * 87 <= session.energy_wh <= 2 * 87 + Decimal(1000 * 40) / 3600


async def test_every_hour_has_its_cost(site: Site) -> None:
    """evcc#31433, #13446: the cost around a change of price is neither missing nor shifted.

    Frames a minute apart lie across the change; what flowed between them is shared by time.
    """
    start = datetime(2026, 11, 22, 19, 30, 30, tzinfo=UTC)  # 20:30:30 local
    session, _, cost = await charged(site, hours(start, 3))
    assert session.energy_wh == 3000
    assert priced(cost, "0.30") == pytest.approx(
        Decimal("1.4917"), abs=Decimal("0.002")
    )
    assert priced(cost, "0.30") + priced(cost, "0.10") == 3
    assert cost.total_cost.excl_vat == priced(cost, "0.30") * Decimal("0.30") + priced(
        cost, "0.10"
    ) * Decimal("0.10")


@pytest.mark.parametrize(
    ("midnight", "length", "repeated"),
    [
        (datetime(2026, 10, 24, 22, tzinfo=UTC), 25, 2),
        (datetime(2027, 3, 27, 23, tzinfo=UTC), 23, 0),
        (datetime(2027, 4, 10, 22, tzinfo=UTC), 24, 1),
    ],
)
async def test_the_hour_the_clocks_change(
    site: Site, midnight: datetime, length: int, repeated: int
) -> None:
    """OpenWB core PR#1757: an hour that comes twice costs twice, one that is left out nothing."""
    session, _, cost = await charged(site, hours(midnight, length))
    assert session.energy_wh == length * 1000
    assert priced(cost, "1.00") == repeated
    assert sum(line.quantity for line in cost.lines) == length


@pytest.mark.parametrize(
    "evening", [datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)]
)
async def test_a_tariff_zone_begins_on_time_after_the_change(
    site: Site, evening: datetime
) -> None:
    """evcc#28831: the night begins at 22:00 local on the day of the change as on the day before."""
    before = timedelta(hours=19 if evening.day == 24 else 20)  # 21:00 local
    _, periods, cost = await charged(site, hours(evening + before, 2))
    assert priced(cost, "0.30") == priced(cost, "0.10") == 1
    assert evening + before + timedelta(hours=1) in {
        period.started_at for period in periods
    }


async def test_a_negative_price_pays_the_driver(site: Site) -> None:
    """evcc#21188: a dynamic price below zero is neither refused nor taken for none."""
    noon = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # 13:00 local
    _, _, cost = await charged(site, hours(noon, 1))
    assert cost.total_cost.excl_vat == Decimal("-0.05")


async def test_local_time_is_not_taken_for_utc() -> None:
    """ha-evcc#328: the same instant in any zone is one instant; a time without zone is none."""

    def frame(stamp: str) -> Frame:
        text = f'{{"V":230,"I":1,"P":230,"source":"grid","timestamp":"{stamp}"}}'
        return parse_frame(
            text.encode(),
            topic_station=STATION,
            default_station=STATION,
            now_ms=to_ms(T0) + 3_600_000,
        )

    assert frame("2026-11-23T10:00:00+01:00").at == T0
    assert frame("2026-11-23T09:00:00Z").at == T0
    with pytest.raises(FrameRejected, match="offset"):
        frame("2026-11-23T10:00:00")


async def test_flapping_between_sun_and_grid_loses_nothing(site: Site) -> None:
    """evcc#29816, #95: the source changes with every frame; each Wh has one source and one price."""
    grid = solar = 0
    frames = []
    for second in range(0, 1800, 10):
        source = Source.SOLAR if second // 10 % 2 else Source.GRID
        frames.append(
            reading(
                T0 + timedelta(seconds=second),
                grid,
                solar,
                watts=3600,
                source=source.value,
            )
        )
        if source is Source.SOLAR:
            solar += 10
        else:
            grid += 10
    frames.append(reading(T0 + timedelta(seconds=1800), grid, solar, watts=3600))
    session, periods, cost = await charged(site, frames)
    assert session.solar_wh == solar == 900
    assert session.grid_wh == grid == 900
    for source, wh in ((Source.SOLAR, solar), (Source.GRID, grid)):
        of = [period for period in periods if period.source is source]
        assert sum(period.energy_wh for period in of) == wh
    assert sum(line.quantity for line in cost.lines) == Decimal("1.8")


async def test_power_that_never_falls_to_zero_does_not_creep_after_the_end(
    site: Site,
) -> None:
    """ocpp#1069: once the station has ended the session, later readings are not its."""
    await charged(site, hours(T0, 1))
    ended = SessionEvent(
        station_id=STATION, type=EventType.SESSION_ENDED, at_ms=to_ms(T0) + 3_600_000,
        session="1-1", started_at_ms=to_ms(T0), meter_stop_mwh=8_000_000, reason="unplugged",
    )  # fmt: skip
    later = [
        replace(
            reading(T0 + timedelta(minutes=61 + n), 8_000 + n, watts=50), session=""
        )
        for n in range(30)
    ]
    await site.receive(later, [ended])
    assert (await site.session()).energy_wh == 1000
