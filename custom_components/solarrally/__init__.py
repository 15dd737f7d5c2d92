"""SolarRally: hybrid solar and grid EV charging stations over MQTT."""

from homeassistant.components import mqtt
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .site import Site, SolarRallyConfigEntry, async_migrate_prefix

PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
]


async def async_setup_entry(hass: HomeAssistant, entry: SolarRallyConfigEntry) -> bool:
    """Set up a site from its config entry."""
    if not await mqtt.async_wait_for_mqtt_client(hass):
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN, translation_key="mqtt_unavailable"
        )
    async_migrate_prefix(hass, entry)
    entry.runtime_data = Site(hass, entry)
    # The platforms first: a station that is heard before would be missed.
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    await entry.runtime_data.async_start()
    return True


async def async_unload_entry(hass: HomeAssistant, entry: SolarRallyConfigEntry) -> bool:
    """Unload a site."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: SolarRallyConfigEntry, device: dr.AnyDeviceEntry
) -> bool:
    """Let a station be removed that is not there any more."""
    site = entry.runtime_data
    station_ids = [
        identifier.rpartition("/")[2]
        for domain, identifier in device.identifiers
        if domain == DOMAIN
    ]
    if any(
        station.available
        for station_id in station_ids
        if (station := site.stations.get(station_id)) is not None
    ):
        return False
    for station_id in station_ids:
        await site.async_forget_station(station_id)
    return True
