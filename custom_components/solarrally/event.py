"""What happens at a station."""

from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import StationEntity, StationEntityDescription, async_add_as_shown
from .messages import StationEvent
from .site import SolarRallyConfigEntry
from .station import Feature

# The entities only report what was pushed.
PARALLEL_UPDATES = 0

# Who a card belongs to is for the billing, not for every dashboard.
_PRIVATE = frozenset({"token"})


@dataclass(frozen=True, kw_only=True)
class StationEventDescription(StationEntityDescription, EventEntityDescription):
    """Describe an event entity of a station."""


EVENTS: tuple[StationEventDescription, ...] = (
    StationEventDescription(
        key="session_event",
        translation_key="session_event",
        needs=frozenset({Feature.STATE}),
        event_types=["plugged", "session_started", "session_ended", "unplugged"],
    ),
    StationEventDescription(
        key="station_event",
        translation_key="station_event",
        needs=frozenset({Feature.STATE}),
        event_types=["source_changed", "fault_raised", "fault_cleared", "rebooted"],
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: SolarRallyConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the events of each station of the site."""
    async_add_as_shown(entry, async_add_entities, EVENTS, StationEventEntity)


class StationEventEntity(StationEntity, EventEntity):
    """Reports events as the station sends them.

    Nothing is made up from states: a session that was already under way when
    Home Assistant started is no news.
    """

    entity_description: StationEventDescription

    @override
    async def async_added_to_hass(self) -> None:
        """Listen to the station."""
        await super().async_added_to_hass()
        self.async_on_remove(
            self.coordinator.async_add_event_listener(self._handle_event)
        )

    @callback
    def _handle_event(self, event: StationEvent) -> None:
        if event.type not in self.event_types:
            return
        attributes: dict[str, Any] = {
            key: value for key, value in event.fields.items() if key not in _PRIVATE
        }
        attributes["timestamp"] = event.timestamp
        if event.session is not None:
            attributes["session"] = event.session
        self._trigger_event(event.type, attributes)
        self.async_write_ha_state()
