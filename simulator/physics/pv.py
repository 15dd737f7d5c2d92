"""The roof: PV array and inverter."""

from dataclasses import dataclass

STC_W_M2 = 1000.0
STC_CELL_C = 25.0


@dataclass(frozen=True, slots=True)
class PvArray:
    """A flat PV array. `peak_w` is its power at standard test conditions."""

    peak_w: float = 6000.0
    # Crystalline silicon; PVWatts 5 defaults (Dobos, NREL/TP-6A20-62641).
    temperature_coefficient_per_k: float = -0.0037
    losses: float = 0.14
    # Nominal operating cell temperature, IEC 61215.
    noct_c: float = 45.0

    def dc_power_w(self, irradiance_w_m2: float, ambient_c: float) -> float:
        """DC power, W, from the irradiance in the plane of the array.

        Cell temperature: Tc = Ta + (NOCT - 20) / 800 · G (IEC 61215).
        Power: P = Pstc · G / 1000 · (1 + γ (Tc - 25)) · (1 - losses) (PVWatts 5, eq. 8).
        """
        cell_c = ambient_c + (self.noct_c - 20.0) / 800.0 * irradiance_w_m2
        derating = 1.0 + self.temperature_coefficient_per_k * (cell_c - STC_CELL_C)
        return max(
            0.0,
            self.peak_w * irradiance_w_m2 / STC_W_M2 * derating * (1.0 - self.losses),
        )


@dataclass(frozen=True, slots=True)
class Inverter:
    """Turns DC into AC up to its rating, and lives on the sun itself."""

    rated_w: float = 5000.0
    efficiency: float = 0.965
    own_use_w: float = 15.0
    start_w: float = 50.0

    def ac_power_w(self, dc_power_w: float) -> float:
        """AC power the inverter can give, W; 0 while it sleeps for want of light."""
        power = dc_power_w * self.efficiency - self.own_use_w
        return min(self.rated_w, power) if power >= self.start_w else 0.0
