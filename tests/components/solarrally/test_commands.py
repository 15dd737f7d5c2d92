"""Commands wait for the station's answer."""

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.components.mqtt.const import MQTT_CONNECTION_STATE
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_mqtt_message,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.solarrally.messages import CommandError

from .station_messages import StationOnMqtt

# What a person does, and what the station hears.
ACTIONS = [
    (
        "select",
        "select_option",
        "select.garage_mode",
        {"option": "solar"},
        "set_mode",
        "solar",
    ),
    (
        "number",
        "set_value",
        "number.garage_current_limit",
        {"value": 10},
        "set_current_limit",
        10,
    ),
    (
        "number",
        "set_value",
        "number.garage_current_limit",
        {"value": 10.5},
        "set_current_limit",
        10.5,
    ),
    (
        "number",
        "set_value",
        "number.garage_current_limit",
        {"value": 7.3},
        "set_current_limit",
        7.3,
    ),
    (
        "number",
        "set_value",
        "number.garage_current_limit",
        {"value": 7.34},
        "set_current_limit",
        7.3,
    ),
    (
        "number",
        "set_value",
        "number.garage_current_limit",
        {"value": 9.96},
        "set_current_limit",
        10,
    ),
    ("switch", "turn_on", "switch.garage_charging_allowed", {}, "start", None),
    ("switch", "turn_off", "switch.garage_charging_allowed", {}, "stop", None),
    ("button", "press", "button.garage_reset_faults", {}, "reset_faults", None),
    ("button", "press", "button.garage_restart", {}, "reboot", None),
]
ASKED_WRONGLY = {"out_of_range", "not_supported", "no_vehicle", "fault_active"}


class ObeyingStation:
    """Answers each command that is published, and remembers it."""

    def __init__(self, hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
        self.hass = hass
        self.heard: list[dict[str, Any]] = []
        self.published: list[tuple[str, int, bool]] = []
        self.answer: dict[str, Any] | None = {"ok": True}
        mqtt_mock.async_publish.side_effect = self.publish

    async def publish(
        self, topic: str, payload: str, qos: int, retain: bool, **_: Any
    ) -> None:
        """Take the place of the broker."""
        self.published.append((topic, qos, retain))
        self.heard.append(json.loads(payload))
        if self.answer is not None:
            self.result({"id": self.heard[-1]["id"]} | self.answer)

    def result(self, result: dict[str, Any]) -> None:
        """Send a result."""
        async_fire_mqtt_message(self.hass, "ev/garage/result", json.dumps(result))


@pytest.fixture
async def station(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    site: MockConfigEntry,
    garage: StationOnMqtt,
) -> ObeyingStation:
    """Return a station that is present and obeys."""
    await garage.charge()
    return ObeyingStation(hass, mqtt_mock)


@pytest.fixture
def impatient() -> Iterator[None]:
    """Wait for no answer."""
    with patch("custom_components.solarrally.coordinator.COMMAND_TIMEOUT_S", 0):
        yield


async def act(hass: HomeAssistant, action: tuple[Any, ...] = ACTIONS[0]) -> None:
    """Do what a person does."""
    domain, service, entity_id, data, *_ = action
    await hass.services.async_call(
        domain, service, {ATTR_ENTITY_ID: entity_id, **data}, blocking=True
    )


@pytest.mark.parametrize("action", ACTIONS, ids=lambda it: f"{it[4]} {it[5]}")
async def test_command_is_sent(
    hass: HomeAssistant, station: ObeyingStation, action: tuple[Any, ...]
) -> None:
    """Each control sends its command, not retained, and is content with an ok."""
    await act(hass, action)
    [command] = station.heard
    assert (command["command"], command.get("value")) == (action[4], action[5])
    assert station.published == [("ev/garage/command", 1, False)]
    sent_at = dt_util.parse_datetime(command["timestamp"])
    assert sent_at is not None
    assert abs((dt_util.utcnow() - sent_at).total_seconds()) < 60


async def test_ids_are_not_used_twice(
    hass: HomeAssistant, station: ObeyingStation
) -> None:
    """Each command has an id of its own."""
    await act(hass)
    await act(hass)
    assert len({command["id"] for command in station.heard}) == 2


@pytest.mark.parametrize("error", list(CommandError))
async def test_refusal_is_told(
    hass: HomeAssistant, station: ObeyingStation, error: CommandError
) -> None:
    """Each error of the contract has a sentence of its own that names the station."""
    station.answer = {"ok": False, "error": error, "message": "limit 40 A"}
    with pytest.raises(HomeAssistantError) as refused:
        await act(hass)
    assert refused.value.translation_key == f"command_{error}"
    assert "Garage" in str(refused.value)
    assert isinstance(refused.value, ServiceValidationError) is (error in ASKED_WRONGLY)


async def test_refusal_without_words(
    hass: HomeAssistant, station: ObeyingStation
) -> None:
    """A station need not explain itself."""
    station.answer = {"ok": False, "error": "failed"}
    with pytest.raises(HomeAssistantError, match="did not work: –"):
        await act(hass)


@pytest.mark.usefixtures("impatient")
async def test_silence_is_told(hass: HomeAssistant, station: ObeyingStation) -> None:
    """A station that does not answer is an error, not a success."""
    station.answer = None
    with pytest.raises(HomeAssistantError, match="Garage did not answer"):
        await act(hass)


@pytest.mark.usefixtures("impatient")
async def test_late_result_is_ignored(
    hass: HomeAssistant, station: ObeyingStation
) -> None:
    """An answer that comes after the wait does no harm and answers nothing else."""
    station.answer = None
    with pytest.raises(HomeAssistantError):
        await act(hass)
    station.result({"id": station.heard[0]["id"], "ok": True})
    with pytest.raises(HomeAssistantError, match="did not answer"):
        await act(hass)


async def test_other_result_is_no_answer(
    hass: HomeAssistant, station: ObeyingStation
) -> None:
    """Only the result with the command's own id counts; a repeated one is ignored."""
    station.answer = None
    acting = hass.async_create_task(act(hass))
    station.result({"id": "somebody-elses", "ok": True})
    assert not acting.done()
    refused = {"id": station.heard[0]["id"], "ok": False, "error": "busy"}
    station.result(refused)
    station.result(refused | {"ok": True})
    with pytest.raises(HomeAssistantError, match="cannot do this now"):
        await acting


async def test_no_broker(hass: HomeAssistant, station: ObeyingStation) -> None:
    """Without the broker the command is not even tried."""
    coordinator_ready = hass.states.get("select.garage_mode")
    assert coordinator_ready is not None
    site = hass.config_entries.async_entries("solarrally")[0].runtime_data
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, False)
    with pytest.raises(HomeAssistantError, match="not connected to the MQTT broker"):
        await site.stations["garage"].async_command("start")
    assert not station.heard
