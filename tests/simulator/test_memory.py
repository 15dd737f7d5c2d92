"""Boot numbers and registers outlive the process."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.memory import (
    AHEAD_WH,
    LAST_GIVEN_BOOT,
    MemoryUnusable,
    StationMemory,
    registers_of_boot_wh,
)


def test_a_clean_restart_goes_on_where_it_ended(tmp_path: Path) -> None:
    """The next run has the next boot number and exactly the registers of the last."""
    first = StationMemory(tmp_path, "ev", "garage", seed=1)
    first.cover(first.boot, 300_000.5, 200_000.25)
    first.settle(first.boot, 300_000.5, 200_000.25)
    second = StationMemory(tmp_path, "ev", "garage", seed=1)
    assert (second.boot, second.solar_wh, second.grid_wh) == (2, 300_000.5, 200_000.25)
    second.close()


@given(steps=st.lists(st.tuples(st.floats(0, 900), st.floats(0, 900)), max_size=40))
def test_a_killed_run_leaves_no_register_behind(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, float]]
) -> None:
    """However a run ends, the next one starts at or above what went out, and not far above."""
    folder = tmp_path_factory.mktemp("memory")
    killed = StationMemory(folder, "home/ev", "garage", seed=1)
    solar_wh, grid_wh = killed.solar_wh, killed.grid_wh
    for solar, grid in steps:
        solar_wh, grid_wh = solar_wh + solar, grid_wh + grid
        killed.cover(killed.boot, solar_wh, grid_wh)
    killed.close()
    after = StationMemory(folder, "home/ev", "garage", seed=1)
    assert solar_wh <= after.solar_wh <= solar_wh + AHEAD_WH
    assert grid_wh <= after.grid_wh <= grid_wh + AHEAD_WH
    assert after.boot == killed.boot + 1
    after.close()


def test_a_reboot_by_command_is_remembered(tmp_path: Path) -> None:
    """A boot number that went out is not given again."""
    memory = StationMemory(tmp_path, "ev", "garage", seed=1)
    memory.cover(memory.boot + 1, memory.solar_wh, memory.grid_wh)
    memory.close()
    again = StationMemory(tmp_path, "ev", "garage", seed=1)
    assert again.boot == 3
    again.close()


def test_two_processes_may_not_be_the_same_station(tmp_path: Path) -> None:
    """The second one is refused; another station is not."""
    first = StationMemory(tmp_path, "ev", "garage", seed=1)
    with pytest.raises(MemoryUnusable, match="already"):
        StationMemory(tmp_path, "ev", "garage", seed=1)
    StationMemory(tmp_path, "ev", "carport", seed=1).close()
    first.close()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"boot": 1}', '{"boot": "x", "solar_wh": 1}']
)
def test_a_damaged_file_is_said_and_not_overwritten(tmp_path: Path, text: str) -> None:
    """Starting over would repeat frames, so it is left to the person."""
    path = tmp_path / "ev.garage.json"
    path.write_text(text)
    with pytest.raises(MemoryUnusable, match="damaged"):
        StationMemory(tmp_path, "ev", "garage", seed=1)
    assert path.read_text() == text


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    """The message says what to do instead."""
    (tmp_path / "file").write_text("")
    with pytest.raises(MemoryUnusable, match="--state-dir"):
        StationMemory(tmp_path / "file" / "state", "ev", "garage", seed=1)


def test_given_boots_have_registers_of_their_own() -> None:
    """Each boot number starts above all that the one before can reach, within the contract."""
    starts = [registers_of_boot_wh(1, "garage", boot) for boot in (1, 2, 3)]
    assert starts[0] < starts[1] < starts[2]
    assert sum(registers_of_boot_wh(1, "garage", LAST_GIVEN_BOOT)) < 9e9
