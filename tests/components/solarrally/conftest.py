"""Home Assistant with a mocked MQTT client, and a site in it."""

from collections.abc import Callable

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.solarrally.const import CONF_TOPIC_PREFIX, DOMAIN

from .station_messages import StationOnMqtt


@pytest.fixture(autouse=True)
def _custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load what is in custom_components."""


@pytest.fixture
def entry(hass: HomeAssistant) -> MockConfigEntry:
    """Return the entry of the site under the usual prefix, not set up."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="SolarRally",
        unique_id="ev",
        data={CONF_TOPIC_PREFIX: "ev"},
    )
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
async def site(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, entry: MockConfigEntry
) -> MockConfigEntry:
    """Return the entry of a site that is set up and has heard nothing yet."""
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
def speak(hass: HomeAssistant) -> Callable[..., StationOnMqtt]:
    """Return a maker of stations that speak on the mocked broker."""
    return lambda station_id="garage", prefix="ev": StationOnMqtt(
        hass, station_id, prefix
    )


@pytest.fixture
def garage(speak: Callable[..., StationOnMqtt]) -> StationOnMqtt:
    """Return the station that most tests speak as."""
    return speak()
