"""What all entities of a station share."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import override

from homeassistant.core import callback
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .coordinator import StationCoordinator
from .site import SolarRallyConfigEntry
from .station import Feature, Station


@dataclass(frozen=True, kw_only=True)
class StationEntityDescription(EntityDescription):
    """Describe an entity of a station."""

    needs: frozenset[Feature]
    """The entity is made once the station has shown these."""


class StationEntity(CoordinatorEntity[StationCoordinator]):
    """An entity of one station."""

    _attr_has_entity_name = True

    # A station sends a frame each second, and little of it is new.
    _written: object = None

    def __init__(
        self, coordinator: StationCoordinator, description: EntityDescription
    ) -> None:
        """Tie the entity to its station."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_unique_id = f"{coordinator.unique_id}/{description.key}"
        self._attr_device_info = coordinator.device_info

    @property
    def station(self) -> Station:
        """Return the station as it is now."""
        return self.coordinator.data

    @property
    @override
    def available(self) -> bool:
        """Return whether the station is there."""
        return self.coordinator.available

    @property
    def shown(self) -> object:
        """Return what the entity shows; it is written when this changes."""
        return None

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write the state if there is something new."""
        shown = (self.available, self.shown)
        if shown != self._written:
            self._written = shown
            self.async_write_ha_state()


@callback
def async_add_as_shown[DescriptionT: StationEntityDescription](
    entry: SolarRallyConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    descriptions: Iterable[DescriptionT],
    make: Callable[[StationCoordinator, DescriptionT], Entity],
) -> None:
    """Add the entities of each station as soon as it shows what they need.

    Stations appear at any time, and what one can do is learned from what it
    sends: the plain form, say, has neither a mode nor a pilot.
    """

    @callback
    def station_appeared(coordinator: StationCoordinator) -> None:
        waiting = list(descriptions)

        @callback
        def features_shown() -> None:
            shown = [it for it in waiting if it.needs <= coordinator.data.features]
            for description in shown:
                waiting.remove(description)
            if shown:
                async_add_entities([make(coordinator, it) for it in shown])

        coordinator.async_add_feature_listener(features_shown)
        features_shown()

    entry.async_on_unload(
        entry.runtime_data.async_add_station_listener(station_appeared)
    )
