"""The twin on the bench: the real program, contactors, meters and a car around it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aioesphomeapi
import pytest
import pytest_asyncio
from aioesphomeapi.client import APIClient
from aioesphomeapi.core import APIConnectionError
from bench.bench import WITHIN_S, Bench, Change
from bench.twin import Twin

pytestmark = pytest.mark.asyncio

DEAD_TIME_S = 0.2


@pytest_asyncio.fixture
async def station(
    twin_program: Path, tmp_path: Path, bench: Bench
) -> AsyncIterator[Twin]:
    """A station that was never switched on before, on the bench."""
    async with Twin(twin_program, tmp_path, bench.environment) as station:
        yield station


class Home:
    """Home Assistant's side of the native API."""

    def __init__(self, port: int) -> None:
        self.client = APIClient("127.0.0.1", port, None)
        self.states: dict[str, object] = {}
        self._keys: dict[int, str] = {}
        self._by_name: dict[str, aioesphomeapi.EntityInfo] = {}
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Future[None]] = set()

    async def connect(self) -> None:
        """Connect as soon as the station listens, and follow its states."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    await self.client.connect(login=True)
                    break
                except APIConnectionError:
                    await asyncio.sleep(0.1)
        entities, _ = await self.client.list_entities_services()
        for entity in entities:
            self._by_name[entity.name] = entity
            self._keys[entity.key] = entity.name
        self.client.subscribe_states(self._on_state)

    def _on_state(self, state: aioesphomeapi.EntityState) -> None:
        self.states[self._keys[state.key]] = getattr(state, "state", None)
        self._tasks.add(asyncio.ensure_future(self._notify()))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(
        self, name: str, value: object, timeout_s: float = WITHIN_S
    ) -> None:
        """Wait until an entity has this state."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: self.states.get(name) == value)

    def key(self, name: str) -> int:
        """The key of the entity of this name."""
        return self._by_name[name].key


@pytest_asyncio.fixture
async def home(station: Twin) -> AsyncIterator[Home]:
    """Home Assistant, connected to the station."""
    home = Home(station.api_port)
    await home.connect()
    yield home
    await home.client.disconnect()


def dead_times(history: list[Change]) -> list[float]:
    """Seconds from each opening of a contact to the next closing of the other's contact."""
    opened: dict[str, float] = {}
    times = []
    for change in history:
        if change.what != "contact":
            continue
        other = "grid" if change.source == "solar" else "solar"
        if not change.closed:
            opened[change.source] = change.at
        elif other in opened:
            times.append(change.at - opened[other])
    return times


async def test_outputs_are_off_at_boot(bench: Bench, home: Home) -> None:
    """A station that was just switched on energises nothing, with or without a car."""
    bench.car.plugged = True
    await home.until("Pilot state", "B")
    assert home.states["Mode"] == "off"
    assert not [change for change in bench.history if change.closed]


async def test_charges_from_solar(bench: Bench, home: Home) -> None:
    """With sun, mode auto closes the solar contactor once the car asks, and the meter counts."""
    home.client.select_command(home.key("Mode"), "auto")
    bench.car.plugged = True
    await home.until("Status", "charging")
    assert bench.closed() == "solar"
    assert bench.car.current_a == pytest.approx(32.0, abs=0.1)
    await home.until("Source", "solar")


async def test_changes_source_with_a_dead_time(bench: Bench, home: Home) -> None:
    """Solar to grid and back: the car is stopped first, and both are open for the dead time."""
    home.client.select_command(home.key("Mode"), "grid")
    bench.car.plugged = True
    await bench.until(lambda: bench.closed() == "grid")
    await home.until("Status", "charging")
    await asyncio.sleep(0)
    home.client.select_command(home.key("Mode"), "solar")
    await bench.until(lambda: bench.closed() == "solar")
    # Off and at once to the other: the way around the interlock.
    home.client.select_command(home.key("Mode"), "off")
    home.client.select_command(home.key("Mode"), "grid")
    await bench.until(lambda: bench.closed() == "grid")
    times = dead_times(bench.history)
    assert len(times) == 2
    assert min(times) >= DEAD_TIME_S


async def test_collapse_falls_back_to_grid(bench: Bench, home: Home) -> None:
    """When the solar source collapses under load the grid takes over."""
    home.client.select_command(home.key("Mode"), "auto")
    bench.car.plugged = True
    await bench.until(lambda: bench.closed() == "solar")
    bench.solar_voltage_v = 40.0
    await bench.until(lambda: bench.closed() == "grid")
    assert min(dead_times(bench.history)) >= DEAD_TIME_S


async def test_a_pilot_that_cannot_be_read_proves_nothing(
    bench: Bench, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ADC that fails says -15 V: that is neither a state of the pilot nor the sign of a diode."""
    home.client.select_command(home.key("Mode"), "grid")
    monkeypatch.setattr(bench.car, "pilot_levels", lambda _duty: (-15.0, -15.0))
    await home.until("Faults", "pilot_error")
    monkeypatch.setattr(bench.car, "pilot_levels", lambda _duty: (6.0, -15.0))
    await home.until("Faults", "diode_missing")
    assert bench.history == []


async def test_unplugging_opens_at_once(bench: Bench, home: Home) -> None:
    """A pulled plug opens the contactor."""
    home.client.select_command(home.key("Mode"), "grid")
    bench.car.plugged = True
    await bench.until(lambda: bench.closed() == "grid")
    bench.car.plugged = False
    await bench.until(lambda: bench.closed() == "none")
    await home.until("Vehicle", False)


async def test_welded_contactor_is_latched(bench: Bench, home: Home) -> None:
    """A contactor that does not open is a fault, and the other one never closes; a reset needs the cause gone."""
    home.client.select_command(home.key("Mode"), "auto")
    bench.car.plugged = True
    await bench.until(lambda: bench.closed() == "solar")
    bench.contactors["solar"].welded = True
    home.client.select_command(home.key("Mode"), "grid")
    await home.until("Faults", "solar_contactor_welded")
    home.client.button_command(home.key("Reset faults"))
    await home.until("Status", "fault")
    assert bench.closed() == "solar"
    assert not bench.contactors["grid"].coil
    bench.contactors["solar"].welded = False
    bench.contactors["solar"].closed = False
    # The firmware must see the contact open before a reset can succeed.
    async with asyncio.timeout(WITHIN_S):
        while home.states["Faults"] != "none":
            home.client.button_command(home.key("Reset faults"))
            await asyncio.sleep(0.3)
    await bench.until(lambda: bench.closed() == "grid")


async def test_contactor_that_never_closes_is_latched(bench: Bench, home: Home) -> None:
    """A contactor whose contact does not follow its coil is a fault."""
    bench.contactors["grid"].stuck_open = True
    home.client.select_command(home.key("Mode"), "grid")
    bench.car.plugged = True
    await home.until("Faults", "grid_contactor_failed")
    assert not bench.contactors["grid"].coil


async def test_silent_meter_takes_its_source_away(bench: Bench, home: Home) -> None:
    """When the grid's meter falls silent the grid is left, and solar still works."""
    home.client.select_command(home.key("Mode"), "grid")
    bench.car.plugged = True
    await bench.until(lambda: bench.closed() == "grid")
    bench.meters["grid"].unplugged = True
    await home.until("Faults", "grid_meter_silent")
    await bench.until(lambda: bench.closed() == "none")
    home.client.select_command(home.key("Mode"), "auto")
    await bench.until(lambda: bench.closed() == "solar")


async def test_mode_and_limit_survive_a_power_cut(
    bench: Bench, station: Twin, home: Home
) -> None:
    """What the owner set is there again after a power cut."""
    home.client.select_command(home.key("Mode"), "auto")
    home.client.number_command(home.key("Current limit"), 10.0)
    await home.until("Current limit", 10.0)
    await home.until("Mode", "auto")
    await station.cut_power()
    await station.start()
    again = Home(station.api_port)
    await again.connect()
    await again.until("Mode", "auto")
    await again.until("Current limit", 10.0)
    bench.car.plugged = True
    await bench.until(lambda: bench.car.current_a > 0)
    assert bench.car.current_a <= 10.01
    await again.client.disconnect()
