"""What the station measures, at the vehicle's side."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.const import (
    DEVICE_CLASS_CURRENT,
    DEVICE_CLASS_DURATION,
    DEVICE_CLASS_ENERGY,
    DEVICE_CLASS_POWER,
    DEVICE_CLASS_VOLTAGE,
    STATE_CLASS_MEASUREMENT,
    STATE_CLASS_TOTAL_INCREASING,
    UNIT_AMPERE,
    UNIT_SECOND,
    UNIT_VOLT,
    UNIT_WATT,
    UNIT_WATT_HOURS,
)
from esphome.types import ConfigType

from esphome.components import sensor

from . import CONF_SOLARRALLY_ID, SolarRally

SENSORS = {
    "voltage": (UNIT_VOLT, 1, DEVICE_CLASS_VOLTAGE, STATE_CLASS_MEASUREMENT),
    "current": (UNIT_AMPERE, 2, DEVICE_CLASS_CURRENT, STATE_CLASS_MEASUREMENT),
    "power": (UNIT_WATT, 0, DEVICE_CLASS_POWER, STATE_CLASS_MEASUREMENT),
    "energy": (UNIT_WATT_HOURS, 0, DEVICE_CLASS_ENERGY, STATE_CLASS_TOTAL_INCREASING),
    "solar_energy": (
        UNIT_WATT_HOURS,
        0,
        DEVICE_CLASS_ENERGY,
        STATE_CLASS_TOTAL_INCREASING,
    ),
    "grid_energy": (
        UNIT_WATT_HOURS,
        0,
        DEVICE_CLASS_ENERGY,
        STATE_CLASS_TOTAL_INCREASING,
    ),
    "session_energy": (
        UNIT_WATT_HOURS,
        0,
        DEVICE_CLASS_ENERGY,
        STATE_CLASS_TOTAL_INCREASING,
    ),
    "session_duration": (
        UNIT_SECOND,
        0,
        DEVICE_CLASS_DURATION,
        STATE_CLASS_MEASUREMENT,
    ),
    "offered_current": (UNIT_AMPERE, 1, DEVICE_CLASS_CURRENT, STATE_CLASS_MEASUREMENT),
}

CONFIG_SCHEMA = cv.Schema(
    {
        cv.GenerateID(CONF_SOLARRALLY_ID): cv.use_id(SolarRally),
        **{
            cv.Optional(key): sensor.sensor_schema(
                unit_of_measurement=unit,
                accuracy_decimals=decimals,
                device_class=device_class,
                state_class=state_class,
            )
            for key, (unit, decimals, device_class, state_class) in SENSORS.items()
        },
    }
)


async def to_code(config: ConfigType) -> None:
    """Generate those that are wanted."""
    station = await cg.get_variable(config[CONF_SOLARRALLY_ID])
    for key in SENSORS:
        if key in config:
            var = await sensor.new_sensor(config[key])
            cg.add(getattr(station, f"set_{key}_sensor")(var))
