"""What happens at a station is reported once."""

from typing import Any

import pytest
from homeassistant.const import STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .station_messages import StationOnMqtt, stamp

SESSION_EVENT = "event.garage_session_event"
STATION_EVENT = "event.garage_station_event"


def reported(hass: HomeAssistant, entity_id: str) -> dict[str, Any]:
    """Return what an event entity says last."""
    state = hass.states.get(entity_id)
    assert state is not None
    return dict(state.attributes)


@pytest.mark.parametrize(
    ("entity_id", "event"),
    [
        (SESSION_EVENT, {"type": "plugged", "session": "12-3"}),
        (SESSION_EVENT, {"type": "unplugged", "session": "12-3"}),
        (SESSION_EVENT, {"type": "session_started", "session": "12-3"}),
        (
            SESSION_EVENT,
            {
                "type": "session_ended",
                "session": "12-3",
                "started_at": "2026-11-23T07:02:11.000Z",
                "reason": "unplugged",
            },
        ),
        (
            STATION_EVENT,
            {
                "type": "source_changed",
                "from": "solar",
                "to": "grid",
                "reason": "pv_drop",
            },
        ),
        (STATION_EVENT, {"type": "fault_raised", "fault": "grid_meter_silent"}),
        (STATION_EVENT, {"type": "fault_cleared", "fault": "grid_meter_silent"}),
        (STATION_EVENT, {"type": "rebooted", "boot": 13, "reset_reason": "brownout"}),
    ],
    ids=lambda it: it["type"] if isinstance(it, dict) else "",
)
async def test_event_is_reported(
    hass: HomeAssistant,
    site: MockConfigEntry,
    garage: StationOnMqtt,
    entity_id: str,
    event: dict[str, Any],
) -> None:
    """Each type of the contract is reported with what it carries."""
    await garage.connect()
    await garage.send("event", event | {"timestamp": stamp(garage.at)})
    attributes = reported(hass, entity_id)
    assert attributes["event_type"] == event["type"]
    assert attributes["timestamp"] == garage.at
    for key in event.keys() - {"type", "started_at"}:
        assert attributes[key] == event[key]


async def test_repeated_event_is_one(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """QoS 1 may bring an event twice; it happened once."""
    await garage.connect()
    event = {"type": "plugged", "session": "12-3", "timestamp": stamp(garage.at)}
    await garage.send("event", event)
    first = hass.states.get(SESSION_EVENT)
    await garage.send("event", event)
    assert hass.states.get(SESSION_EVENT) is first


async def test_retained_event_is_old(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """An event that somebody retained is no news at every start."""
    await garage.connect()
    event = {"type": "plugged", "session": "12-3", "timestamp": stamp(garage.at)}
    await garage.send("event", event, retain=True)
    state = hass.states.get(SESSION_EVENT)
    assert state is not None
    assert state.state == STATE_UNKNOWN


async def test_running_session_is_no_event(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """A session that was under way before is not reported as new."""
    await garage.charge()
    state = hass.states.get(SESSION_EVENT)
    assert state is not None
    assert state.state == STATE_UNKNOWN


async def test_unknown_event_is_ignored(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """A type of a later contract is neither reported nor an error."""
    await garage.connect()
    await garage.send("event", {"type": "door_opened", "timestamp": stamp(garage.at)})
    assert reported(hass, SESSION_EVENT)["event_type"] is None
    assert reported(hass, STATION_EVENT)["event_type"] is None
    assert not site.runtime_data.rejected


async def test_card_is_not_shown(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """Whose card started a session is not for everyone who sees the dashboard."""
    await garage.connect()
    await garage.send(
        "event",
        {
            "type": "session_started",
            "session": "12-3",
            "timestamp": stamp(garage.at),
            "token": "04A2B3C4D5",
        },
    )
    assert "token" not in reported(hass, SESSION_EVENT)


async def test_end_settles_the_session(
    hass: HomeAssistant, site: MockConfigEntry, garage: StationOnMqtt
) -> None:
    """The numbers of the end are shown to the last watt-hour."""
    await garage.charge()
    await garage.send(
        "event",
        {
            "type": "session_ended",
            "session": "12-3",
            "timestamp": stamp(garage.at),
            "started_at": stamp(garage.at.replace(minute=0, second=0)),
            "meter_start_wh": 180112,
            "meter_stop_wh": 184230,
            "solar_wh": 3018,
            "grid_wh": 1100,
            "reason": "unplugged",
        },
    )
    state = hass.states.get("sensor.garage_session_energy")
    assert state is not None
    assert state.state == "4.118"
