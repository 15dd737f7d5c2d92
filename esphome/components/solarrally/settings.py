"""The station's settings as data: what YAML may say, within which range, and why the default is what it is.

The YAML schema, the generated C++ and the reference page all come from these tables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.core import TimePeriodMilliseconds
from esphome.types import ConfigType

# A name of its own, for Python before 3.14 needs brackets here that the formatter takes away.
_NOTHING = (cv.Invalid, ValueError)


def _parsed(parse: Callable[[Any], Any], value: Any) -> Any:
    """What ESPHome makes of a value; None when it makes nothing of it, for the range says more than its complaint."""
    try:
        return parse(value)
    except _NOTHING:
        return None


def ranged_time(low: str, high: str) -> Callable[[Any], TimePeriodMilliseconds]:
    """A time between two others, both allowed."""
    lowest = cv.positive_time_period_milliseconds(low)
    highest = cv.positive_time_period_milliseconds(high)

    def validate(value: Any) -> TimePeriodMilliseconds:
        period = _parsed(cv.positive_time_period_milliseconds, value)
        if (
            period is None
            or not lowest.total_milliseconds
            <= period.total_milliseconds
            <= highest.total_milliseconds
        ):
            raise cv.Invalid(f"must be between {low} and {high}, not {value}")
        return period

    return validate


def ranged_quantity(unit: str, low: float, high: float) -> Callable[[Any], float]:
    """A number with or without its unit, between two others, both allowed."""
    parse = {
        "A": cv.current,
        "V": cv.voltage,
    }.get(unit) or cv.float_with_unit(unit, f"({unit})?")

    def validate(value: Any) -> float:
        number = _parsed(parse, value)
        if number is None or not low <= number <= high:
            raise cv.Invalid(
                f"must be between {low:g} {unit} and {high:g} {unit}, not {value}"
            )
        return float(number)

    return validate


def ranged_int(low: int, high: int) -> Callable[[Any], int]:
    """A whole number between two others, both allowed."""

    def validate(value: Any) -> int:
        number = _parsed(cv.int_, value)
        if number is None or not low <= number <= high:
            raise cv.Invalid(f"must be between {low} and {high}, not {value}")
        return int(number)

    return validate


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: its key in YAML and its field in ``StationSettings``."""

    key: str
    field: str
    kind: str
    low: Any
    high: Any
    default: Any
    why: str

    @property
    def validator(self) -> Callable[[Any], Any]:
        """The validator that enforces the range."""
        if self.kind == "time":
            return ranged_time(self.low, self.high)
        if self.kind == "int":
            return ranged_int(self.low, self.high)
        if self.kind == "bool":
            return cv.boolean
        return ranged_quantity(self.kind, self.low, self.high)


def _time(key: str, field: str, low: str, high: str, default: str, why: str) -> Setting:
    return Setting(
        key=key, field=field, kind="time", low=low, high=high, default=default, why=why
    )


def _quantity(
    unit: str, key: str, field: str, low: float, high: float, default: float, why: str
) -> Setting:
    return Setting(
        key=key, field=field, kind=unit, low=low, high=high, default=default, why=why
    )


RATING = (
    _quantity(
        "A",
        "max_current",
        "max_current_a",
        6,
        80,
        32,
        "What the station's wiring and contactors may carry.",
    ),
    _quantity(
        "A",
        "min_current",
        "min_current_a",
        6,
        32,
        6,
        "The least a car may be offered (IEC 61851-1).",
    ),
    _quantity(
        "A",
        "cable_current",
        "cable_current_a",
        6,
        80,
        32,
        "What the charging cable may carry.",
    ),
    _quantity(
        "V",
        "voltage",
        "follow.voltage_v",
        50,
        500,
        230,
        "Nominal voltage between phase and neutral.",
    ),
    Setting(
        key="phases",
        field="follow.phases",
        kind="int",
        low=1,
        high=3,
        default=1,
        why="Phases that charge the car: 1 or 3.",
    ),
)

CONTACTORS = (
    _time(
        "dead_time",
        "contactors.dead_time_ms",
        "100ms",
        "10s",
        "200ms",
        "From the confirmed opening of one contactor to the closing of the other: the arc must have died.",
    ),
    _time(
        "open_timeout",
        "contactors.open_timeout_ms",
        "50ms",
        "2s",
        "200ms",
        "A contactor that is still closed this long after its coil went off is welded. Contactors open in 10 to 50 ms.",
    ),
    _time(
        "close_timeout",
        "contactors.close_timeout_ms",
        "50ms",
        "2s",
        "300ms",
        "A contactor that is still open this long after its coil went on has failed.",
    ),
    _time(
        "assumed_release",
        "contactors.assumed_release_ms",
        "50ms",
        "2s",
        "100ms",
        "Without an auxiliary contact, how long an opening is taken to last.",
    ),
)

AUTO = (
    _quantity(
        "V",
        "min_voltage",
        "source.min_voltage_v",
        80,
        480,
        207,
        "Below this solar does not carry the load.",
    ),
    _quantity(
        "V",
        "return_voltage",
        "source.return_voltage_v",
        80,
        480,
        216,
        "Above this it does again.",
    ),
    _quantity(
        "V",
        "collapse_voltage",
        "source.collapse_voltage_v",
        40,
        400,
        160,
        "Below this solar is left at once.",
    ),
    _time(
        "collapse_silence",
        "source.collapse_silence_ms",
        "2s",
        "10min",
        "3s",
        "So is it when its meter says nothing for this long: a PZEM-004T lives on the line that it measures. Three readings.",
    ),
    _quantity(
        "W",
        "min_power",
        "source.min_power_w",
        0,
        50000,
        1380,
        "The least power worth charging with: 6 A.",
    ),
    _quantity(
        "W",
        "return_power",
        "source.return_power_w",
        0,
        50000,
        1700,
        "Enough power to return to solar.",
    ),
    _time(
        "drop_time",
        "source.drop_time_ms",
        "0s",
        "10min",
        "5s",
        "How long solar must be too low before it is left.",
    ),
    _time(
        "return_time",
        "source.return_time_ms",
        "0s",
        "2h",
        "120s",
        "How long solar must be good before it is used again: longer than a gap between clouds.",
    ),
    _time(
        "min_dwell",
        "source.min_dwell_ms",
        "0s",
        "2h",
        "60s",
        "How long a source is kept once it was chosen.",
    ),
    Setting(
        key="max_switches_per_hour",
        field="source.max_switches_per_hour",
        kind="int",
        low=2,
        high=60,
        default=12,
        why="Contactors wear with each switching; then the station stays on the other source.",
    ),
)

FOLLOW = (
    _quantity(
        "W",
        "reserve",
        "follow.reserve_w",
        -20000,
        20000,
        100,
        "Solar power left to the house.",
    ),
    _time(
        "smoothing",
        "follow.smoothing_ms",
        "0s",
        "10min",
        "10s",
        "Time constant of the smoothing.",
    ),
    _quantity(
        "A/s",
        "ramp_up",
        "follow.ramp_up_a_per_s",
        0.05,
        20,
        1,
        "How fast the current may rise.",
    ),
    _quantity(
        "A/s",
        "ramp_down",
        "follow.ramp_down_a_per_s",
        0.05,
        80,
        4,
        "How fast it may fall.",
    ),
    _time(
        "start_delay",
        "follow.start_delay_ms",
        "0s",
        "1h",
        "60s",
        "Enough sun for this long starts charging.",
    ),
    _time(
        "stop_delay",
        "follow.stop_delay_ms",
        "0s",
        "1h",
        "120s",
        "Too little sun for this long pauses it.",
    ),
    Setting(
        key="never_import",
        field="follow.never_import",
        kind="bool",
        low=None,
        high=None,
        default=False,
        why="Fall with the sun at once, so that nothing is ever drawn from elsewhere.",
    ),
)

PILOT = (
    _time(
        "debounce",
        "pilot.debounce_ms",
        "20ms",
        "2s",
        "200ms",
        "A pilot state must be read this long to be believed.",
    ),
    _time(
        "debounce_stop",
        "pilot.debounce_stop_ms",
        "0ms",
        "60ms",
        "30ms",
        "The same when the car leaves C or D: the contactor must be open within 100 ms (IEC 61851-1).",
    ),
    _time(
        "stop_timeout",
        "stop_timeout_ms",
        "3s",
        "10s",
        "3s",
        "How long a car may take to stop drawing before its supply is cut (IEC 61851-1 gives it 3 s).",
    ),
    _time(
        "raise_interval",
        "raise_interval_ms",
        "0ms",
        "5min",
        "5s",
        "How long an offer stays before it rises again; it falls at once. IEC 61851-1 gives a car 5 s to follow.",
    ),
)

SESSION = (
    _quantity(
        "W", "power", "session.power_w", 5, 1000, 50, "Power above this is charging."
    ),
    _time(
        "idle",
        "session.idle_ms",
        "10s",
        "24h",
        "10min",
        "Without a control pilot, a session ends when no power has flowed for this long.",
    ),
)

METERS = (
    _time(
        "silent_after",
        "meters[{index}].silent_after_ms",
        "2s",
        "10min",
        "10s",
        "A meter that says nothing believable for this long is silent: its source is not used, and it is a fault, but for a solar line that is dark.",
    ),
)

SOLAR_METER = (
    Setting(
        key="own_supply",
        field="solar_line.own_supply",
        kind="bool",
        low=None,
        high=None,
        default=False,
        why="The meter has power while its line has none, as current clamps do: its silence is a fault at once. A PZEM-004T has not.",
    ),
    _time(
        "sun_proves_after",
        "solar_line.sun_proves_after_ms",
        "1min",
        "24h",
        "10min",
        "A meter that is mute is a fault when `available_power` is enough to return to solar, and for a car, for this long: longer than an inverter takes to connect.",
    ),
    _time(
        "dark_at_most",
        "solar_line.dark_at_most_ms",
        "1h",
        "366d",
        "24h",
        "So is one that is mute for longer than any night. Beyond a polar circle, or under snow, a line may be dark for longer.",
    ),
)

CONTROL_LOST = (
    _time(
        "after",
        "control_lost_after_ms",
        "10s",
        "24h",
        "10min",
        "How long neither a broker nor Home Assistant may be there.",
    ),
    _quantity(
        "A",
        "current",
        "control_lost_current_a",
        6,
        80,
        6,
        "The limit while control is lost.",
    ),
)


def schema_of(settings: tuple[Setting, ...], **defaults: Any) -> dict[Any, Any]:
    """The YAML schema of a table."""
    return {
        cv.Optional(
            setting.key, default=defaults.get(setting.key, setting.default)
        ): setting.validator
        for setting in settings
    }


def literal(value: Any) -> str:
    """A value as C++ text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, TimePeriodMilliseconds):
        return str(value.total_milliseconds)
    if isinstance(value, int):
        return str(value)
    return f"{value!r}f"


def assign(
    var: cg.MockObj, settings: tuple[Setting, ...], config: ConfigType, **places: Any
) -> None:
    """Generate the assignments of a table to ``var->settings``."""
    for setting in settings:
        field = setting.field.format(**places)
        cg.add(
            cg.RawExpression(
                f"{var}->settings.{field} = {literal(config[setting.key])}"
            )
        )


# What the schema says beside the tables, by its path; the reference page shows these, and fails when one is missing.
OTHERS = {
    "station": "The station's name in topics: 1 to 32 of a-z, 0-9, _ and -.",
    "name": "What people read; the station's name when it is empty.",
    "model": "Told in `info`.",
    "time_id": "The clock.",
    "contactors.solar.pin": "Drives the coil.",
    "contactors.solar.feedback_pin": "Reads the auxiliary contact: on when the contactor is closed.",
    "contactors.grid.pin": "Drives the coil.",
    "contactors.grid.feedback_pin": "Reads the auxiliary contact: on when the contactor is closed.",
    "meters.solar.voltage": "A sensor, V.",
    "meters.solar.current": "A sensor, A.",
    "meters.solar.power": "A sensor, W; each of its readings counts as one of the meter.",
    "meters.solar.energy": "A sensor, Wh, that only rises.",
    "meters.grid.voltage": "A sensor, V.",
    "meters.grid.current": "A sensor, A.",
    "meters.grid.power": "A sensor, W; each of its readings counts as one of the meter.",
    "meters.grid.energy": "A sensor, Wh, that only rises.",
    "available_power": "A sensor of the solar power that the car could have, what it takes now included, W.",
    "clock_ready": "A binary sensor that says whether the clock can be trusted, for clocks that cannot say so.",
    "mqtt.broker": "Host name or address.",
    "mqtt.port": "8883 is usual with TLS.",
    "mqtt.username": "The station's own user.",
    "mqtt.password": "Its password.",
    "mqtt.certificate_authority": "PEM; with it the connection is TLS and the broker must prove who it is.",
    "mqtt.topic_prefix": "First levels of all topics.",
    "mqtt.discovery": "Announce entities to Home Assistant's MQTT integration.",
    "mqtt.discovery_prefix": "Where Home Assistant listens for them.",
    "log.path": "Where the card is mounted.",
    "log.clk_pin": "SPI clock of the card's slot.",
    "log.mosi_pin": "SPI data to the card.",
    "log.miso_pin": "SPI data from the card.",
    "log.cs_pin": "SPI chip select.",
    "update.hosts": "Hosts that `update_firmware` may fetch from: names or addresses alone.",
    "follow.mode": "`off`; `solar`: while the solar source is used; `surplus`: on both sources.",
    "control_pilot.pwm": "An output of 1 kHz that drives the pilot.",
    "control_pilot.voltage": "A sensor that samples the pilot.",
    "control_pilot.scale": "Pilot volts per volt of that sensor, 0.1 to 100.",
    "control_pilot.offset": "Added to it, V, -100 to 100.",
    "control_pilot.samples": "Readings per turn of the loop, 1 to 200: two periods of the pilot at least.",
    "control_lost.action": "`keep` charging as before, `limit` to `current`, or `stop`.",
}

ENTITIES = {
    "sensor.voltage": "Of the source that is connected; 0 when none is.",
    "sensor.current": "Into the car.",
    "sensor.power": "Into the car.",
    "sensor.energy": "Everything ever delivered to cars.",
    "sensor.solar_energy": "Of it, from the sun.",
    "sensor.grid_energy": "Of it, from the grid.",
    "sensor.session_energy": "Since the car was plugged in.",
    "sensor.session_duration": "Since the car was plugged in.",
    "sensor.offered_current": "What the pilot offers the car now: the smallest of all limits.",
    "binary_sensor.vehicle": "A car is plugged in.",
    "binary_sensor.charging": "Energy flows.",
    "binary_sensor.problem": "There is a fault.",
    "text_sensor.source": "`solar`, `grid` or `none`.",
    "text_sensor.status": "What to tell a person in front of the station, `waiting_for_sun` for example.",
    "text_sensor.pilot": "A to F of IEC 61851-1.",
    "text_sensor.faults": "Names of the active faults, or `none`.",
    "select.mode": "What the owner wants: `off`, `solar`, `grid`, `auto`. Kept over a power cut.",
    "number.current_limit": "The owner's limit; others may lower it. Kept over a power cut.",
    "switch.charging": "Off stops this car; the next one may charge.",
    "button.reset_faults": "Clears latched faults whose cause is gone.",
}
