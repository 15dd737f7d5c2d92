"""Frames to measure with: what a station sends in a second of charging, with every field."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

STATIONS = 10


def messages(count: int, *, boot: int, stations: int = STATIONS) -> Iterator[bytes]:
    """Yield telemetry messages for the plain topic, one a second and station, all different."""
    start = datetime.now(UTC) - timedelta(seconds=count // stations + 60)
    for number in range(count):
        station, seq = f"bench{number % stations}", number // stations
        yield telemetry(station, boot, seq, start + timedelta(seconds=seq))


def telemetry(station: str, boot: int, seq: int, at: datetime) -> bytes:
    """Return one full frame: 3.6 kW, two thirds of the time solar, five minutes a source."""
    turn, within = divmod(seq, 450)
    solar_s = turn * 300 + min(within, 300)
    on_solar = within < 300
    running = {"V": 231.4, "I": 15.56, "P": 3600.0 + seq % 7}
    idle = {"V": 231.0, "I": 0.0, "P": 0.0}
    solar, grid = (running, idle) if on_solar else (idle, running)
    return json.dumps(
        {
            "station": station,
            "boot": boot,
            "seq": seq,
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **running,
            "E": 9000.0 + seq,
            "source": "solar" if on_solar else "grid",
            "solar": {**solar, "E": 5000.0 + solar_s},
            "grid": {**grid, "E": 4000.0 + seq - solar_s},
            "pilot": "C",
            "session": f"{boot}-1",
            "clock": "synced",
        },
        separators=(",", ":"),
    ).encode()
