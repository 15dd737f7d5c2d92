"""The simulated station of the site."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from scripts.rig.broker import Broker
from scripts.rig.ports import HOST
from scripts.rig.process import Program

ROOT = Path(__file__).resolve().parents[2]
STATION = "garage"


class SimulatedStation:
    """`scripts/mock_publisher.py` as the station ``garage``.

    It starts at `start`, in the past, and runs at `speed` until it has caught up with the clock;
    from there on it goes with the clock. The first vehicle comes `plug_in_after` the start and
    stays for `session`.
    """

    def __init__(
        self,
        folder: Path,
        log: Path,
        broker: Broker,
        *,
        start: datetime,
        speed: float,
        plug_in_after: timedelta,
        session: timedelta,
        rate_hz: float,
        scenario: str = "pv-drop",
        seed: int = 1,
    ) -> None:
        login = broker.logins["station"]
        self.program = Program(
            "the station simulator",
            [
                sys.executable,
                str(ROOT / "scripts" / "mock_publisher.py"),
                f"--station={STATION}",
                f"--prefix={broker.prefix}",
                f"--broker={HOST}:{broker.port}",
                f"--username={login.username}",
                f"--start={start.isoformat()}",
                f"--speed={speed:g}",
                f"--scenario={scenario}",
                f"--seed={seed}",
                f"--rate={rate_hz:g}",
                f"--plug-in-after={plug_in_after.total_seconds():g}",
                f"--session-length={session.total_seconds():g}",
                f"--state-dir={folder}",
            ],
            log=log,
            env={"SOLARRALLY_MQTT_PASSWORD": login.password},
        )

    async def start(self) -> None:
        """Switch the station on."""
        await self.program.start()

    async def stop(self) -> None:
        """Switch it off: it unplugs the vehicle, delivers what it has to say, and leaves."""
        await self.program.stop()
