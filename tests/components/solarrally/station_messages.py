"""A station's side of the conversation, message by message."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message

SESSION_START = {
    "meter_start_wh": 180112,
    "solar_start_wh": 117400,
    "grid_start_wh": 62712,
}


def stamp(at: datetime) -> str:
    """Return a time as stations write it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class StationOnMqtt:
    """Speaks as one station; each frame is a second after the one before.

    Its messages come as an established subscription gets them, without the
    retain flag, whether the station had them retained or not.
    """

    def __init__(self, hass: HomeAssistant, station_id: str, prefix: str) -> None:
        self.hass = hass
        self.id = station_id
        self.topic = f"{prefix}/{station_id}"
        self.at = dt_util.utcnow().replace(microsecond=0) - timedelta(hours=8)
        self.boot = 12
        self.seq = 0

    async def send(self, topic: str, payload: Any, *, retain: bool = False) -> None:
        """Send any payload on one of the station's topics."""
        if not isinstance(payload, (str, bytes)):
            payload = json.dumps(payload)
        async_fire_mqtt_message(
            self.hass, f"{self.topic}/{topic}", payload, 1, retain=retain
        )
        await self.hass.async_block_till_done()

    async def info(self, **changed: Any) -> None:
        """Say what the station is."""
        message = {
            "protocol": 1,
            "station": self.id,
            "name": self.id.capitalize(),
            "manufacturer": "SolarRally",
            "model": "SR-32",
            "serial": "a1b2c3d4e5f6",
            "firmware": "1.0.0",
            "phases": 1,
            "voltage_v": 230,
            "min_current_a": 6,
            "max_current_a": 32,
            "capabilities": ["solar", "grid", "control_pilot", "sd_log", "reboot"],
            "boot": self.boot,
            "reset_reason": "power_on",
        } | changed
        await self.send("info", message)

    def session(self, session_id: str = "12-3", **changed: Any) -> dict[str, Any]:
        """Return a session as a state carries it, begun where the station is now."""
        return {
            "id": session_id,
            "started_at": stamp(self.at),
            **SESSION_START,
        } | changed

    async def state(self, **changed: Any) -> None:
        """Say what the station is doing: nothing, unless told otherwise."""
        message = {
            "timestamp": stamp(self.at),
            "boot": self.boot,
            "mode": "auto",
            "source": "none",
            "pilot": "A",
            "enabled": True,
            "charging": False,
            "current_limit_a": 16,
            "faults": [],
            "clock": "synced",
            "sd": "ok",
            "backlog": 0,
            "session": None,
        } | changed
        await self.send("state", message)

    async def status(self, word: str = "online") -> None:
        """Say that the station is there, or not."""
        await self.send("status", word)

    def next_frame(self, seconds: float = 1, **changed: Any) -> dict[str, Any]:
        """Return the frame after the last one: charging from solar at 3.2 kW."""
        self.at += timedelta(seconds=seconds)
        frame = {
            "station": self.id,
            "boot": self.boot,
            "seq": self.seq,
            "timestamp": stamp(self.at),
            "V": 231.4,
            "I": 13.9,
            "P": 3215.0,
            "E": 184223,
            "source": "solar",
            "solar": {"V": 231.4, "I": 13.9, "P": 3215.0, "E": 120411},
            "grid": {"V": 229.8, "I": 0.0, "P": 0.0, "E": 63812},
            "pilot": "C",
            "session": "12-3",
            "clock": "synced",
        } | changed
        self.seq += 1
        return frame

    async def frame(self, seconds: float = 1, **changed: Any) -> dict[str, Any]:
        """Send the next frame and return it."""
        frame = self.next_frame(seconds, **changed)
        await self.send("telemetry", frame)
        return frame

    async def connect(self, **state: Any) -> None:
        """Say what a station says when it connects."""
        await self.info()
        await self.state(**state)
        await self.status()

    async def charge(self) -> None:
        """Connect in the middle of a session and send one frame."""
        await self.connect(
            source="solar", pilot="C", charging=True, session=self.session()
        )
        await self.frame()
