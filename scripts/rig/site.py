"""The whole site: what runs, in which order it starts and ends."""

import asyncio
import fcntl
import io
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from scripts.rig.billing import Billing
from scripts.rig.broker import Broker
from scripts.rig.homeassistant import HomeAssistant
from scripts.rig.place import Place
from scripts.rig.ports import Ports
from scripts.rig.process import Program, RigError
from scripts.rig.recorder import Recorder
from scripts.rig.station import SimulatedStation, TwinStation

PREFIX = "ev"
# The station waits so long, in real seconds, before its first vehicle comes: Home Assistant
# discovers and adds it meanwhile.
_DISCOVERY_S = 5.0
# Simulated time after the unplugging that lies in the past too.
_TAIL = timedelta(minutes=2)

type Say = Callable[[str], None]


class Site:
    """Broker, billing service, Home Assistant, recorder and station in `folder`.

    `stale` is what an earlier run has left elsewhere: it is removed at the start.

    ``start`` brings all of it up but the station; ``charge`` switches the station on. ``stop``
    ends everything that was started, and can be called at any time.
    """

    def __init__(
        self,
        folder: Path,
        frames: Path,
        place: Place,
        say: Say,
        *,
        stale: Iterable[Path] = (),
    ) -> None:
        self.folder = folder
        self._stale = (frames, *stale)
        self._say = say
        self._lock: io.TextIOWrapper | None = None
        self._started_at = asyncio.get_running_loop().time()
        self.ports = Ports()
        logs = folder / "logs"
        self.broker = Broker(
            folder / "mosquitto",
            logs / "mosquitto.log",
            self.ports.choose(1883, "Mosquitto"),
            PREFIX,
        )
        self.billing = Billing(
            folder / "billing",
            logs / "billing.log",
            self.ports.choose(8000, "the billing service"),
            self.broker,
            place,
        )
        self.homeassistant = HomeAssistant(
            folder / "homeassistant",
            logs / "homeassistant.log",
            self.ports.choose(8123, "Home Assistant"),
            place,
        )
        self.recorder = Recorder(self.broker, frames)
        self.station: SimulatedStation | TwinStation | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def progress(self, message: str) -> None:
        """Tell a person what has been reached, with the time it took since the start."""
        passed_s = asyncio.get_running_loop().time() - self._started_at
        self._say(f"[{passed_s:5.1f} s] {message}")

    @property
    def programs(self) -> list[Program]:
        """Everything that runs in a process of its own."""
        programs = [
            self.broker.program,
            self.billing.program,
            self.homeassistant.program,
        ]
        return programs if self.station is None else [*programs, self.station.program]

    async def start(self) -> None:
        """Bring up everything but the station. Raises RigError."""
        self._take_folder()
        for note in self.ports.notes:
            self.progress(note)
        await self.broker.start()
        self.progress(f"Mosquitto listens on port {self.broker.port}")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_billing())
            group.create_task(self._start_homeassistant())
        await self.recorder.start()

    async def _start_billing(self) -> None:
        await self.billing.start()
        self.progress(f"The billing service answers at {self.billing.url}")

    async def _start_homeassistant(self) -> None:
        self.progress("Home Assistant is starting …")
        await self.homeassistant.start()
        await self.homeassistant.sign_up()
        await self.homeassistant.configure(self.broker)
        self.progress(
            f"Home Assistant answers at {self.homeassistant.url}, MQTT is connected"
        )

    async def charge(self, *, session: timedelta, speed: float, rate_hz: float) -> None:
        """Switch on a station that a vehicle comes to for `session`; add it to Home Assistant.

        The session lies in the past: at `speed` it ends when its last moment has nearly become
        the present. After it the station stays on and idle, five minutes at least.
        """
        plug_in_after = timedelta(seconds=_DISCOVERY_S * speed)
        self.station = SimulatedStation(
            self.folder / "station",
            self.folder / "logs" / "station.log",
            self.broker,
            start=datetime.now(UTC) - plug_in_after - session - _TAIL,
            speed=speed,
            plug_in_after=plug_in_after,
            session=session,
            rate_hz=rate_hz,
        )
        await self.station.start()
        await self.homeassistant.add_discovered()
        self.progress("Home Assistant has discovered the station and added it")

    async def charge_twin(self, *, session: timedelta, speed: float) -> None:
        """As ``charge``, with the station's own firmware: the twin, a frame each second."""
        self.progress("The firmware is being built …")
        await TwinStation.build(self.folder / "logs" / "twin-build.log")
        plug_in_after = timedelta(seconds=_DISCOVERY_S * speed)
        self.station = TwinStation(
            self.folder / "station",
            self.folder / "logs" / "station.log",
            self.broker,
            start=datetime.now(UTC) - plug_in_after - session - _TAIL,
            speed=speed,
            plug_in_after=plug_in_after,
            session=session,
        )
        await self.station.start()
        await self.homeassistant.add_discovered()
        self.progress("Home Assistant has discovered the station and added it")

    async def watch(self) -> None:
        """Return never; raise ProgramEnded when one of the programs ends."""
        watched = {asyncio.create_task(it.wait()): it for it in self.programs}
        try:
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in watched:
                task.cancel()
        raise watched[done.pop()].ended()

    async def stop(self) -> None:
        """End everything, in the reverse order."""
        if self.station is not None:
            await self.station.stop()
        await self.recorder.stop()
        await asyncio.gather(self.homeassistant.stop(), self.billing.stop())
        await self.broker.stop()
        self.ports.release()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_folder(self) -> None:
        """Make the folder anew, ours alone while the site runs. Raises RigError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / ".solarrally-site").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise RigError(
                f"another demo is running in {self.folder}; give this one a folder with --out"
            ) from None
        self._lock = lock
        # Passwords and databases of an earlier run are of no use to this one.
        for name in ("mosquitto", "billing", "homeassistant", "station", "logs"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        # Nor is what it resulted in: a run that fails must not seem to have made it.
        for file in self._stale:
            file.unlink(missing_ok=True)
