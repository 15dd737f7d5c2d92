"""A site: all stations under one topic prefix, and the subscriptions to them."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .const import (
    CONF_TOPIC_PREFIX,
    DEFAULT_STATION,
    LOGGER,
    SILENCE_CHECK_INTERVAL,
)
from .coordinator import StationCoordinator
from .messages import (
    STATION_ID,
    parse_event,
    parse_frame,
    parse_info,
    parse_result,
    parse_state,
)
from .wire import Reason, RejectedMessageError, as_bytes

type SolarRallyConfigEntry = ConfigEntry[Site]
type StationListener = Callable[[StationCoordinator], None]

# The order matters: each subscription brings its retained messages, and a
# station should have its name before it gets entities.
TOPICS = ("info", "state", "status", "telemetry", "event", "result")
RETAINED_TOPICS = ("info", "state", "status")

_STATUS = {b"online": True, b"offline": False}


class Site:
    """Listens to one topic prefix and keeps a coordinator for each station."""

    def __init__(self, hass: HomeAssistant, entry: SolarRallyConfigEntry) -> None:
        """Start without stations."""
        self.hass = hass
        self.entry = entry
        self.prefix: str = entry.data[CONF_TOPIC_PREFIX]
        self.stations: dict[str, StationCoordinator] = {}
        # Messages that broke the contract, by station and reason. The station
        # is None as long as nothing valid was heard of it, or anybody who may
        # publish could fill the memory with names.
        self.rejected: Counter[tuple[str | None, Reason]] = Counter()
        self.mqtt_connected = mqtt.is_connected(hass)
        self._station_listeners: list[StationListener] = []

    async def async_start(self) -> None:
        """Subscribe; from here on stations appear. Undone when the entry unloads."""
        entry = self.entry
        entry.async_on_unload(
            mqtt.async_subscribe_connection_status(
                self.hass, self._async_connection_changed
            )
        )
        entry.async_on_unload(
            async_track_time_interval(
                self.hass,
                self._async_check_silence,
                SILENCE_CHECK_INTERVAL,
                cancel_on_shutdown=True,
            )
        )
        topics = [f"{self.prefix}/+/{topic}" for topic in TOPICS]
        for topic in (*topics, f"{self.prefix}/telemetry"):
            entry.async_on_unload(
                await mqtt.async_subscribe(
                    # Bytes, not text: what is no UTF-8 is ours to count.
                    self.hass,
                    topic,
                    self._async_message_received,
                    qos=1,
                    encoding=None,
                )
            )

    @callback
    def async_add_station_listener(self, listener: StationListener) -> CALLBACK_TYPE:
        """Call the listener for each station that appears from now on."""
        self._station_listeners.append(listener)
        return lambda: self._station_listeners.remove(listener)

    async def async_forget_station(self, station_id: str) -> None:
        """Forget a station that is gone, also on the broker.

        Its retained messages would bring it back at the next start.
        """
        self.stations.pop(station_id, None)
        if not self.mqtt_connected:
            return
        for topic in RETAINED_TOPICS:
            await mqtt.async_publish(
                self.hass, f"{self.prefix}/{station_id}/{topic}", "", qos=1, retain=True
            )

    @callback
    def _async_connection_changed(self, connected: bool) -> None:
        self.mqtt_connected = connected
        for coordinator in self.stations.values():
            coordinator.mqtt_connected = connected
            if not connected:
                # The retained status comes again with the connection. Until
                # then the last one may be out of date.
                coordinator.data.forget_status()
            coordinator.async_check_available(notify=False)
            coordinator.async_update_listeners()

    @callback
    def _async_check_silence(self, _now: datetime) -> None:
        for coordinator in self.stations.values():
            coordinator.async_check_available()

    @callback
    def _async_message_received(self, message: mqtt.ReceiveMessage) -> None:
        station_id, _, topic = message.topic[len(self.prefix) + 1 :].rpartition("/")
        payload = as_bytes(message.payload)
        if not payload and topic in RETAINED_TOPICS:
            # An empty message is how a retained one is deleted.
            return
        try:
            self._take(station_id or None, topic, payload, message.retain)
        except RejectedMessageError as rejected:
            self._count_rejected(station_id or None, message.topic, rejected)

    def _take(
        self, station_id: str | None, topic: str, payload: bytes, retained: bool
    ) -> None:
        """Hand one message to its station. Raises RejectedMessageError."""
        if station_id is not None and not STATION_ID.fullmatch(station_id):
            raise RejectedMessageError(Reason.BAD_VALUE, "its topic names no station")
        match topic:
            case "telemetry":
                self._take_frame(station_id, payload)
            case "info" if station_id:
                info = parse_info(payload, topic_station=station_id)
                coordinator = self._get_or_add(station_id)
                coordinator.data.apply_info(info)
                coordinator.async_update_device()
                coordinator.async_handle_change()
            case "state" if station_id:
                state = parse_state(payload)
                coordinator = self._get_or_add(station_id)
                coordinator.data.apply_state(state)
                coordinator.async_handle_change()
            case "status" if station_id:
                if (online := _STATUS.get(payload)) is None:
                    raise RejectedMessageError(
                        Reason.BAD_VALUE, "neither online nor offline"
                    )
                coordinator = self._get_or_add(station_id)
                coordinator.data.apply_status(online)
                coordinator.async_handle_change()
            case "event" if station_id and not retained:
                # A retained event would be news again at every start.
                event = parse_event(payload, now=dt_util.utcnow())
                coordinator = self._get_or_add(station_id)
                if coordinator.data.apply_event(event):
                    coordinator.async_handle_change()
                    coordinator.async_handle_event(event)
            case "result" if station_id in self.stations:
                self.stations[station_id].async_handle_result(parse_result(payload))

    def _take_frame(self, station_id: str | None, payload: bytes) -> None:
        frame = parse_frame(payload, now=dt_util.utcnow(), topic_station=station_id)
        coordinator = self._get_or_add(station_id or frame.station or DEFAULT_STATION)
        if coordinator.data.apply_frame(frame, monotonic()):
            coordinator.async_handle_change()
        else:
            coordinator.async_check_available()

    def _get_or_add(self, station_id: str) -> StationCoordinator:
        coordinator = self.stations.get(station_id)
        if coordinator is None:
            coordinator = StationCoordinator(
                self.hass, self.entry, self.prefix, station_id
            )
            coordinator.mqtt_connected = self.mqtt_connected
            self.stations[station_id] = coordinator
            for listener in list(self._station_listeners):
                listener(coordinator)
        return coordinator

    def _count_rejected(
        self, station_id: str | None, topic: str, rejected: RejectedMessageError
    ) -> None:
        known = station_id if station_id in self.stations else None
        key = (known, rejected.reason)
        self.rejected[key] += 1
        if self.rejected[key] == 1:
            LOGGER.warning(
                "Refused a message on %s (%s); further ones from %s for this reason"
                " are counted in the diagnostics but not logged",
                topic,
                rejected,
                known or "stations not known yet",
            )


@callback
def async_migrate_prefix(hass: HomeAssistant, entry: SolarRallyConfigEntry) -> None:
    """Carry devices and entities over to a prefix that was reconfigured.

    Their identifiers start with the prefix; under a new one the same stations
    would come as new devices, without their names and their history.
    """
    prefix: str = entry.data[CONF_TOPIC_PREFIX]
    devices = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        identifiers = {
            (domain, f"{prefix}/{identifier.rpartition('/')[2]}")
            for domain, identifier in device.identifiers
        }
        if identifiers != device.identifiers:
            devices.async_update_device(device.id, new_identifiers=identifiers)
    entities = er.async_get(hass)
    for entity in er.async_entries_for_config_entry(entities, entry.entry_id):
        # {prefix}/{station}/{key}; only the prefix can hold further slashes.
        _, station_id, key = entity.unique_id.rsplit("/", 2)
        unique_id = f"{prefix}/{station_id}/{key}"
        if unique_id != entity.unique_id:
            entities.async_update_entity(entity.entity_id, new_unique_id=unique_id)
