"""Sun, roof, supplies, vehicle and meter, each by itself."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.physics.clouds import (
    DriftingClouds,
    DropMidSession,
    FlappingClouds,
    Scenario,
    clouds_of,
)
from simulator.physics.meter import Meter
from simulator.physics.pv import Inverter, PvArray
from simulator.physics.sun import (
    SunTrack,
    clear_sky_ghi_w_m2,
    site_where_it_is_midnight,
    site_where_it_is_noon,
    solar_elevation_deg,
)
from simulator.physics.supply import (
    GridSupply,
    SolarSupply,
    current_for_power_a,
    loaded_voltage_v,
)
from simulator.physics.vehicle import Vehicle

YEARS_S = 79 * 365 * 86_400
MOMENTS = st.integers(0, YEARS_S).map(
    lambda second: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)


@given(MOMENTS)
def test_it_is_noon_where_it_should_be(moment: datetime) -> None:
    """At any hour of any day the chosen site has the sun at its highest, above 66 degrees."""
    site = site_where_it_is_noon(moment)
    highest = solar_elevation_deg(site, moment)
    assert highest > 66
    for minutes in (-20, 20):
        assert solar_elevation_deg(site, moment + timedelta(minutes=minutes)) < highest


@given(MOMENTS)
def test_it_is_night_where_it_should_be(moment: datetime) -> None:
    """The midnight site is dark for five hours before and after."""
    site = site_where_it_is_midnight(moment)
    for hours in (-5, 0, 5):
        assert solar_elevation_deg(site, moment + timedelta(hours=hours)) < 0


@pytest.mark.parametrize(
    ("elevation", "expected"),
    [(90, 1035.1), (45, 714.3), (30, 487.9), (10, 135.7), (0, 0), (-5, 0)],
)
def test_clear_sky_irradiance(elevation: float, expected: float) -> None:
    """Haurwitz's formula at some heights of the sun, worked out by hand."""
    assert clear_sky_ghi_w_m2(elevation) == pytest.approx(expected, abs=0.1)


@given(MOMENTS, st.floats(-6 * 3600, 6 * 3600))
def test_the_straight_line_between_two_minutes_is_good_enough(
    noon: datetime, away_s: float
) -> None:
    """Interpolated irradiance differs from the exact one by less than 0.5 W/m²."""
    site = site_where_it_is_noon(noon)
    moment = noon + timedelta(seconds=away_s)
    exact = clear_sky_ghi_w_m2(solar_elevation_deg(site, moment))
    assert SunTrack(site).ghi_w_m2(moment.timestamp()) == pytest.approx(exact, abs=0.5)


def test_the_array_gives_its_rating_at_standard_conditions() -> None:
    """At 1000 W/m² and a cell at 25 °C it is the rated power less the system's losses."""
    array = PvArray(peak_w=6000, losses=0.14)
    ambient_for_25_c = 25 - (array.noct_c - 20) / 800 * 1000
    assert array.dc_power_w(1000, ambient_for_25_c) == pytest.approx(6000 * 0.86)


@given(st.floats(0, 1200), st.floats(-20, 45))
def test_the_inverter_makes_no_energy(irradiance: float, ambient: float) -> None:
    """AC power is never above DC power nor above the rating."""
    dc = PvArray().dc_power_w(irradiance, ambient)
    assert 0 <= Inverter().ac_power_w(dc) <= min(dc, Inverter().rated_w)


@given(st.floats(0, 20_000))
def test_current_and_power_agree(power: float) -> None:
    """The current found for a power delivers that power at the sagged voltage."""
    grid = GridSupply(random.Random(1))
    current = current_for_power_a(grid, power)
    assert loaded_voltage_v(grid, current) * current == pytest.approx(power, abs=1e-6)


def test_voltage_sags_with_current() -> None:
    """Each ampere costs the source's impedance in volts."""
    grid = GridSupply(random.Random(1))
    sag = loaded_voltage_v(grid, 0) - loaded_voltage_v(grid, 32)
    assert sag == pytest.approx(32 * grid.impedance_ohm)


def test_the_grid_keeps_to_its_standard() -> None:
    """Through a day the voltage moves, and stays within 230 V ± 10 %."""
    grid = GridSupply(random.Random(7))
    seen = []
    for _ in range(86_400 // 10):
        grid.step(10)
        seen.append(grid.open_voltage_v)
    assert 207 < min(seen) < max(seen) < 253
    assert max(seen) - min(seen) > 2


def test_a_dead_roof_gives_nothing() -> None:
    """Without sun and with an empty buffer the solar supply has no voltage and no current."""
    solar = SolarSupply(random.Random(1))
    assert solar.open_voltage_v == 0
    assert current_for_power_a(solar, 1000) == 0


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), max_size=60))
def test_the_buffer_stays_within_its_size(flows: list[tuple[float, float]]) -> None:
    """Whatever comes and goes, the buffer is neither overfull nor in debt."""
    solar = SolarSupply(random.Random(1))
    for pv_wh, drawn_wh in flows:
        solar.account(pv_wh, drawn_wh, 1.0)
        assert 0 <= solar.buffer_wh <= solar.buffer_capacity_wh


@given(st.floats(1, 5000), st.floats(0, 60))
def test_solar_power_fades_when_the_buffer_is_used_up(
    pv_w: float, start_wh: float
) -> None:
    """A load that takes all it can get for ten minutes gets what the roof and the buffer had."""
    solar = SolarSupply(random.Random(1))
    solar.pv_w, solar.buffer_wh = pv_w, start_wh
    drawn_wh = 0.0
    for _ in range(600):
        second_wh = solar.deliverable_w / 3600
        drawn_wh += second_wh
        solar.account(pv_w / 3600, second_wh, 1.0)
    assert drawn_wh == pytest.approx(start_wh + pv_w / 6, rel=1e-6, abs=1e-3)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_fuller_battery_takes_no_more(one: float, other: float) -> None:
    """The battery's limit never rises with its charge."""
    less, more = sorted((one, other))
    assert Vehicle(soc=less).power_limit_w >= Vehicle(soc=more).power_limit_w


def test_the_taper_begins_late_and_ends_the_charge() -> None:
    """Full power below the taper, half of it half-way, none wanted when full."""
    assert Vehicle(soc=0.5).power_limit_w == 7400
    assert Vehicle(soc=0.95).power_limit_w == pytest.approx(3700)
    assert not Vehicle(soc=0.999).wants_charge


@given(st.lists(st.sampled_from([0.0, 6.0, 10.0, 16.0, 32.0]), min_size=1, max_size=50))
def test_the_vehicle_never_takes_more_than_is_offered_for_long(
    offers: list[float],
) -> None:
    """Five seconds after an offer the current is at or below it (IEC 61851-1)."""
    vehicle = Vehicle(soc=0.5)
    for offer in offers:
        for _ in range(5):
            vehicle.follow(offer, 99.0, 1.0)
        assert 0 <= vehicle.current_a <= offer


@pytest.mark.parametrize(
    ("powers", "connected", "expected_wh"),
    [
        ([3600, 3600], [True, True], 1.0),
        ([0, 3600], [True, True], 0.5),
        ([3600, 0], [True, False], 1.0),
        ([0, 3600], [False, True], 0.0),
        ([0, 0], [False, False], 0.0),
    ],
)
def test_the_meter_counts_as_receivers_do(
    powers: list[float], connected: list[bool], expected_wh: float
) -> None:
    """Mean power between two readings; the earlier power up to switching off."""
    meter = Meter()
    for power, on in zip(powers, connected, strict=True):
        meter.observe(230, power / 230, power, on, 1.0)
    assert meter.energy_wh == pytest.approx(expected_wh)


def test_the_register_shows_whole_watt_hours() -> None:
    """The display is cut, not rounded: a register shows what has passed."""
    assert Meter(1234.999).register_wh == 1234


@pytest.mark.parametrize("scenario", list(Scenario))
def test_clouds_only_take(scenario: Scenario) -> None:
    """No sky lets more than everything or less than nothing through."""
    clouds = clouds_of(scenario, random.Random(3))
    for second in range(7200):
        assert 0 <= clouds.step(1.0, second / 7200) <= 1


def test_the_front_covers_the_middle_of_the_session() -> None:
    """Clear before and after, almost dark within."""
    clouds = DropMidSession()
    sky = [clouds.step(1.0, second / 3600) for second in range(3600)]
    assert sky[1400] == 1
    assert sky[1800] == DropMidSession.LEAST
    assert sky[2400] == 1


def test_drifting_clouds_come_and_go() -> None:
    """In two hours there is both bright and dull."""
    clouds = DriftingClouds(random.Random(5))
    sky = [clouds.step(1.0, None) for _ in range(7200)]
    assert min(sky) < 0.25
    assert max(sky) > 0.75


def test_flapping_clouds_turn_often() -> None:
    """In an hour light and shadow change more than twenty times."""
    clouds = FlappingClouds(random.Random(5))
    sky = [clouds.step(1.0, None) for _ in range(3600)]
    assert sum(a != b for a, b in pairwise(sky)) > 20
