"""A meter in a source's supply to the vehicle."""

SECONDS_PER_HOUR = 3600.0


class Meter:
    """Measures one source. The register is exact inside and shows whole watt-hours.

    The energy between two readings is their mean power times the time, or the earlier power
    times the time when the source was switched off at the later reading: the rule by which
    receivers integrate frames.
    """

    def __init__(self, energy_wh: float = 0.0) -> None:
        self.energy_wh = energy_wh
        self.voltage_v = 0.0
        self.current_a = 0.0
        self.power_w = 0.0
        self._connected = False

    @property
    def register_wh(self) -> int:
        """What the register shows, Wh."""
        return int(self.energy_wh)

    def observe(
        self,
        voltage_v: float,
        current_a: float,
        power_w: float,
        connected: bool,
        dt_s: float,
    ) -> float:
        """Take the reading at the end of `dt_s`; energy that passed meanwhile, Wh."""
        passed = 0.0
        if self._connected:
            mean = (self.power_w + power_w) / 2 if connected else self.power_w
            passed = mean * dt_s / SECONDS_PER_HOUR
            self.energy_wh += passed
        self.voltage_v = voltage_v
        self.current_a = current_a if connected else 0.0
        self.power_w = power_w if connected else 0.0
        self._connected = connected
        return passed
