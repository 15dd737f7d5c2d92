"""What a station can be asked to do once."""

from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.components.button.const import ButtonDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import StationEntity, StationEntityDescription, async_add_as_shown
from .site import SolarRallyConfigEntry
from .station import Feature

# Each station answers for itself; none waits until another one has.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class StationButtonDescription(StationEntityDescription, ButtonEntityDescription):
    """Describe a button of a station."""

    command: str


BUTTONS: tuple[StationButtonDescription, ...] = (
    StationButtonDescription(
        key="reset_faults",
        translation_key="reset_faults",
        needs=frozenset({Feature.STATE}),
        entity_category=EntityCategory.CONFIG,
        command="reset_faults",
    ),
    StationButtonDescription(
        key="reboot",
        needs=frozenset({Feature.REBOOT}),
        entity_category=EntityCategory.CONFIG,
        device_class=ButtonDeviceClass.RESTART,
        command="reboot",
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SolarRallyConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the buttons of each station of the site."""
    async_add_as_shown(entry, async_add_entities, BUTTONS, StationButton)


class StationButton(StationEntity, ButtonEntity):
    """Sends one command."""

    entity_description: StationButtonDescription

    @override
    async def async_press(self) -> None:
        """Ask the station to do it."""
        await self.coordinator.async_command(self.entity_description.command)
