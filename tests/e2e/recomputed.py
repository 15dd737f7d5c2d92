"""Energy and cost of a session from its frames alone, by the rules of the design, on paper so to say.

Shares no code with the billing service: what both say must agree.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

_CENT = Decimal("0.01")
_LARGEST_GAP_S = 60


def read_frames(file: Path) -> list[dict[str, Any]]:
    """Return the frames, numbers as decimals."""
    return [
        json.loads(line, parse_float=Decimal, parse_int=Decimal)
        for line in file.read_text().splitlines()
    ]


@dataclass(frozen=True)
class Energy:
    """Wh by source."""

    solar_wh: Decimal
    grid_wh: Decimal

    @property
    def total_wh(self) -> Decimal:
        """Wh from both."""
        return self.solar_wh + self.grid_wh


def energy_by_registers(frames: list[dict[str, Any]]) -> Energy:
    """Return what the two meters' registers went up by, from the first frame to the last."""
    first, last = frames[0], frames[-1]
    return Energy(
        last["solar"]["E"] - first["solar"]["E"], last["grid"]["E"] - first["grid"]["E"]
    )


def energy_by_power(frames: list[dict[str, Any]]) -> Decimal:
    """Return E = Σ P·Δt in Wh.

    Trapezoids between neighbours of one source; where the source changes, the earlier power up to
    the later frame; nothing across a gap.
    """
    watt_seconds = Decimal(0)
    for earlier, later in pairwise(frames):
        start, end = (
            datetime.fromisoformat(it["timestamp"]) for it in (earlier, later)
        )
        seconds = Decimal((end - start).total_seconds())
        if seconds > _LARGEST_GAP_S:
            continue
        if earlier["source"] == later["source"]:
            power_w = (earlier["P"] + later["P"]) / 2
        else:
            power_w = earlier["P"]
        watt_seconds += power_w * seconds
    return watt_seconds / 3600


@dataclass(frozen=True)
class Cost:
    """What a bill must say, in its currency."""

    lines: tuple[Decimal, ...]
    net: Decimal
    vat: Decimal
    total: Decimal


def cost_of(energy: Energy, prices: dict[str, str]) -> Cost:
    """Return start fee, solar and grid energy, each line rounded once, half up, and the VAT."""
    lines = (
        _cents(Decimal(prices["start"])),
        _cents(energy.solar_wh / 1000 * Decimal(prices["solar"])),
        _cents(energy.grid_wh / 1000 * Decimal(prices["grid"])),
    )
    net = sum(lines, Decimal(0))
    vat = _cents(net * Decimal(prices["vat_percent"]) / 100)
    return Cost(lines, net, vat, net + vat)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)
