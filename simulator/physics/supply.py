"""The two supplies a station switches between, as seen at its terminals."""

import math
import random
from typing import Protocol


class Supply(Protocol):
    """A voltage source behind an impedance."""

    impedance_ohm: float

    @property
    def open_voltage_v(self) -> float:
        """Voltage without a load, V; 0 when the supply is dead."""
        ...


def loaded_voltage_v(supply: Supply, current_a: float) -> float:
    """Voltage at the terminals while `current_a` flows: V = V0 - I · Z (Ohm's law)."""
    return max(0.0, supply.open_voltage_v - current_a * supply.impedance_ohm)


def current_for_power_a(supply: Supply, power_w: float) -> float:
    """Current at which the supply delivers `power_w` at its terminals, A.

    From P = I · (V0 - I · Z) the smaller root; at most the current of greatest power.
    """
    voltage, impedance = supply.open_voltage_v, supply.impedance_ohm
    if voltage <= 0 or power_w <= 0:
        return 0.0
    root = voltage * voltage - 4.0 * impedance * power_w
    return (voltage - math.sqrt(max(0.0, root))) / (2.0 * impedance)


class WanderingVoltage:
    """A voltage that strays about its nominal value (Ornstein-Uhlenbeck, by its exact step)."""

    def __init__(
        self, nominal_v: float, spread_v: float, memory_s: float, rng: random.Random
    ) -> None:
        self._nominal_v = nominal_v
        self._spread_v = spread_v
        self._memory_s = memory_s
        self._rng = rng
        self._away_v = rng.gauss(0, spread_v)
        self._dt_s = self._keep = self._noise_v = 0.0

    @property
    def volts(self) -> float:
        """The voltage now, V."""
        return self._nominal_v + self._away_v

    def step(self, dt_s: float) -> None:
        """Let it stray for `dt_s`; never further than five times the spread."""
        if dt_s != self._dt_s:
            self._dt_s = dt_s
            self._keep = math.exp(-dt_s / self._memory_s)
            self._noise_v = self._spread_v * math.sqrt(1 - self._keep**2)
        away = self._away_v * self._keep + self._rng.gauss(0, self._noise_v)
        limit = 5 * self._spread_v
        self._away_v = min(limit, max(-limit, away))


class GridSupply:
    """The public grid: never quite at its nominal voltage, well within ±10 % (EN 50160)."""

    def __init__(self, rng: random.Random) -> None:
        self.impedance_ohm = 0.25
        self._voltage = WanderingVoltage(230.0, 1.5, 300.0, rng)

    @property
    def open_voltage_v(self) -> float:
        """Voltage without a load, V."""
        return self._voltage.volts

    def step(self, dt_s: float) -> None:
        """Let the voltage wander for `dt_s`."""
        self._voltage.step(dt_s)


class SolarSupply:
    """A hybrid inverter's island output: PV plus a small buffer battery.

    The buffer carries the load for the seconds between a cloud and the station's answer to it,
    and in the dark the inverter itself until it is empty. What neither the load nor the buffer
    takes is curtailed.
    """

    RECHARGE_W = 300.0
    STANDBY_W = 15.0
    # An almost empty buffer gives what it has over this time, so the output fades and never jumps.
    FADE_S = 20.0

    def __init__(self, rng: random.Random, buffer_capacity_wh: float = 60.0) -> None:
        self.impedance_ohm = 0.15
        self.pv_w = 0.0
        self.buffer_capacity_wh = buffer_capacity_wh
        self.buffer_wh = 0.0
        self._voltage = WanderingVoltage(231.5, 0.3, 60.0, rng)

    @property
    def open_voltage_v(self) -> float:
        """Voltage without a load, V; 0 while neither the sun nor the buffer feeds the inverter."""
        return self._voltage.volts if self.pv_w > 0 or self.buffer_wh > 0 else 0.0

    @property
    def available_w(self) -> float:
        """Power the inverter tells the station to use, W: the roof's less the buffer's refill."""
        missing_w = (self.buffer_capacity_wh - self.buffer_wh) * 3600.0 / self.FADE_S
        return max(0.0, self.pv_w - min(self.RECHARGE_W, missing_w))

    @property
    def deliverable_w(self) -> float:
        """Most power it can hold now, W; above it a vehicle's charger has to fold back."""
        return self.pv_w + self.buffer_wh * 3600.0 / self.FADE_S

    def step(self, dt_s: float) -> None:
        """Let the voltage wander for `dt_s`."""
        self._voltage.step(dt_s)

    def account(self, pv_wh: float, drawn_wh: float, dt_s: float) -> None:
        """Book what came from the roof and what the vehicle took in `dt_s`, Wh."""
        own_wh = self.STANDBY_W * dt_s / 3600.0 if self.pv_w == 0 else 0.0
        left = self.buffer_wh + pv_wh - drawn_wh - own_wh
        self.buffer_wh = min(self.buffer_capacity_wh, max(0.0, left))
