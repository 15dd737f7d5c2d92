"""The station of the site: simulated, or the real firmware as the twin."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from scripts.rig.broker import Broker
from scripts.rig.ports import HOST
from scripts.rig.process import Program

ROOT = Path(__file__).resolve().parents[2]
STATION = "garage"
_TWIN = (sys.executable, "-P", "-m", "bench.cli")
_TWIN_ENV = {"PYTHONPATH": str(ROOT / "esphome")}


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


class TwinStation:
    """The station's firmware as a program, on its bench, as the station ``garage``.

    Its time is the bench's: it begins at `start`, in the past, runs at `speed` until it has caught
    up with the clock, and goes on with the clock. One vehicle comes `plug_in_after` the start.
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
    ) -> None:
        login = broker.logins["station"]
        self.program = Program(
            "the twin",
            [
                *_TWIN,
                f"--station={STATION}",
                f"--prefix={broker.prefix}",
                f"--broker={HOST}:{broker.port}",
                f"--username={login.username}",
                f"--start={start.isoformat()}",
                f"--speed={speed:g}",
                f"--plug-in-after={plug_in_after.total_seconds():g}",
                f"--session-length={session.total_seconds():g}",
                f"--home={folder}",
            ],
            log=log,
            env={**_TWIN_ENV, "SOLARRALLY_MQTT_PASSWORD": login.password},
        )

    @staticmethod
    async def build(log: Path) -> None:
        """Build the firmware. Raises RigError when it does not build."""
        program = Program(
            "building the twin", [*_TWIN, "--build"], log=log, env=_TWIN_ENV
        )
        await program.start()
        await program.finish()

    async def start(self) -> None:
        """Switch the station on."""
        await self.program.start()

    async def stop(self) -> None:
        """Switch it off; it says goodbye."""
        await self.program.stop()
