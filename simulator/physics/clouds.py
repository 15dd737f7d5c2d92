"""What the clouds let through, by scenario."""

import math
import random
from enum import StrEnum
from typing import Protocol


class Scenario(StrEnum):
    """The weather a station is simulated in."""

    SUNNY = "sunny"
    CLOUDY = "cloudy"
    PV_DROP = "pv-drop"
    NIGHT = "night"
    FLAPPING = "flapping"


class Clouds(Protocol):
    """A sky that changes with time."""

    def step(self, dt_s: float, session_part: float | None) -> float:
        """Let `dt_s` seconds pass; share of the clear-sky irradiance that arrives, 0 to 1.

        `session_part` says how much of the planned session is over (0 to 1), or None
        between sessions.
        """
        ...


class ClearSky:
    """No clouds."""

    def step(self, dt_s: float, session_part: float | None) -> float:
        """All of it arrives."""
        return 1.0


class DriftingClouds:
    """Broken clouds: a mean-reverting random walk (Ornstein-Uhlenbeck), by its exact step."""

    MEAN = 0.5
    SPREAD = 0.35
    MEMORY_S = 240.0
    LEAST, MOST = 0.08, 1.0

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._value = rng.gauss(self.MEAN, self.SPREAD)

    def step(self, dt_s: float, session_part: float | None) -> float:
        """The walk goes on for `dt_s`; its value is cut to what a real sky lets through."""
        keep = math.exp(-dt_s / self.MEMORY_S)
        noise = self.SPREAD * math.sqrt(1 - keep * keep)
        self._value = (
            self.MEAN + (self._value - self.MEAN) * keep + self._rng.gauss(0, noise)
        )
        return min(self.MOST, max(self.LEAST, self._value))


class DropMidSession:
    """A clear sky but for one dense front that covers the middle fifth of the session."""

    FROM, TO = 0.4, 0.6
    LEAST = 0.08
    # A front's edge passes over a roof within about half a minute.
    EDGE_S = 30.0

    def __init__(self) -> None:
        self._value = 1.0

    def step(self, dt_s: float, session_part: float | None) -> float:
        """Glide towards covered within the front, towards clear outside of it."""
        covered = session_part is not None and self.FROM <= session_part < self.TO
        change = (1.0 - self.LEAST) * dt_s / self.EDGE_S
        if covered:
            self._value = max(self.LEAST, self._value - change)
        else:
            self._value = min(1.0, self._value + change)
        return self._value


class FlappingClouds:
    """Small dense clouds in quick succession: light and shadow take turns.

    Some phases are shorter than the station's hold times and some longer: a station without
    hold times would switch its contactors at each of them.
    """

    LIGHT, SHADOW = 0.75, 0.12
    SHORTEST_S, LONGEST_S = 15.0, 150.0

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._light = True
        self._left_s = self._draw()

    def _draw(self) -> float:
        return self._rng.uniform(self.SHORTEST_S, self.LONGEST_S)

    def step(self, dt_s: float, session_part: float | None) -> float:
        """Count the phase down and turn it over at its end."""
        self._left_s -= dt_s
        while self._left_s <= 0:
            self._light = not self._light
            self._left_s += self._draw()
        return self.LIGHT if self._light else self.SHADOW


def clouds_of(scenario: Scenario, rng: random.Random) -> Clouds:
    """The sky of `scenario`; `rng` is its only source of chance."""
    match scenario:
        case Scenario.SUNNY | Scenario.NIGHT:
            return ClearSky()
        case Scenario.CLOUDY:
            return DriftingClouds(rng)
        case Scenario.PV_DROP:
            return DropMidSession()
        case Scenario.FLAPPING:
            return FlappingClouds(rng)
