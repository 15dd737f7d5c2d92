"""What helps to find out why a site does not do as expected."""

from dataclasses import asdict
from time import monotonic
from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .coordinator import StationCoordinator
from .site import Site, SolarRallyConfigEntry

# Diagnostics end up in public bug reports.
TO_REDACT = {"serial", "url", "name"}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: SolarRallyConfigEntry
) -> dict[str, Any]:
    """Return what is known of a site and its stations."""
    site = entry.runtime_data
    return {
        "entry": {"data": dict(entry.data), "version": entry.version},
        "mqtt_connected": site.mqtt_connected,
        "rejected": _rejected(site, None),
        "stations": {
            station_id: _station(site, coordinator)
            for station_id, coordinator in site.stations.items()
        },
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: SolarRallyConfigEntry, device: dr.DeviceEntry
) -> dict[str, Any]:
    """Return what is known of one station."""
    site = entry.runtime_data
    return {
        station_id: _station(site, site.stations[station_id])
        for domain, identifier in device.identifiers
        if domain == DOMAIN
        and (station_id := identifier.rpartition("/")[2]) in site.stations
    }


def _rejected(site: Site, station_id: str | None) -> dict[str, int]:
    return {
        reason.value: count
        for (station, reason), count in site.rejected.items()
        if station == station_id
    }


def _station(site: Site, coordinator: StationCoordinator) -> dict[str, Any]:
    station = coordinator.data
    described: dict[str, Any] = {
        "available": coordinator.available,
        "sends_status": station.sends_status,
        "status": station.status,
        "seconds_since_frame": (
            None
            if station.heard_at is None
            else round(monotonic() - station.heard_at, 1)
        ),
        "features": sorted(station.features),
        "info": station.info
        and asdict(station.info) | {"capabilities": sorted(station.info.capabilities)},
        "state": station.state and asdict(station.state),
        "frame": station.frame and asdict(station.frame),
        "frames_ignored": station.frames_ignored,
        "session": station.session and asdict(station.session),
        "registers_replaced": {
            "total": station.total.replaced,
            "solar": station.solar.replaced,
            "grid": station.grid.replaced,
        },
        "rejected": _rejected(site, coordinator.station_id),
    }
    return async_redact_data(described, TO_REDACT)
