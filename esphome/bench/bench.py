"""The bench: what is around the twin's pins, stepped in real time."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from bench.pzem import Pzem, PzemLine
from bench.virtual_time import VirtualTime

# Pins and channels of targets/host.yaml.
CONTACTOR_PINS = {26: "solar", 27: "grid"}
FEEDBACK_PINS = {"solar": 32, "grid": 33}

CLOCK_PIN = 40

STEP_S = 0.005

# Real seconds; long, for a busy machine is no reason to fail.
WITHIN_S = 120.0


@dataclass
class Contactor:
    """A contactor with an auxiliary contact, and the ways in which it can fail."""

    opens_after_s: float = 0.02
    closes_after_s: float = 0.03
    coil: bool = False
    closed: bool = False
    welded: bool = False
    stuck_open: bool = False
    bounces: int = 0
    moves_at: float | None = None

    def drive(self, coil: bool, now: float) -> None:
        """Put the coil on or off."""
        if coil == self.coil:
            return
        self.coil = coil
        self.moves_at = now + (self.closes_after_s if coil else self.opens_after_s)

    def step(self, now: float) -> None:
        """Move when it is time."""
        if self.moves_at is None or now < self.moves_at:
            return
        self.moves_at = None
        if self.coil:
            self.closed = not self.stuck_open
        elif self.bounces > 0 and not self.welded:
            # The armature springs back for a moment.
            self.closed = not self.closed
            self.bounces -= self.closed
            self.moves_at = now + 0.01
        elif not self.welded:
            self.closed = False


@dataclass
class Car:
    """A car at the end of the cable."""

    plugged: bool = False
    wants: bool = True
    max_current_a: float = 32.0
    stops_after_s: float = 0.2
    diode: bool = True
    pilot_short: bool = False
    ignores_pilot: bool = False
    current_a: float = 0.0
    stops_at: float | None = None

    def pilot_levels(self, duty: float) -> tuple[float, float]:
        """High and low voltage of the pilot at this duty cycle."""
        if self.pilot_short:
            return 0.0, 0.0
        pwm = duty < 1.0
        if not self.plugged:
            high = 12.0
        elif self.wants and (pwm or self.ignores_pilot or self.current_a > 0):
            high = 6.0
        else:
            high = 9.0
        if not pwm:
            return high, high
        return high, -12.0 if self.diode else -high

    def step(self, now: float, duty: float, voltage_v: float) -> None:
        """Follow the pilot and the supply."""
        offered_a = offered_current(duty)
        live = self.plugged and self.wants and voltage_v > 160
        if live and (offered_a > 0 or self.ignores_pilot):
            self.stops_at = None
            self.current_a = (
                self.max_current_a
                if self.ignores_pilot
                else min(offered_a, self.max_current_a)
            )
        elif not live:
            self.current_a = 0.0
            self.stops_at = None
        elif self.current_a > 0 and self.stops_at is None:
            self.stops_at = now + self.stops_after_s
        elif self.stops_at is not None and now >= self.stops_at:
            self.current_a = 0.0
            self.stops_at = None


def offered_current(duty: float) -> float:
    """Current a car may take at this duty cycle (IEC 61851-1, Table A.8), A."""
    percent = duty * 100
    if percent < 8 or percent > 97:
        return 0.0
    if percent <= 10:
        return 6.0
    if percent <= 85:
        return percent * 0.6
    return min((percent - 64) * 2.5, 80.0)


@dataclass
class Change:
    """A contactor that moved, or a coil that was driven: ``what`` is ``coil`` or ``contact``.

    ``current_a`` is what the car drew at that moment.
    """

    at: float
    what: str
    source: str
    closed: bool
    current_a: float


@dataclass
class Bench:
    """Sources, contactors, meters and a car; connects to the twin's IO and Modbus.

    ``history`` holds every move of a coil or contact with its time, so that a test can measure dead times.
    """

    solar_voltage_v: float = 230.0
    grid_voltage_v: float = 230.0
    sun_w: float = 7000.0
    car: Car = field(default_factory=Car)
    contactors: dict[str, Contactor] = field(
        default_factory=lambda: {"solar": Contactor(), "grid": Contactor()}
    )
    meters: dict[str, Pzem] = field(
        default_factory=lambda: {"solar": Pzem(1), "grid": Pzem(2)}
    )
    history: list[Change] = field(default_factory=list)
    duty: float = 1.0
    # Whether the station's clock has been set since it was switched on.
    clock_set: bool = True
    delivered_wh: float = 0.0
    # The bench drives the time itself when it has one of its own.
    virtual_time: VirtualTime | None = None
    step_s: float = STEP_S

    io_port: int = 0
    meter_port: int = 0

    def __post_init__(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()
        self._said: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self._now = self.now_s
        self.line = PzemLine(*self.meters.values())

    async def __aenter__(self) -> Self:
        self._servers = [
            await asyncio.start_server(self._serve_io, "127.0.0.1", self.io_port),
            await asyncio.start_server(self.line.serve, "127.0.0.1", self.meter_port),
        ]
        self.io_port, self.meter_port = (
            server.sockets[0].getsockname()[1] for server in self._servers
        )
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        for server in self._servers:
            server.close()
            server.close_clients()
            await server.wait_closed()

    @property
    def environment(self) -> dict[str, str]:
        """What the twin's environment must hold to find this bench."""
        environment = {
            "SOLARRALLY_BENCH": f"127.0.0.1:{self.io_port}",
            "SOLARRALLY_METER_PORT": str(self.meter_port),
        }
        if self.virtual_time is not None:
            environment["SOLARRALLY_TIME"] = str(self.virtual_time.path)
        return environment

    @property
    def now_s(self) -> float:
        """Seconds of the clock that the bench and the twin share."""
        return (
            time.monotonic() if self.virtual_time is None else self.virtual_time.now_s
        )

    async def pass_time(self, seconds: float) -> None:
        """Wait until so many seconds of the bench's time have passed."""
        end_s = self.now_s + seconds
        await self.until(lambda: self.now_s >= end_s, timeout_s=None)

    def closed(self) -> str:
        """The source whose contact is closed; ``both`` would be a short between two grids."""
        closed = [
            source for source, contactor in self.contactors.items() if contactor.closed
        ]
        return "both" if len(closed) > 1 else closed[0] if closed else "none"

    async def until(
        self, condition: Callable[[], bool], timeout_s: float | None = WITHIN_S
    ) -> None:
        """Wait until something is so on the bench.

        Raises:
            TimeoutError: it did not become so.
        """
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    async def _run(self) -> None:
        while True:
            if self.virtual_time is None:
                await asyncio.sleep(self.step_s)
            else:
                await self.virtual_time.step(self.step_s, lambda: bool(self._writers))
            self.step(self.now_s)
            async with self._changed:
                self._changed.notify_all()

    def step(self, now: float) -> None:
        """Move everything on to ``now``, seconds of a monotonic clock."""
        elapsed_s = now - self._now
        self._now = now
        for source, contactor in self.contactors.items():
            before = contactor.closed
            contactor.step(now)
            if contactor.closed != before:
                self._note(now, "contact", source, contactor.closed)
            self._say(f"in {FEEDBACK_PINS[source]}", str(int(contactor.closed)))
        closed = self.closed()
        voltage_v = {"solar": self.solar_voltage_v, "grid": self.grid_voltage_v}.get(
            closed, 0.0
        )
        self.car.step(now, self.duty, voltage_v)
        for source, meter in self.meters.items():
            meter.voltage_v = (
                self.solar_voltage_v if source == "solar" else self.grid_voltage_v
            )
            meter.current_a = self.car.current_a if source == closed else 0.0
            energy_wh = meter.power_w * elapsed_s / 3600
            meter.energy_wh += energy_wh
            self.delivered_wh += energy_wh
        high, low = self.car.pilot_levels(self.duty)
        self._say(f"in {CLOCK_PIN}", str(int(self.clock_set)))
        self._say("analog pilot_high", f"{high:.3f}")
        self._say("analog pilot_low", f"{low:.3f}")
        self._say("analog sun", f"{self.sun_w:.1f}")

    def _note(self, now: float, what: str, source: str, closed: bool) -> None:
        self.history.append(Change(now, what, source, closed, self.car.current_a))

    def _say(self, what: str, value: str) -> None:
        if self._said.get(what) == value:
            return
        self._said[what] = value
        for writer in self._writers:
            writer.write(f"{what} {value}\n".encode())

    async def _serve_io(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        for what, value in self._said.items():
            writer.write(f"{what} {value}\n".encode())
        try:
            while line := await reader.readline():
                self._heard(line.decode().split())
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            # Nobody drives the pins any more: the pull-downs of the board take over.
            self._heard(["level", "pilot", "1"])
            for number in CONTACTOR_PINS:
                self._heard(["out", str(number), "0"])

    def _heard(self, words: list[str]) -> None:
        now = self.now_s
        match words:
            case ["out", number, value] if int(number) in CONTACTOR_PINS:
                source = CONTACTOR_PINS[int(number)]
                contactor = self.contactors[source]
                coil = value == "1"
                if coil != contactor.coil:
                    self._note(now, "coil", source, coil)
                contactor.drive(coil, now)
            case ["level", "pilot", value]:
                self.duty = float(value)
