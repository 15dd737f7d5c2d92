"""Messages that break the contract harm nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .station_messages import StationOnMqtt


def shown(hass: HomeAssistant) -> dict[str, str]:
    """Return the states of all entities."""
    return {state.entity_id: state.state for state in hass.states.async_all()}


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("telemetry", '{"V":231.4,"I":13.9,"P":32', "not_json"),
        ("telemetry", b"\xff\xfe", "not_json"),
        ("state", "{}", "missing_field"),
        ("info", "[]", "wrong_type"),
        ("event", "{}", "missing_field"),
        ("result", "{}", "missing_field"),
        ("status", "maybe", "bad_value"),
    ],
)
async def test_bad_message_is_counted_and_logged_once(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    caplog: pytest.LogCaptureFixture,
    topic: str,
    payload: Any,
    reason: str,
) -> None:
    """Garbage changes nothing, fills no log and can be found in the diagnostics."""
    await garage.charge()
    before = shown(hass)
    caplog.clear()
    for _ in range(3):
        await garage.send(topic, payload)
    assert shown(hass) == before
    assert site.runtime_data.rejected == {("garage", reason): 3}
    assert caplog.text.count("Refused a message on") == 1


async def test_unknown_stations_are_counted_together(
    hass: HomeAssistant,
    site: MockConfigEntry,
    speak: Callable[..., StationOnMqtt],
) -> None:
    """Names that say nothing valid neither make devices nor fill the memory."""
    await speak("nobody").send("telemetry", "{}")
    await speak("Garage 1").send("telemetry", "{}")
    await speak("garage").send("telemetry", "")
    assert not hass.states.async_all()
    assert site.runtime_data.rejected == {
        (None, "missing_field"): 1,
        (None, "bad_value"): 1,
        (None, "not_json"): 1,
    }


async def test_deleted_retained_message_is_no_bad_one(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """An empty payload deletes a retained message and says nothing."""
    await garage.charge()
    await garage.send("state", "")
    assert not site.runtime_data.rejected
    assert shown(hass)["select.garage_mode"] == "auto"
