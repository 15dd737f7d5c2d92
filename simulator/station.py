"""One simulated station: the world around it, its controller and its meters. Pure.

`advance` it step by step; it tells what happened as readings, happenings and snapshots, in the
order in which a real station would send them.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from simulator.controller import (
    NO_CURRENT_A,
    Controller,
    Mode,
    Pilot,
    Source,
    SourceChange,
)
from simulator.outputs import (
    Happening,
    MeterReading,
    Output,
    Reading,
    Session,
    Snapshot,
)
from simulator.physics.clouds import Clouds, Scenario, clouds_of
from simulator.physics.meter import SECONDS_PER_HOUR, Meter
from simulator.physics.pv import Inverter, PvArray
from simulator.physics.sun import (
    SunTrack,
    site_where_it_is_midnight,
    site_where_it_is_noon,
)
from simulator.physics.supply import (
    GridSupply,
    SolarSupply,
    current_for_power_a,
    loaded_voltage_v,
)
from simulator.physics.vehicle import Vehicle
from simulator.schedule import Schedule
from simulator.timestamps import rfc3339

IDLE_INTERVAL_S = 10.0
AMBIENT_C = 20.0
# On-board chargers correct their power factor; IEC 61000-3-2 leaves them little room.
POWER_FACTOR = 0.998
START_SOC = (0.3, 0.6)


@dataclass(frozen=True, slots=True)
class StationConfig:
    """How one station is simulated. Times in seconds are simulated ones since `start`."""

    station: str
    start: datetime
    seed: int = 1
    scenario: Scenario = Scenario.SUNNY
    mode: Mode = Mode.AUTO
    rate_hz: float = 1.0
    plug_in_after_s: float = 10.0
    session_length_s: float = 14_400.0
    duration_s: float | None = None
    fault_after_s: float | None = None
    boot: int = 1
    solar_register_wh: float = 0.0
    grid_register_wh: float = 0.0


def _shown(meter: Meter) -> MeterReading:
    """A meter's display: 0.1 V, 1 mA, 0.1 W, 1 Wh."""
    return MeterReading(
        round(meter.voltage_v, 1),
        round(meter.current_a, 3),
        round(meter.power_w, 1),
        meter.register_wh,
    )


class Refused(Exception):
    """A command that cannot be obeyed now. `code` is the contract's error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Station:
    """Simulates one station from `config`; the same config gives the same outputs."""

    def __init__(self, config: StationConfig) -> None:
        self.config = config
        self.boot = config.boot
        self.reset_reason = "power_on"
        self.controller = Controller(mode=config.mode)
        self.solar_meter = Meter(config.solar_register_wh)
        self.grid_meter = Meter(config.grid_register_wh)
        self.solar = SolarSupply(self._rng("solar"))
        self.grid = GridSupply(self._rng("grid"))
        self.schedule = Schedule(
            config.plug_in_after_s,
            config.session_length_s,
            config.duration_s,
            self._rng("schedule"),
        )
        self.vehicle: Vehicle | None = None
        self.session: Session | None = None
        self.sessions = 0
        self._array, self._inverter = PvArray(), Inverter()
        self._clouds: Clouds = clouds_of(config.scenario, self._rng("clouds"))
        self._vehicles = self._rng("vehicle")
        self._site_for_s = -1.0
        self._sun = self._sun_for_session()
        self._start_ms = round(config.start.timestamp() * 1000)
        # The physics steps at least once a second, and a whole number of steps makes a frame.
        self._frame_steps = math.ceil(1.0 / config.rate_hz)
        self._step_s = 1.0 / config.rate_hz / self._frame_steps
        self._idle_steps = max(self._frame_steps, round(IDLE_INTERVAL_S / self._step_s))
        self._step = 0
        self._seq = 0
        self._sessions_this_boot = 0
        self._fault_after_s = config.fault_after_s
        self._pv_wh = 0.0
        self._framed_step = 0
        self._framed: tuple[Source, Pilot, tuple[str, ...]] | None = None
        self._told_state: Snapshot | None = None
        self._told_faults: list[str] = []
        self._told_reboot = False

    def _rng(self, subject: str) -> random.Random:
        """A stream of chance of its own per subject, so that commands do not change the weather."""
        name = f"{self.config.seed}/{self.config.station}/{subject}"
        return random.Random(name)  # noqa: S311  # repeatable on purpose

    # Time

    @property
    def elapsed_s(self) -> float:
        """Simulated seconds since the start, of the step that was taken last."""
        return max(0, self._step - 1) * self._step_s

    @property
    def next_step_s(self) -> float:
        """Simulated second since the start at which the next step is due."""
        return self._step * self._step_s

    @property
    def now_ms(self) -> int:
        """The station's clock at the last step: Unix time, ms."""
        return self._start_ms + round(self.elapsed_s * 1000)

    @property
    def over(self) -> bool:
        """Whether the planned end is reached and the vehicle is gone."""
        return self._step > 0 and self.schedule.over(self.elapsed_s)

    def finish(self) -> None:
        """End early: let the driver unplug, and plan no more sessions."""
        self.schedule.finish(self.elapsed_s)

    # Commands. Each changes the controller; the next step acts on it.

    def set_mode(self, mode: Mode) -> None:
        """The owner wants `mode` from now on."""
        self.controller.mode = mode

    def set_current_limit(self, current_a: float) -> None:
        """Offer at most `current_a`; the caller has checked the range."""
        self.controller.current_limit_a = current_a

    def start_charging(self) -> None:
        """Allow charging. Raises Refused: `no_vehicle`, `fault_active`."""
        if self.session is None:
            raise Refused("no_vehicle", "no vehicle is connected")
        if self.controller.faults:
            raise Refused(
                "fault_active", f"fault {self.controller.faults[0]} is active"
            )
        self.controller.enabled = True

    def stop_charging(self) -> None:
        """Forbid charging until start or the next plug-in. Raises Refused: `no_vehicle`."""
        if self.session is None:
            raise Refused("no_vehicle", "no vehicle is connected")
        self.controller.enabled = False

    def reset_faults(self) -> None:
        """Clear latched faults; their cause is a single moment, so it is always gone."""
        self.controller.faults.clear()

    def reboot(self) -> None:
        """Restart: the next boot number, frames counted from 0. The session goes on.

        Raises Refused: `busy` while a contactor is closed.
        """
        if self.controller.contactor_closed:
            raise Refused("busy", "a contactor is closed")
        self.boot += 1
        self.reset_reason = "software"
        self._seq = self._sessions_this_boot = 0
        self._told_reboot = False

    # The world

    def _sun_for_session(self) -> SunTrack:
        """The sun over the place where the scenario's hour is in the middle of the session."""
        self._site_for_s = self.schedule.plug_in_s
        middle = datetime.fromtimestamp(
            self.config.start.timestamp() + self.schedule.middle_s(), UTC
        )
        if self.config.scenario is Scenario.NIGHT:
            return SunTrack(site_where_it_is_midnight(middle))
        return SunTrack(site_where_it_is_noon(middle))

    def advance(self) -> list[Output]:
        """Take the next step; what a station would tell of it, in order."""
        now_s = self.next_step_s
        dt_s = 0.0 if self._step == 0 else self._step_s
        self._step += 1
        out: list[Output] = []
        if not self._told_reboot:
            self._told_reboot = True
            fields: dict[str, str | int] = {
                "boot": self.boot,
                "reset_reason": self.reset_reason,
            }
            out.append(Happening(self.now_ms, "rebooted", fields))
        plugged = self.schedule.plugged(now_s)
        self._weather(now_s, dt_s)
        if plugged and self.vehicle is None:
            self.vehicle = Vehicle(soc=self._vehicles.uniform(*START_SOC))
        if self.vehicle is not None:
            self.vehicle.ready = plugged and not self.schedule.leaving(now_s)
        if plugged:
            self._fault_when_due(now_s)
        change = self.controller.step(
            dt_s,
            plugged=plugged,
            wants_charge=self.vehicle is not None and self.vehicle.wants_charge,
            current_a=self.vehicle.current_a if self.vehicle is not None else 0.0,
            solar_available_w=self.solar.available_w,
        )
        self._flow(dt_s)
        if not plugged:
            self.vehicle = None
        out.extend(self._tell_changes(plugged, change))
        out.extend(self._tell_state())
        if self._frame_due():
            out.append(self._read())
        return out

    def settle(self) -> list[Output]:
        """What a command has changed already, before the next step."""
        return [*self._tell_faults(), *self._tell_state()]

    def _weather(self, now_s: float, dt_s: float) -> None:
        planned_s = self.schedule.plug_in_s
        if planned_s != self._site_for_s and not math.isinf(planned_s):
            self._sun = self._sun_for_session()
        clear = self._sun.ghi_w_m2(self._start_ms / 1000 + now_s)
        arriving = clear * self._clouds.step(dt_s, self.schedule.part(now_s))
        before_w = self.solar.pv_w
        self.solar.pv_w = self._inverter.ac_power_w(
            self._array.dc_power_w(arriving, AMBIENT_C)
        )
        self._pv_wh = (before_w + self.solar.pv_w) / 2 * dt_s / SECONDS_PER_HOUR
        self.grid.step(dt_s)
        self.solar.step(dt_s)
        if self._step == 1:
            self.controller.start_watching(self.solar.available_w)

    def _fault_when_due(self, now_s: float) -> None:
        if self._fault_after_s is not None and (
            now_s >= self.schedule.plug_in_s + self._fault_after_s
        ):
            self._fault_after_s = None
            self.controller.faults.append("residual_current")

    def _flow(self, dt_s: float) -> None:
        """Let current flow for the step and count it."""
        source = self.controller.source
        solar_a = self._draw(self.solar, dt_s) if source is Source.SOLAR else 0.0
        grid_a = self._draw(self.grid, dt_s) if source is Source.GRID else 0.0
        if source is Source.NONE and self.vehicle is not None:
            self.vehicle.current_a = 0.0
        solar_wh = self._count(
            self.solar_meter, self.solar, solar_a, source is Source.SOLAR, dt_s
        )
        grid_wh = self._count(
            self.grid_meter, self.grid, grid_a, source is Source.GRID, dt_s
        )
        self.solar.account(self._pv_wh, solar_wh, dt_s)
        if self.vehicle is not None:
            self.vehicle.charge(solar_wh + grid_wh)

    def _draw(self, supply: SolarSupply | GridSupply, dt_s: float) -> float:
        if self.vehicle is None:
            return 0.0
        taken_a = current_for_power_a(supply, self.vehicle.power_limit_w / POWER_FACTOR)
        current = self.vehicle.follow(self.controller.offer_a, taken_a, dt_s)
        if isinstance(supply, SolarSupply):
            current = min(current, current_for_power_a(supply, supply.deliverable_w))
            self.vehicle.current_a = current
        return current

    @staticmethod
    def _count(
        meter: Meter,
        supply: SolarSupply | GridSupply,
        current_a: float,
        connected: bool,
        dt_s: float,
    ) -> float:
        voltage = loaded_voltage_v(supply, current_a)
        return meter.observe(
            voltage, current_a, voltage * current_a * POWER_FACTOR, connected, dt_s
        )

    # Telling

    def _tell_changes(
        self, plugged: bool, change: SourceChange | None
    ) -> Iterator[Output]:
        """Happenings of this step: plug-in first, unplugging last."""
        at_ms = self.now_ms
        if plugged and self.session is None:
            yield from self._open_session(at_ms)
        yield from self._tell_faults()
        if change is not None:
            yield Happening(
                at_ms,
                "source_changed",
                {
                    "from": change.old.value,
                    "to": change.new.value,
                    "reason": change.reason,
                },
            )
        if not plugged and self.session is not None:
            yield from self._close_session(at_ms, self.session)

    def _tell_faults(self) -> Iterator[Output]:
        faults, told = self.controller.faults, self._told_faults
        for fault in faults:
            if fault not in told:
                yield Happening(self.now_ms, "fault_raised", {"fault": fault})
        for fault in told:
            if fault not in faults:
                yield Happening(self.now_ms, "fault_cleared", {"fault": fault})
        self._told_faults = list(faults)

    def _tell_state(self) -> Iterator[Output]:
        state = self.snapshot()
        if state != self._told_state:
            self._told_state = state
            yield state

    def _frame_due(self) -> bool:
        """By the rhythm, or at once when source, pilot state or faults have changed."""
        controller = self.controller
        shown = (controller.source, controller.pilot, tuple(controller.faults))
        waited = self._step - self._framed_step
        gap = self._frame_steps if controller.contactor_closed else self._idle_steps
        if shown == self._framed and waited < gap:
            return False
        self._framed, self._framed_step = shown, self._step
        return True

    def _read(self) -> Reading:
        reading = Reading(
            at_ms=self.now_ms,
            boot=self.boot,
            seq=self._seq,
            source=self.controller.source,
            solar=_shown(self.solar_meter),
            grid=_shown(self.grid_meter),
            pilot=self.controller.pilot,
            session=self.session.id if self.session is not None else None,
        )
        self._seq += 1
        return reading

    def _open_session(self, at_ms: int) -> Iterator[Output]:
        self.sessions += 1
        self._sessions_this_boot += 1
        solar_wh, grid_wh = self.solar_meter.register_wh, self.grid_meter.register_wh
        name = f"{self.boot}-{self._sessions_this_boot}"
        self.session = Session(name, at_ms, solar_wh, grid_wh)
        yield Happening(at_ms, "plugged", {"session": name})
        yield Happening(
            at_ms,
            "session_started",
            {
                "session": name,
                "meter_start_wh": solar_wh + grid_wh,
                "solar_start_wh": solar_wh,
                "grid_start_wh": grid_wh,
            },
        )

    def _close_session(self, at_ms: int, session: Session) -> Iterator[Output]:
        solar_wh, grid_wh = self.solar_meter.register_wh, self.grid_meter.register_wh
        yield Happening(
            at_ms,
            "session_ended",
            {
                "session": session.id,
                "started_at": rfc3339(session.started_ms),
                "meter_start_wh": session.solar_start_wh + session.grid_start_wh,
                "meter_stop_wh": solar_wh + grid_wh,
                "solar_wh": solar_wh - session.solar_start_wh,
                "grid_wh": grid_wh - session.grid_start_wh,
                "reason": "unplugged",
            },
        )
        yield Happening(at_ms, "unplugged", {"session": session.id})
        self.session = None

    def current_state(self) -> Snapshot:
        """The state that was told last; before the first step, the one at power-on."""
        self._told_state = self._told_state or self.snapshot()
        return self._told_state

    def snapshot(self) -> Snapshot:
        """What the station is doing now."""
        controller, vehicle = self.controller, self.vehicle
        return Snapshot(
            at_ms=self.now_ms,
            boot=self.boot,
            mode=controller.mode,
            source=controller.source,
            pilot=controller.pilot,
            enabled=controller.enabled,
            charging=vehicle is not None and vehicle.current_a >= NO_CURRENT_A,
            current_limit_a=controller.current_limit_a,
            faults=tuple(controller.faults),
            session=self.session,
        )
