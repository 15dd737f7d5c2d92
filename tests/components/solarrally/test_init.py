"""A site is set up, unloaded, moved, and stations are removed from it."""

from collections.abc import Callable

import pytest
from homeassistant.components.mqtt.const import MQTT_CONNECTION_STATE
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_send
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.solarrally import async_remove_config_entry_device
from custom_components.solarrally.const import CONF_TOPIC_PREFIX, DOMAIN

from .station_messages import StationOnMqtt

TOPICS = {
    "ev/+/info",
    "ev/+/state",
    "ev/+/status",
    "ev/+/telemetry",
    "ev/+/event",
    "ev/+/result",
    "ev/telemetry",
}


def subscriptions(mqtt_mock: MqttMockHAClient) -> list[tuple[str, int]]:
    """Return topic and QoS of what is subscribed to under the prefix."""
    return sorted(
        (it.topic, it.qos)
        for it in mqtt_mock.return_value.subscriptions
        if it.topic.startswith("ev/")
    )


async def test_no_mqtt_is_retried(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A site whose MQTT is not there yet is tried again later, with a reason."""
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "mqtt_unavailable"


async def test_subscriptions(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, entry: MockConfigEntry
) -> None:
    """A site listens to its topics at QoS 1, and to none after it is unloaded."""
    before = subscriptions(mqtt_mock)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    ours = sorted({*subscriptions(mqtt_mock)} - {*before})
    assert ours == sorted((topic, 1) for topic in TOPICS)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert subscriptions(mqtt_mock) == before


async def test_unload_leaves_nothing_behind(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """After the site is unloaded, messages and connection changes reach nobody."""
    await garage.charge()
    coordinator = site.runtime_data.stations["garage"]
    assert await hass.config_entries.async_unload(site.entry_id)
    await garage.frame(P=1)
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, False)
    await hass.async_block_till_done()
    assert coordinator.data.frame.power_w == 3215
    assert coordinator.mqtt_connected
    assert not coordinator._listeners
    assert not coordinator._event_listeners
    state = hass.states.get("sensor.garage_power")
    assert state is not None
    assert state.state == STATE_UNAVAILABLE


async def test_reload_works_as_before(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    site: MockConfigEntry,
    garage: StationOnMqtt,
) -> None:
    """A site that is reloaded subscribes once and shows its stations again."""
    await garage.charge()
    before = subscriptions(mqtt_mock)
    assert await hass.config_entries.async_reload(site.entry_id)
    await hass.async_block_till_done()
    assert subscriptions(mqtt_mock) == before
    await garage.charge()
    state = hass.states.get("sensor.garage_power")
    assert state is not None
    assert state.state == "3215.0"


async def test_present_station_cannot_be_removed(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    device_registry: dr.DeviceRegistry,
) -> None:
    """A station that is there would come back with its next frame."""
    await garage.charge()
    [device] = dr.async_entries_for_config_entry(device_registry, site.entry_id)
    assert not await async_remove_config_entry_device(hass, site, device)


async def test_gone_station_can_be_removed(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    device_registry: dr.DeviceRegistry,
) -> None:
    """A station that is offline is forgotten, also what the broker retains of it."""
    await garage.charge()
    await garage.status("offline")
    [device] = dr.async_entries_for_config_entry(device_registry, site.entry_id)
    mqtt_mock.async_publish.reset_mock()
    assert await async_remove_config_entry_device(hass, site, device)
    device_registry.async_remove_device(device.id)
    await hass.async_block_till_done()
    deleted = [call.args for call in mqtt_mock.async_publish.call_args_list]
    assert deleted == [
        (f"ev/garage/{topic}", "", 1, True) for topic in ("info", "state", "status")
    ]
    assert hass.states.get("sensor.garage_power") is None


async def test_removed_station_may_return(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    device_registry: dr.DeviceRegistry,
) -> None:
    """A station that speaks again after its removal is there again."""
    await garage.charge()
    await garage.status("offline")
    [device] = dr.async_entries_for_config_entry(device_registry, site.entry_id)
    await async_remove_config_entry_device(hass, site, device)
    device_registry.async_remove_device(device.id)
    await garage.charge()
    state = hass.states.get("sensor.garage_power")
    assert state is not None
    assert state.state == "3215.0"


async def test_station_is_removed_without_the_broker(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    device_registry: dr.DeviceRegistry,
) -> None:
    """While the broker is away a device can still be removed."""
    await garage.charge()
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, False)
    await hass.async_block_till_done()
    [device] = dr.async_entries_for_config_entry(device_registry, site.entry_id)
    mqtt_mock.async_publish.reset_mock()
    assert await async_remove_config_entry_device(hass, site, device)
    mqtt_mock.async_publish.assert_not_called()


async def test_new_prefix_keeps_devices_and_entities(
    hass: HomeAssistant,
    site: MockConfigEntry,
    speak: Callable[..., StationOnMqtt],
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    """Stations that moved to another prefix are the same devices as before."""
    await speak("garage").charge()
    [device] = dr.async_entries_for_config_entry(device_registry, site.entry_id)
    entity_registry.async_update_entity(
        "sensor.garage_power", new_entity_id="sensor.my_charger"
    )
    await hass.async_block_till_done()
    hass.config_entries.async_update_entry(
        site, unique_id="home/ev", data={CONF_TOPIC_PREFIX: "home/ev"}
    )
    assert await hass.config_entries.async_reload(site.entry_id)
    await speak("garage", "home/ev").charge()
    [moved] = dr.async_entries_for_config_entry(device_registry, site.entry_id)
    assert moved.id == device.id
    assert moved.identifiers == {(DOMAIN, "home/ev/garage")}
    state = hass.states.get("sensor.my_charger")
    assert state is not None
    assert state.state == "3215.0"
    assert hass.states.get("sensor.garage_power") is None


@pytest.mark.parametrize("prefix", ["ev", "home/garage/ev"])
async def test_two_sites_do_not_mix(
    hass: HomeAssistant,
    site: MockConfigEntry,
    speak: Callable[..., StationOnMqtt],
    prefix: str,
) -> None:
    """Each site hears only what is under its own prefix."""
    other = MockConfigEntry(
        domain=DOMAIN,
        unique_id="home/garage/ev",
        data={CONF_TOPIC_PREFIX: "home/garage/ev"},
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    await speak("garage", prefix).charge()
    heard = {it.unique_id: set(it.runtime_data.stations) for it in (site, other)}
    assert heard == {"ev": set(), "home/garage/ev": set()} | {prefix: {"garage"}}
