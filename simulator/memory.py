"""What a simulated station remembers from run to run: its boot number and its registers.

A real station keeps them in flash. Here they are one small JSON file per station, so that a
restarted simulator repeats neither (boot, seq) nor the name of a session, and no register falls.
"""

import fcntl
import json
import os
import random
from pathlib import Path

# Registers on file run ahead of those on the wire by up to this much. A run that is killed
# makes the next one start a little higher, never lower.
AHEAD_WH = 2_000.0
# With a boot number given by hand nothing is read or kept: each boot has its own megawatt-hour.
WH_PER_BOOT = 1_000_000.0
LAST_GIVEN_BOOT = 4_000


class MemoryUnusable(Exception):
    """The memory cannot be read, written or locked; the text says what to do."""


def first_registers_wh(seed: int, station: str) -> tuple[float, float]:
    """Registers of a station that has served for a while: solar, grid; Wh."""
    rng = random.Random(f"{seed}/{station}/registers")  # noqa: S311  # repeatable on purpose
    return rng.uniform(100_000, 200_000), rng.uniform(50_000, 100_000)


def registers_of_boot_wh(seed: int, station: str, boot: int) -> tuple[float, float]:
    """Registers at the start of a boot whose number was given by hand: above any earlier one's."""
    solar_wh, grid_wh = first_registers_wh(seed, station)
    return solar_wh + boot * WH_PER_BOOT, grid_wh + boot * WH_PER_BOOT


class StationMemory:
    """The file of one station, held by one process at a time.

    Raises MemoryUnusable when the folder cannot be used, the file is damaged, or another
    process simulates this station.
    """

    def __init__(self, folder: Path, prefix: str, station: str, seed: int) -> None:
        self._path = folder / f"{prefix.replace('/', '.')}.{station}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(
                self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600
            )
        except OSError as error:
            raise MemoryUnusable(
                f"cannot use {folder} ({error.strerror}): choose another --state-dir, "
                "or give a --boot number that was not used before"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise MemoryUnusable(
                f"{station} is already being simulated ({self._path})"
            ) from None
        self.boot, self.solar_wh, self.grid_wh = 0, *first_registers_wh(seed, station)
        try:
            self._read()
        except MemoryUnusable:
            self.close()
            raise
        self.boot += 1
        self._save(self.boot, self.solar_wh, self.grid_wh)

    def _read(self) -> None:
        try:
            kept = json.loads(self._path.read_bytes())
            self.boot = int(kept["boot"])
            self.solar_wh, self.grid_wh = (
                float(kept["solar_wh"]),
                float(kept["grid_wh"]),
            )
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MemoryUnusable(
                f"{self._path} is damaged ({type(error).__name__}); delete it only together "
                "with what receivers have stored of this station"
            ) from None

    def cover(self, boot: int, solar_wh: float, grid_wh: float) -> None:
        """Call before `boot` and these registers go out: what is on file is never behind them."""
        if boot == self.boot and solar_wh <= self.solar_wh and grid_wh <= self.grid_wh:
            return
        self._save(boot, solar_wh + AHEAD_WH, grid_wh + AHEAD_WH)

    def settle(self, boot: int, solar_wh: float, grid_wh: float) -> None:
        """Keep the exact registers at a clean end, and let the station go."""
        self._save(boot, solar_wh, grid_wh)
        self.close()

    def close(self) -> None:
        """Let the station go."""
        os.close(self._lock)

    def _save(self, boot: int, solar_wh: float, grid_wh: float) -> None:
        self.boot, self.solar_wh, self.grid_wh = boot, solar_wh, grid_wh
        text = json.dumps({"boot": boot, "solar_wh": solar_wh, "grid_wh": grid_wh})
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_text(text + "\n")
            fresh.replace(self._path)
        except OSError as error:
            raise MemoryUnusable(
                f"cannot write {self._path}: {error.strerror}"
            ) from None
