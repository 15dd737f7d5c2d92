"""Diagnostics tell what is needed and nothing private."""

from http import HTTPStatus
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from .station_messages import StationOnMqtt


async def download(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, path: str
) -> Any:
    """Download diagnostics as a person does; return what is ours."""
    assert await async_setup_component(hass, "diagnostics", {})
    client = await hass_client()
    response = await client.get(f"/api/diagnostics/{path}")
    assert response.status == HTTPStatus.OK
    return (await response.json())["data"]


async def test_site(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    site: MockConfigEntry,
    garage: StationOnMqtt,
) -> None:
    """The site's download has each station, its last messages and what was refused."""
    await garage.charge()
    await garage.info(url="http://garage.local")
    await garage.send("telemetry", "{}")
    data = await download(hass, hass_client, f"config_entry/{site.entry_id}")
    assert data["entry"]["data"] == {"topic_prefix": "ev"}
    station = data["stations"]["garage"]
    assert station["available"]
    assert station["frame"]["power_w"] == 3215
    assert station["state"]["mode"] == "auto"
    assert "solar" in station["info"]["capabilities"]
    assert station["session"]["id"] == "12-3"
    assert station["rejected"] == {"missing_field": 1}


async def test_device(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    device_registry: dr.DeviceRegistry,
) -> None:
    """The device's download has the one station."""
    await garage.charge()
    [device] = dr.async_entries_for_config_entry(device_registry, site.entry_id)
    data = await download(
        hass, hass_client, f"config_entry/{site.entry_id}/device/{device.id}"
    )
    assert list(data) == ["garage"]
    assert data["garage"]["info"]["model"] == "SR-32"


async def test_nothing_private(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    site: MockConfigEntry,
    garage: StationOnMqtt,
) -> None:
    """Serial number, address and the name that a person gave do not leave the house."""
    await garage.charge()
    await garage.info(url="http://secret.local", name="Secret name", serial="secret1")
    data = await download(hass, hass_client, f"config_entry/{site.entry_id}")
    assert "secret" not in str(data).lower()
    info = data["stations"]["garage"]["info"]
    assert info["serial"] == info["url"] == info["name"] == "**REDACTED**"
