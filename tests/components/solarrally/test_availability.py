"""Whether a station is there."""

import logging

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.mqtt.const import MQTT_CONNECTION_STATE
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers.dispatcher import async_dispatcher_send
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from .station_messages import StationOnMqtt

POWER = "sensor.garage_power"
CONNECTED = "binary_sensor.garage_connectivity"


def states(hass: HomeAssistant) -> tuple[str, str]:
    """Return the state of a live sensor and of the connection."""
    power, connected = hass.states.get(POWER), hass.states.get(CONNECTED)
    assert power is not None
    assert connected is not None
    return power.state, connected.state


async def broker(hass: HomeAssistant, connected: bool) -> None:
    """Lose or find the broker."""
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, connected)
    await hass.async_block_till_done()


async def wait(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float
) -> None:
    """Let time pass."""
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def test_status_decides(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """The last will takes all but the connection away, online brings it back."""
    await garage.charge()
    assert states(hass) == ("3215.0", "on")
    await garage.status("offline")
    assert states(hass) == (STATE_UNAVAILABLE, "off")
    await garage.status("online")
    assert states(hass) == ("3215.0", "on")


async def test_silence_does_not_count_against_a_status(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A station that sends a status is there until it says otherwise."""
    await garage.charge()
    await wait(hass, freezer, 3600)
    assert states(hass) == ("3215.0", "on")


async def test_silent_station_without_status_is_gone(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A minute without a frame, and a station that knows no status is gone."""
    await garage.info()
    await garage.frame()
    await wait(hass, freezer, 59)
    assert states(hass) == ("3215.0", "on")
    await wait(hass, freezer, 12)
    assert states(hass) == (STATE_UNAVAILABLE, "off")
    await garage.frame(P=100)
    assert states(hass) == ("100.0", "on")


async def test_repeated_frame_is_a_sign_of_life(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A frame that is not new changes no reading but shows that somebody speaks."""
    await garage.info()
    frame = await garage.frame()
    await wait(hass, freezer, 100)
    assert states(hass) == (STATE_UNAVAILABLE, "off")
    await garage.send("telemetry", frame)
    assert states(hass) == ("3215.0", "on")


async def test_broker_gone(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """Without the broker nothing is known, not even whether the station is there."""
    await garage.charge()
    await broker(hass, connected=False)
    assert states(hass) == (STATE_UNAVAILABLE, STATE_UNAVAILABLE)


async def test_status_from_before_is_not_trusted(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """After the broker is back, the station counts when its status is there again."""
    await garage.charge()
    await broker(hass, connected=False)
    await broker(hass, connected=True)
    assert states(hass) == (STATE_UNAVAILABLE, "off")
    await garage.status("online")
    assert states(hass) == ("3215.0", "on")


async def test_station_appears_while_the_broker_was_away(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """A site that lost the broker before its first station works after."""
    await broker(hass, connected=False)
    await broker(hass, connected=True)
    await garage.charge()
    assert states(hass) == ("3215.0", "on")


async def test_going_and_return_are_logged_once(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line when it goes, one when it is back, however often that is said."""
    caplog.set_level(logging.INFO)
    await garage.charge()
    assert "Garage is" not in caplog.text
    for word in ("offline", "offline", "online", "online"):
        await garage.status(word)
    assert caplog.text.count("Garage is offline") == 1
    assert caplog.text.count("Garage is back") == 1


async def test_lost_broker_is_not_blamed_on_the_station(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """MQTT itself tells of a lost broker; the stations did nothing."""
    caplog.set_level(logging.INFO)
    await garage.charge()
    await broker(hass, connected=False)
    await broker(hass, connected=True)
    await garage.status("online")
    assert "Garage is" not in caplog.text
