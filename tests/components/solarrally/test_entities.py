"""What a station shows in Home Assistant."""

from collections.abc import Callable

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    mock_restore_cache_with_extra_data,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.solarrally.const import DOMAIN
from custom_components.solarrally.register import CONFIRMING_READINGS

from .station_messages import StationOnMqtt

# entity id: (state, unit, device class, state class) of the charging station.
CHARGING = {
    "binary_sensor.garage_charging": ("on", None, "battery_charging", None),
    "binary_sensor.garage_connectivity": ("on", None, "connectivity", None),
    "binary_sensor.garage_problem": ("off", None, "problem", None),
    "binary_sensor.garage_vehicle": ("on", None, "plug", None),
    "button.garage_reset_faults": (STATE_UNKNOWN, None, None, None),
    "button.garage_restart": (STATE_UNKNOWN, None, "restart", None),
    "event.garage_session_event": (STATE_UNKNOWN, None, None, None),
    "event.garage_station_event": (STATE_UNKNOWN, None, None, None),
    "number.garage_current_limit": ("16.0", "A", "current", None),
    "select.garage_mode": ("auto", None, None, None),
    "sensor.garage_backlog": ("0", "frames", None, "measurement"),
    "sensor.garage_clock": ("synced", None, "enum", None),
    "sensor.garage_current": ("13.9", "A", "current", "measurement"),
    "sensor.garage_energy": ("184.223", "kWh", "energy", "total_increasing"),
    "sensor.garage_grid_energy": ("63.812", "kWh", "energy", "total_increasing"),
    "sensor.garage_grid_power": ("0.0", "W", "power", "measurement"),
    "sensor.garage_pilot_state": ("charging", None, "enum", None),
    "sensor.garage_power": ("3215.0", "W", "power", "measurement"),
    "sensor.garage_sd_card": ("ok", None, "enum", None),
    "sensor.garage_session_duration": ("0.0", "min", "duration", None),
    "sensor.garage_session_energy": ("4.111", "kWh", "energy", "total"),
    "sensor.garage_session_grid_energy": ("1.1", "kWh", "energy", "total"),
    "sensor.garage_session_solar_energy": ("3.011", "kWh", "energy", "total"),
    "sensor.garage_session_solar_share": ("73.2", "%", None, None),
    "sensor.garage_session_start": ("", None, "timestamp", None),
    "sensor.garage_solar_energy": ("120.411", "kWh", "energy", "total_increasing"),
    "sensor.garage_solar_power": ("3215.0", "W", "power", "measurement"),
    "sensor.garage_source": ("solar", None, "enum", None),
    "sensor.garage_voltage": ("231.4", "V", "voltage", "measurement"),
    "switch.garage_charging_allowed": ("on", None, None, None),
}

DISABLED_BY_DEFAULT = {
    "sensor.garage_grid_current",
    "sensor.garage_grid_voltage",
    "sensor.garage_last_reboot_reason",
    "sensor.garage_solar_current",
    "sensor.garage_solar_voltage",
}


def value(hass: HomeAssistant, entity_id: str) -> str:
    """Return the state of an entity."""
    state = hass.states.get(entity_id)
    assert state is not None, f"there is no {entity_id}"
    return state.state


async def test_charging_station(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """A full station has these entities, with these values and units."""
    started_at = garage.at.isoformat()
    await garage.charge()
    shown = {
        state.entity_id: (
            state.state,
            state.attributes.get("unit_of_measurement"),
            state.attributes.get("device_class"),
            state.attributes.get("state_class"),
        )
        for state in hass.states.async_all()
    }
    expected = dict(CHARGING)
    expected["sensor.garage_session_start"] = (started_at, None, "timestamp", None)
    assert shown == expected


async def test_disabled_by_default(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    entity_registry: er.EntityRegistry,
) -> None:
    """What only few want to see is there to be enabled."""
    await garage.charge()
    entries = er.async_entries_for_config_entry(entity_registry, site.entry_id)
    assert {it.entity_id for it in entries if it.disabled} == DISABLED_BY_DEFAULT


async def test_device(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    device_registry: dr.DeviceRegistry,
) -> None:
    """The device shows what the station says it is, also when that changes."""
    await garage.info(url="http://garage.local")
    device = device_registry.async_get_device_by_identifier(
        (DOMAIN, "ev/garage"), site.entry_id
    )
    assert device is not None
    assert (device.name, device.manufacturer, device.model) == (
        "Garage",
        "SolarRally",
        "SR-32",
    )
    assert (device.serial_number, device.sw_version) == ("a1b2c3d4e5f6", "1.0.0")
    assert device.configuration_url == "http://garage.local"
    await garage.info(firmware="1.1.0")
    updated = device_registry.async_get(device.id)
    assert isinstance(updated, dr.DeviceEntry)
    assert updated.sw_version == "1.1.0"


async def test_unique_ids_name_site_and_station(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    entity_registry: er.EntityRegistry,
) -> None:
    """An entity is known by prefix, station and what it shows."""
    await garage.charge()
    entry = entity_registry.async_get("sensor.garage_solar_power")
    assert entry is not None
    assert entry.unique_id == "ev/garage/solar_power"


async def test_stations_appear_by_themselves(
    hass: HomeAssistant,
    site: MockConfigEntry,
    speak: Callable[..., StationOnMqtt],
) -> None:
    """A second station that comes later has its own device and entities."""
    await speak("garage").charge()
    assert hass.states.get("sensor.carport_power") is None
    await speak("carport").charge()
    assert value(hass, "sensor.carport_power") == "3215.0"


async def test_plain_station(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """The smallest frame on the plain topic is a station too, with what it has."""
    smallest = {
        key: it
        for key, it in garage.next_frame().items()
        if key in {"V", "I", "P", "source", "timestamp"}
    }
    garage.topic = "ev"
    await garage.send("telemetry", smallest)
    assert {state.entity_id: state.state for state in hass.states.async_all()} == {
        "binary_sensor.solarrally_station_connectivity": "on",
        "sensor.solarrally_station_current": "13.9",
        "sensor.solarrally_station_power": "3215.0",
        "sensor.solarrally_station_source": "solar",
        "sensor.solarrally_station_voltage": "231.4",
    }


async def test_plain_station_with_a_name(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """A plain frame that names its station is that station's."""
    frame = garage.next_frame()
    await garage.send("telemetry", frame)
    garage.topic = "ev"
    await garage.send("telemetry", garage.next_frame(P=100))
    assert value(hass, "sensor.solarrally_garage_power") == "100.0"


async def test_pilot_appears_when_seen(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """There is no pilot sensor until the station has shown to have a pilot."""
    await garage.info()
    await garage.send("telemetry", {**garage.next_frame(), "pilot": "B"} | {})
    assert value(hass, "sensor.garage_pilot_state") == "connected"


async def test_no_pilot_no_sensor(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """A station without a control pilot has neither pilot nor vehicle sensor."""
    await garage.info(capabilities=["grid"], reset_reason="power_on")
    frame = garage.next_frame()
    del frame["pilot"]
    await garage.send("telemetry", frame)
    assert hass.states.get("sensor.garage_pilot_state") is None
    assert hass.states.get("binary_sensor.garage_vehicle") is None
    assert hass.states.get("button.garage_restart") is None


@pytest.mark.parametrize(
    ("pilot", "state"),
    [
        ("A", "no_vehicle"),
        ("B", "connected"),
        ("C", "charging"),
        ("D", "charging_ventilated"),
        ("E", "error"),
        ("F", "fault"),
    ],
)
async def test_pilot_states(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    pilot: str,
    state: str,
) -> None:
    """Each letter of the standard has its word."""
    await garage.connect(pilot=pilot)
    assert value(hass, "sensor.garage_pilot_state") == state


@pytest.mark.parametrize(
    ("capabilities", "mode", "options"),
    [
        (["solar", "grid"], "auto", ["off", "solar", "grid", "auto"]),
        (["solar"], "off", ["off", "solar"]),
        (["grid"], "off", ["off", "grid"]),
        (["grid"], "auto", ["off", "grid", "auto"]),
    ],
)
async def test_modes_follow_the_wiring(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    capabilities: list[str],
    mode: str,
    options: list[str],
) -> None:
    """Only modes that the wired sources allow are offered, beside the present one."""
    await garage.info(capabilities=capabilities)
    await garage.state(mode=mode)
    await garage.status()
    state = hass.states.get("select.garage_mode")
    assert state is not None
    assert (state.state, state.attributes["options"]) == (mode, options)


async def test_current_limit_range(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """The limit can be set within what the station is rated for."""
    await garage.info(min_current_a=8, max_current_a=20)
    await garage.state()
    await garage.status()
    state = hass.states.get("number.garage_current_limit")
    assert state is not None
    assert (state.attributes["min"], state.attributes["max"]) == (8, 20)
    assert (state.attributes["step"], state.attributes["mode"]) == (0.1, "slider")


async def test_faults(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """A fault is a problem, and which one stands beside it."""
    await garage.connect(faults=["solar_contactor_welded"])
    state = hass.states.get("binary_sensor.garage_problem")
    assert state is not None
    assert state.state == "on"
    assert state.attributes["faults"] == ["solar_contactor_welded"]


async def test_old_frame_changes_nothing(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """A frame that arrives late does not bring back an old reading."""
    await garage.connect()
    late = garage.next_frame(P=1)
    await garage.frame(P=3000)
    await garage.send("telemetry", late)
    assert value(hass, "sensor.garage_power") == "3000.0"


async def test_glitch_does_not_reach_the_energy_dashboard(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """A register that reads 0 for a frame after a reboot is not shown."""
    await garage.charge()
    garage.boot, garage.seq = 13, 0
    await garage.frame(E=0)
    assert value(hass, "sensor.garage_energy") == "184.223"
    await garage.frame(E=184225)
    assert value(hass, "sensor.garage_energy") == "184.225"


async def test_replaced_meter_starts_anew(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """A meter that really counts from zero is followed."""
    await garage.charge()
    for step in range(CONFIRMING_READINGS):
        await garage.frame(E=step)
    assert value(hass, "sensor.garage_energy") == str((CONFIRMING_READINGS - 1) / 1000)


async def test_session_from_start_to_end(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """Energy and length grow, hold after the end, and start anew with the next."""
    await garage.charge()
    await garage.frame(seconds=3600, E=187112)
    assert value(hass, "sensor.garage_session_energy") == "7.0"
    assert value(hass, "sensor.garage_session_duration") == "60.0"
    await garage.state(pilot="A", session=None)
    await garage.frame(E=187120, pilot="A", session=None)
    assert value(hass, "sensor.garage_session_energy") == "7.0"
    garage.at = garage.at.replace(microsecond=0)
    await garage.state(session=garage.session("12-4", meter_start_wh=187120))
    assert value(hass, "sensor.garage_session_energy") == "0.0"
    assert value(hass, "sensor.garage_session_duration") == "0.0"


async def test_last_session_is_kept_over_a_restart(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    entry: MockConfigEntry,
    garage: StationOnMqtt,
) -> None:
    """What the last session brought is still there after Home Assistant restarts."""
    mock_restore_cache_with_extra_data(
        hass,
        [
            (
                State("sensor.garage_session_energy", "7.0"),
                {"native_value": 7000.0, "native_unit_of_measurement": "Wh"},
            )
        ],
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await garage.connect()
    await garage.frame(pilot="A", session=None)
    assert value(hass, "sensor.garage_session_energy") == "7.0"
    assert value(hass, "sensor.garage_session_duration") == STATE_UNKNOWN


async def test_running_session_after_a_restart(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """With only the retained messages the session is there, and the first frame counts."""
    await garage.connect(pilot="C", session=garage.session())
    assert value(hass, "sensor.garage_session_start") == garage.at.isoformat()
    await garage.frame()
    assert value(hass, "sensor.garage_session_energy") == "4.111"


async def test_status_alone_makes_no_device(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    device_registry: dr.DeviceRegistry,
) -> None:
    """Other things on MQTT have a status too."""
    await garage.status()
    assert not dr.async_entries_for_config_entry(device_registry, site.entry_id)


async def test_all_unavailable_before_the_first_word(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """Retained messages of a station that is off do not make it present."""
    await garage.info()
    await garage.state()
    await garage.status("offline")
    assert value(hass, "select.garage_mode") == STATE_UNAVAILABLE
    assert value(hass, "binary_sensor.garage_connectivity") == "off"


async def test_steady_power_is_reported_and_the_rest_is_not(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Each frame reports the measurements; what did not change is left alone."""
    await garage.charge()
    await garage.frame()
    freezer.tick(1)
    await garage.frame()
    now = dt_util.utcnow()
    reported = {
        state.entity_id
        for state in hass.states.async_all()
        if state.last_reported == now
    }
    assert reported == {
        "sensor.garage_backlog",
        "sensor.garage_current",
        "sensor.garage_grid_power",
        "sensor.garage_power",
        "sensor.garage_solar_power",
        "sensor.garage_voltage",
    }


@pytest.mark.parametrize("url", ["http://", "https:///x", "http://[::"])
async def test_page_that_cannot_be_opened_is_left_out(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    device_registry: dr.DeviceRegistry,
    url: str,
) -> None:
    """An address without a host does not keep the station away."""
    await garage.info(url=url)
    [device] = dr.async_entries_for_config_entry(device_registry, site.entry_id)
    assert isinstance(device, dr.DeviceEntry)
    assert device.configuration_url is None


async def test_asking_for_an_update_is_harmless(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """Nothing can be polled, and asking for it is no error."""
    await garage.charge()
    await async_setup_component(hass, "homeassistant", {})
    await hass.services.async_call(
        "homeassistant",
        "update_entity",
        {"entity_id": ["sensor.garage_power"]},
        blocking=True,
    )
    assert value(hass, "sensor.garage_power") == "3215.0"
