"""What is so or is not so at a station."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import StationEntity, StationEntityDescription, async_add_as_shown
from .site import SolarRallyConfigEntry
from .station import Feature, Station

# The entities only read what was pushed.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class StationBinarySensorDescription(
    StationEntityDescription, BinarySensorEntityDescription
):
    """Describe a binary sensor of a station."""

    is_on_fn: Callable[[Station], bool | None]
    attributes_fn: Callable[[Station], Mapping[str, Any]] = lambda _: {}


BINARY_SENSORS: tuple[StationBinarySensorDescription, ...] = (
    StationBinarySensorDescription(
        key="plugged",
        translation_key="plugged",
        needs=frozenset({Feature.PILOT}),
        device_class=BinarySensorDeviceClass.PLUG,
        is_on_fn=lambda it: it.plugged,
    ),
    StationBinarySensorDescription(
        key="charging",
        needs=frozenset({Feature.STATE}),
        device_class=BinarySensorDeviceClass.BATTERY_CHARGING,
        is_on_fn=lambda it: it.state.charging if it.state else None,
    ),
    StationBinarySensorDescription(
        key="problem",
        needs=frozenset({Feature.STATE}),
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=lambda it: bool(it.state.faults) if it.state else None,
        attributes_fn=lambda it: {"faults": list(it.state.faults) if it.state else []},
    ),
)

CONNECTED = StationEntityDescription(
    key="connected",
    needs=frozenset({Feature.KNOWN}),
    entity_category=EntityCategory.DIAGNOSTIC,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SolarRallyConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensors of each station of the site."""
    async_add_as_shown(entry, async_add_entities, BINARY_SENSORS, StationBinarySensor)
    async_add_as_shown(entry, async_add_entities, (CONNECTED,), ConnectedSensor)


class StationBinarySensor(StationEntity, BinarySensorEntity):
    """Something that is so or is not so."""

    entity_description: StationBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is so, None when that cannot be told."""
        return self.entity_description.is_on_fn(self.station)

    @property
    @override
    def shown(self) -> object:
        """Return all that is told."""
        return self.is_on, self.extra_state_attributes

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """Return what the station says about it."""
        return self.entity_description.attributes_fn(self.station)


class ConnectedSensor(StationEntity, BinarySensorEntity):
    """Whether the station is there; it says so also when it is not."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY

    @property
    @override
    def available(self) -> bool:
        """Return whether we can know: the broker tells us."""
        return self.coordinator.mqtt_connected

    @property
    @override
    def is_on(self) -> bool:
        """Return whether the station is there."""
        return self.coordinator.available

    @property
    @override
    def shown(self) -> object:
        """Return all that is told."""
        return self.is_on
