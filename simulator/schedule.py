"""When a vehicle comes and goes. Pure; seconds since the simulated start."""

import math
import random

# A vehicle stops charging this long before it is unplugged: the driver presses stop first.
LEAVE_S = 4.0
SHORTEST_SESSION_S = 30.0
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 300.0, 1200.0


class Schedule:
    """One session after the other, with pauses, until `end_s` (None: without end)."""

    def __init__(
        self,
        plug_in_after_s: float,
        session_length_s: float,
        end_s: float | None,
        rng: random.Random,
    ) -> None:
        self._length_s = session_length_s
        self._end_s = math.inf if end_s is None else end_s
        self._rng = rng
        self.plug_in_s = math.inf
        self.unplug_s = math.inf
        self._plan(plug_in_after_s)

    def _plan(self, plug_in_s: float) -> None:
        # The last frame before the end shows the station without a vehicle.
        unplug_s = min(plug_in_s + self._length_s, self._end_s - 1.0)
        if unplug_s - plug_in_s >= SHORTEST_SESSION_S:
            self.plug_in_s, self.unplug_s = plug_in_s, unplug_s
        else:
            self.plug_in_s = self.unplug_s = math.inf

    def plugged(self, now_s: float) -> bool:
        """Whether a vehicle is connected; plans the next session once one is over."""
        if now_s >= self.unplug_s:
            pause_s = self._rng.uniform(SHORTEST_PAUSE_S, LONGEST_PAUSE_S)
            self._plan(self.unplug_s + pause_s)
        return self.plug_in_s <= now_s

    def leaving(self, now_s: float) -> bool:
        """Whether the driver has stopped the charge to unplug."""
        return now_s >= self.unplug_s - LEAVE_S

    def part(self, now_s: float) -> float | None:
        """How much of the planned session is over, 0 to 1; None between sessions."""
        if not self.plug_in_s <= now_s < self.unplug_s:
            return None
        return (now_s - self.plug_in_s) / (self.unplug_s - self.plug_in_s)

    def middle_s(self) -> float:
        """Middle of the present or next session; of the first hour when none is planned."""
        return (
            1800.0
            if math.isinf(self.plug_in_s)
            else (self.plug_in_s + self.unplug_s) / 2
        )

    def finish(self, now_s: float) -> None:
        """No more sessions; one that is under way ends as soon as the driver can unplug."""
        self._end_s = now_s
        if self.plug_in_s <= now_s < self.unplug_s:
            self.unplug_s = min(self.unplug_s, now_s + LEAVE_S)
        elif now_s < self.plug_in_s:
            self.plug_in_s = self.unplug_s = math.inf

    def over(self, now_s: float) -> bool:
        """Whether the end is reached and no vehicle is connected."""
        return now_s >= self._end_s and not self.plug_in_s <= now_s
