"""What is so or is not."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.const import (
    DEVICE_CLASS_BATTERY_CHARGING,
    DEVICE_CLASS_PLUG,
    DEVICE_CLASS_PROBLEM,
)
from esphome.types import ConfigType

from esphome.components import binary_sensor

from . import CONF_SOLARRALLY_ID, SolarRally

BINARY_SENSORS = {
    "vehicle": DEVICE_CLASS_PLUG,
    "charging": DEVICE_CLASS_BATTERY_CHARGING,
    "problem": DEVICE_CLASS_PROBLEM,
}

CONFIG_SCHEMA = cv.Schema(
    {
        cv.GenerateID(CONF_SOLARRALLY_ID): cv.use_id(SolarRally),
        **{
            cv.Optional(key): binary_sensor.binary_sensor_schema(
                device_class=device_class
            )
            for key, device_class in BINARY_SENSORS.items()
        },
    }
)


async def to_code(config: ConfigType) -> None:
    """Generate those that are wanted."""
    station = await cg.get_variable(config[CONF_SOLARRALLY_ID])
    for key in BINARY_SENSORS:
        if key in config:
            var = await binary_sensor.new_binary_sensor(config[key])
            cg.add(getattr(station, f"set_{key}_binary_sensor")(var))
