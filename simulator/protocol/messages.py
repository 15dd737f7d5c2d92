"""What a station says, as the contract's JSON."""

import hashlib
import json
from collections.abc import Mapping

from simulator.controller import MAX_CURRENT_A, MIN_CURRENT_A, NOMINAL_VOLTAGE_V
from simulator.outputs import Happening, MeterReading, Reading, Snapshot
from simulator.station import Station
from simulator.timestamps import rfc3339

PROTOCOL = 1
MODEL = "SR-32"
FIRMWARE = "1.0.0-simulator"
CAPABILITIES = ("solar", "grid", "control_pilot", "reboot")

ONLINE, OFFLINE = "online", "offline"


_COMPACT = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def dumps(value: object) -> str:
    """Compact JSON; NaN and Infinity raise ValueError, for they are not JSON."""
    return _COMPACT.encode(value)


def frame(station: str, reading: Reading) -> str:
    """A full frame."""
    now = reading.connected
    return dumps(
        {
            "station": station,
            "boot": reading.boot,
            "seq": reading.seq,
            "timestamp": rfc3339(reading.at_ms),
            "V": now.voltage_v,
            "I": now.current_a,
            "P": now.power_w,
            "E": reading.solar.energy_wh + reading.grid.energy_wh,
            "source": reading.source.value,
            "solar": _meter(reading.solar),
            "grid": _meter(reading.grid),
            "pilot": reading.pilot.value,
            "session": reading.session,
            "clock": "synced",
        }
    )


def _meter(reading: MeterReading) -> Mapping[str, float]:
    return {
        "V": reading.voltage_v,
        "I": reading.current_a,
        "P": reading.power_w,
        "E": reading.energy_wh,
    }


def smallest_frame(reading: Reading) -> str:
    """The smallest valid frame, of the plain single-station form."""
    now = reading.connected
    return dumps(
        {
            "V": now.voltage_v,
            "I": now.current_a,
            "P": now.power_w,
            "source": reading.source.value,
            "timestamp": rfc3339(reading.at_ms),
        }
    )


def backlog(frames: list[str]) -> str:
    """Frames that were encoded before, as one array."""
    return f"[{','.join(frames)}]"


def state(snapshot: Snapshot, waiting: int) -> str:
    """The retained state; `waiting` frames are still to be sent."""
    session = snapshot.session
    return dumps(
        {
            "timestamp": rfc3339(snapshot.at_ms),
            "boot": snapshot.boot,
            "mode": snapshot.mode.value,
            "source": snapshot.source.value,
            "pilot": snapshot.pilot.value,
            "enabled": snapshot.enabled,
            "charging": snapshot.charging,
            "current_limit_a": snapshot.current_limit_a,
            "faults": snapshot.faults,
            "clock": "synced",
            "backlog": waiting,
            "session": session
            and {
                "id": session.id,
                "started_at": rfc3339(session.started_ms),
                "meter_start_wh": session.solar_start_wh + session.grid_start_wh,
                "solar_start_wh": session.solar_start_wh,
                "grid_start_wh": session.grid_start_wh,
            },
        }
    )


def info(station: Station) -> str:
    """The retained description of the station, which discovery needs."""
    name = station.config.station
    return dumps(
        {
            "protocol": PROTOCOL,
            "station": name,
            "name": name.replace("-", " ").replace("_", " ").strip().capitalize()
            or name,
            "manufacturer": "SolarRally",
            "model": MODEL,
            "serial": hashlib.sha256(name.encode()).hexdigest()[:12],
            "firmware": FIRMWARE,
            "phases": 1,
            "voltage_v": NOMINAL_VOLTAGE_V,
            "min_current_a": MIN_CURRENT_A,
            "max_current_a": MAX_CURRENT_A,
            "capabilities": CAPABILITIES,
            "boot": station.boot,
            "reset_reason": station.reset_reason,
        }
    )


def event(happening: Happening) -> str:
    """Something that happened."""
    return dumps(
        {
            "type": happening.type,
            "timestamp": rfc3339(happening.at_ms),
            **happening.fields,
        }
    )
