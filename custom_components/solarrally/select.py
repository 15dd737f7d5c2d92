"""What the owner wants the station to do."""

from typing import override

from homeassistant.components.select import SelectEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import StationEntity, StationEntityDescription, async_add_as_shown
from .messages import Mode, Source
from .site import SolarRallyConfigEntry
from .station import Feature

# Each station answers for itself; none waits until another one has.
PARALLEL_UPDATES = 0

MODE = StationEntityDescription(
    key="mode",
    translation_key="mode",
    needs=frozenset({Feature.STATE, Feature.INFO}),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SolarRallyConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the mode of each station of the site."""
    async_add_as_shown(entry, async_add_entities, (MODE,), ModeSelect)


class ModeSelect(StationEntity, SelectEntity):
    """Which sources the station may use."""

    @property
    @override
    def options(self) -> list[str]:
        """Return the modes that the wired sources allow, and the present one."""
        wired = self.station.info.capabilities if self.station.info else frozenset()
        possible = {
            Mode.OFF: True,
            Mode.SOLAR: Source.SOLAR in wired,
            Mode.GRID: Source.GRID in wired,
            Mode.AUTO: {Source.SOLAR, Source.GRID} <= wired,
        }
        return [
            mode.value for mode in Mode if possible[mode] or mode == self.current_option
        ]

    @property
    @override
    def current_option(self) -> str | None:
        """Return the mode the station is in."""
        return self.station.state.mode if self.station.state else None

    @property
    @override
    def shown(self) -> object:
        """Return the mode and the choice."""
        return self.current_option, self.options

    @override
    async def async_select_option(self, option: str) -> None:
        """Ask the station to change its mode."""
        await self.coordinator.async_command("set_mode", option)
