"""Permission to charge."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import StationEntity, StationEntityDescription, async_add_as_shown
from .site import SolarRallyConfigEntry
from .station import Feature

# Each station answers for itself; none waits until another one has.
PARALLEL_UPDATES = 0

CHARGING = StationEntityDescription(
    key="charging",
    translation_key="charging",
    needs=frozenset({Feature.STATE}),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SolarRallyConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the switch of each station of the site."""
    async_add_as_shown(entry, async_add_entities, (CHARGING,), ChargingSwitch)


class ChargingSwitch(StationEntity, SwitchEntity):
    """Whether the vehicle may charge; the mode decides from which source."""

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether charging is allowed."""
        return self.station.state.enabled if self.station.state else None

    @property
    @override
    def shown(self) -> object:
        """Return whether charging is allowed."""
        return self.is_on

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Ask the station to start."""
        await self.coordinator.async_command("start")

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Ask the station to stop."""
        await self.coordinator.async_command("stop")
