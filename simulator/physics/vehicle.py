"""The electric vehicle: on-board charger and battery."""

from dataclasses import dataclass


@dataclass(slots=True)
class Vehicle:
    """One car at the plug. `soc` is its state of charge, 0 to 1."""

    soc: float
    capacity_wh: float = 40_000.0
    charger_w: float = 7_400.0
    charger_a: float = 32.0
    charger_efficiency: float = 0.92
    taper_from: float = 0.9
    # The on-board charger gives up when the battery takes less than this share of its rating.
    full_at: float = 0.03
    # Up gently; down within the 5 s that IEC 61851-1 allows after a change of duty cycle.
    rise_a_per_s: float = 4.0
    fall_a_per_s: float = 16.0
    current_a: float = 0.0
    ready: bool = True

    @property
    def power_limit_w(self) -> float:
        """AC power the battery accepts now, W.

        Constant up to `taper_from`, then falling with the charge still missing: the
        constant-voltage phase, whose current decays exponentially.
        """
        missing = max(0.0, 1.0 - self.soc) / (1.0 - self.taper_from)
        return self.charger_w * min(1.0, missing)

    @property
    def full(self) -> bool:
        """Whether the on-board charger has ended by itself."""
        return self.power_limit_w < self.full_at * self.charger_w

    @property
    def wants_charge(self) -> bool:
        """Whether the vehicle asks for energy."""
        return self.ready and not self.full

    def follow(self, offer_a: float, power_limited_a: float, dt_s: float) -> float:
        """Move the current towards what is offered and what the battery takes; A.

        `offer_a` is the current the control pilot offers (0: none), `power_limited_a`
        the current at which the battery's limit is reached at the present voltage.
        """
        target = (
            min(offer_a, self.charger_a, power_limited_a) if self.wants_charge else 0.0
        )
        if target >= self.current_a:
            self.current_a = min(target, self.current_a + self.rise_a_per_s * dt_s)
        else:
            self.current_a = max(target, self.current_a - self.fall_a_per_s * dt_s)
        return self.current_a

    def charge(self, ac_wh: float) -> None:
        """Book AC energy that has arrived, Wh; the charger's losses stay outside the battery."""
        self.soc += ac_wh * self.charger_efficiency / self.capacity_wh
