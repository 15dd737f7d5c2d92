"""One coordinator per station: what is known of it, and the commands to it."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import override
from uuid import uuid4

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util
from yarl import URL

from .const import COMMAND_TIMEOUT_S, DOMAIN, LOGGER, MANUFACTURER
from .messages import CommandError, Info, Result, StationEvent
from .station import Feature, Station

# What the person at the dashboard asked for cannot be done as asked. The other
# errors are a fault of ours, of the station or of the network.
_ASKED_WRONGLY = frozenset(
    {
        CommandError.OUT_OF_RANGE,
        CommandError.NOT_SUPPORTED,
        CommandError.NO_VEHICLE,
        CommandError.FAULT_ACTIVE,
    }
)

type EventListener = Callable[[StationEvent], None]


class StationCoordinator(DataUpdateCoordinator[Station]):
    """Holds one station, tells the entities of changes and carries commands.

    Nothing is polled: the site hands in every message that concerns the station.
    """

    config_entry: ConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, prefix: str, station_id: str
    ) -> None:
        """Start with a station of which nothing is known but its id."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=f"{prefix}/{station_id}",
            update_interval=None,
        )
        self.data = Station(station_id)
        self.prefix = prefix
        self.mqtt_connected = True
        self.available = False
        self._missed = False
        self._waiting: dict[str, asyncio.Future[Result]] = {}
        self._feature_listeners: list[CALLBACK_TYPE] = []
        self._event_listeners: list[EventListener] = []
        self._shown_features: frozenset[Feature] = frozenset()

    @property
    def station_id(self) -> str:
        """Return the station's name on MQTT."""
        return self.data.id

    @property
    def unique_id(self) -> str:
        """Return what identifies the station among all sites."""
        return f"{self.prefix}/{self.station_id}"

    @property
    def station_name(self) -> str:
        """Return the name a person knows the station by."""
        info = self.data.info
        if info is not None and info.name is not None:
            return info.name
        return f"{MANUFACTURER} {self.station_id}"

    @property
    def device_info(self) -> dr.DeviceInfo:
        """Return what the device registry shows of the station."""
        device_info = dr.DeviceInfo(
            identifiers={(DOMAIN, self.unique_id)},
            manufacturer=MANUFACTURER,
            name=self.station_name,
        )
        if (info := self.data.info) is not None:
            device_info["manufacturer"] = info.manufacturer or MANUFACTURER
            device_info["model"] = info.model
            device_info["sw_version"] = info.firmware
            device_info["serial_number"] = info.serial
            device_info["configuration_url"] = _page_of(info)
        return device_info

    @override
    async def _async_update_data(self) -> Station:
        """Return what is known; asking for an update cannot bring more."""
        return self.data

    @callback
    def async_add_feature_listener(self, listener: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Call the listener when the station shows a feature for the first time."""
        self._feature_listeners.append(listener)
        return lambda: self._feature_listeners.remove(listener)

    @callback
    def async_add_event_listener(self, listener: EventListener) -> CALLBACK_TYPE:
        """Call the listener with each event of the station, once."""
        self._event_listeners.append(listener)
        return lambda: self._event_listeners.remove(listener)

    @callback
    def async_handle_change(self) -> None:
        """Tell everybody who shows the station that it changed."""
        self.async_check_available(notify=False)
        if self._shown_features != self.data.features:
            self._shown_features = frozenset(self.data.features)
            for listener in list(self._feature_listeners):
                listener()
        self.async_update_listeners()

    @callback
    def async_handle_event(self, event: StationEvent) -> None:
        """Report something that happened."""
        for listener in list(self._event_listeners):
            listener(event)

    @callback
    def async_update_device(self) -> None:
        """Bring the device registry up to date with the station's info."""
        dr.async_get(self.hass).async_get_or_create(
            config_entry_id=self.config_entry.entry_id, **self.device_info
        )

    @callback
    def async_check_available(self, *, notify: bool = True) -> None:
        """Find out whether the station is there; log its going and its return."""
        available = self.mqtt_connected and self.data.online(monotonic())
        if available == self.available:
            return
        # The first word of a station is no return, and with the broker gone
        # it is not the station that fell silent: MQTT logs that itself.
        if available and self._missed:
            LOGGER.info("%s is back", self.station_name)
            self._missed = False
        elif not available and self.mqtt_connected:
            LOGGER.info("%s is offline", self.station_name)
            self._missed = True
        self.available = available
        if notify:
            self.async_update_listeners()

    @callback
    def async_handle_result(self, result: Result) -> None:
        """Hand a result to the command that waits for it."""
        waiting = self._waiting.get(result.id)
        if waiting is None or waiting.done():
            LOGGER.debug("Nobody waits for result %s of %s", result.id, self.name)
            return
        waiting.set_result(result)

    async def async_command(
        self, command: str, value: str | float | None = None
    ) -> None:
        """Send one command and wait for the station's answer.

        Raises ServiceValidationError when the station refuses what was asked,
        HomeAssistantError when it fails, is busy or stays silent, or when there
        is no connection to the broker.
        """
        if not self.mqtt_connected:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="mqtt_disconnected",
                translation_placeholders={"station": self.station_name},
            )
        command_id = uuid4().hex
        waiting = self.hass.loop.create_future()
        self._waiting[command_id] = waiting
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await mqtt.async_publish(
                    self.hass,
                    f"{self.unique_id}/command",
                    encode_command(command_id, command, value, dt_util.utcnow()),
                    qos=1,
                    retain=False,
                )
                result = await waiting
        except TimeoutError as err:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="no_answer",
                translation_placeholders={"station": self.station_name},
            ) from err
        finally:
            del self._waiting[command_id]
        self._raise_refusal(result)

    def _raise_refusal(self, result: Result) -> None:
        if result.ok:
            return
        LOGGER.debug("%s refused: %s: %s", self.name, result.error, result.message)
        error = result.error or CommandError.FAILED
        raise (
            ServiceValidationError if error in _ASKED_WRONGLY else HomeAssistantError
        )(
            translation_domain=DOMAIN,
            translation_key=f"command_{error}",
            translation_placeholders={
                "station": self.station_name,
                "message": result.message or "–",
            },
        )


def _page_of(info: Info) -> str | None:
    """Return the station's own page, None for an address that nobody can open."""
    try:
        return info.url if info.url and URL(info.url).host else None
    except ValueError:
        return None


def encode_command(
    command_id: str, command: str, value: str | float | None, now: datetime
) -> str:
    """Return a command as the contract has it; `now` is aware."""
    message: dict[str, str | float] = {
        "id": command_id,
        "command": command,
        "timestamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{now.microsecond // 1000:03}Z",
    }
    if value is not None:
        message["value"] = value
    return json.dumps(message, separators=(",", ":"))
