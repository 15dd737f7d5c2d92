"""The limit of the charging current."""

from dataclasses import dataclass
from typing import override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.const import UnitOfElectricCurrent
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import StationEntity, StationEntityDescription, async_add_as_shown
from .site import SolarRallyConfigEntry
from .station import Feature

# Each station answers for itself; none waits until another one has.
PARALLEL_UPDATES = 0


STEP_A = 0.1
"""Finer than any control pilot: a tenth of a percent of its duty cycle is 0.06 A (IEC 61851-1)."""


@dataclass(frozen=True, kw_only=True)
class StationNumberDescription(StationEntityDescription, NumberEntityDescription):
    """Describe a number of a station."""


CURRENT_LIMIT = StationNumberDescription(
    key="current_limit",
    translation_key="current_limit",
    needs=frozenset({Feature.STATE, Feature.INFO}),
    device_class=NumberDeviceClass.CURRENT,
    native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
    # The contract takes any number. Home Assistant does not hold people to the step.
    native_step=STEP_A,
    # With so many steps it would show a box.
    mode=NumberMode.SLIDER,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SolarRallyConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the current limit of each station of the site."""
    async_add_as_shown(entry, async_add_entities, (CURRENT_LIMIT,), CurrentLimitNumber)


class CurrentLimitNumber(StationEntity, NumberEntity):
    """The most current that the vehicle is offered."""

    entity_description: StationNumberDescription

    @property
    @override
    def native_min_value(self) -> float:
        """Return the least current the station can charge with."""
        info = self.station.info
        return super().native_min_value if info is None else info.min_current_a

    @property
    @override
    def native_max_value(self) -> float:
        """Return the most current the station is rated for."""
        info = self.station.info
        return super().native_max_value if info is None else info.max_current_a

    @property
    @override
    def native_value(self) -> float | None:
        """Return the limit that is set."""
        return self.station.state.current_limit_a if self.station.state else None

    @property
    @override
    def shown(self) -> object:
        """Return the limit and its range."""
        return self.native_value, self.native_min_value, self.native_max_value

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Ask the station to change its limit, to the step, and never to more than its rating."""
        value = min(max(round(value, 1), self.native_min_value), self.native_max_value)
        await self.coordinator.async_command(
            "set_current_limit", int(value) if value == int(value) else value
        )
