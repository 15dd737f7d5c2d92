"""A register through noise, glitches and replaced meters."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.solarrally.register import CONFIRMING_READINGS, Register

START = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def read_all(readings_wh: list[float], seconds: float = 1) -> tuple[Register, float]:
    """Read one value after the other; return the register and the sum of the shifts."""
    register = Register()
    shift_wh = sum(
        register.read(energy_wh, START + timedelta(seconds=seconds * place))
        for place, energy_wh in enumerate(readings_wh)
    )
    return register, shift_wh


@pytest.mark.parametrize(
    ("readings_wh", "energy_wh"),
    [
        ([1000, 1001, 1002], 1002),
        ([1000, 999, 1000.5], 1000.5),
        ([1000, 999, 998], 1000),
        ([1000, 0, 1001], 1001),
        ([1000, 0, 0, 0, 0, 1001], 1001),
        ([1000, 9_000_000, 1001], 1001),
        ([1000, 0, 9_000_000, 0, 9_000_000, 0, 9_000_000], 1000),
    ],
    ids=[
        "rises",
        "noise, then rises",
        "noise holds the highest",
        "one zero",
        "a burst of zeros too short to be a new meter",
        "one absurd jump",
        "readings that contradict each other",
    ],
)
def test_glitches_do_not_show(readings_wh: list[float], energy_wh: float) -> None:
    """What cannot be true is held back, and the next true reading counts."""
    register, shift_wh = read_all(readings_wh)
    assert register.energy_wh == energy_wh
    assert (shift_wh, register.replaced) == (0, 0)


@pytest.mark.parametrize("new_wh", [0, 500_000], ids=["from zero", "used meter"])
def test_replaced_meter_is_confirmed(new_wh: float) -> None:
    """A new meter is believed after a few readings, and its count starts there."""
    after = [new_wh + step for step in range(CONFIRMING_READINGS)]
    register, shift_wh = read_all([1000, *after])
    assert register.energy_wh == after[-1]
    assert register.replaced == 1
    assert shift_wh == new_wh - 1000


def test_long_gap_allows_a_long_charge() -> None:
    """What was charged while nobody listened is no glitch."""
    register, shift_wh = read_all([1000, 45_000], seconds=3600)
    assert (register.energy_wh, shift_wh) == (45_000, 0)


def test_clock_that_steps_back_is_no_glitch() -> None:
    """A register goes on counting when the station's clock is corrected."""
    register = Register()
    register.read(1000, START)
    register.read(1001, START - timedelta(hours=3))
    assert register.energy_wh == 1001
