"""An analog input of the bench."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.types import ConfigType

from esphome.components import sensor, voltage_sampler

from . import CONF_CHANNEL, CONF_TWIN_IO_ID, TwinIO, twin_io_ns

AUTO_LOAD = ["voltage_sampler"]
DEPENDENCIES = ["twin_io"]

CONF_LOW_CHANNEL = "low_channel"

TwinAnalog = twin_io_ns.class_(
    "TwinAnalog", sensor.Sensor, cg.PollingComponent, voltage_sampler.VoltageSampler
)

CONFIG_SCHEMA = (
    sensor.sensor_schema(TwinAnalog)
    .extend(
        {
            cv.GenerateID(CONF_TWIN_IO_ID): cv.use_id(TwinIO),
            cv.Required(CONF_CHANNEL): cv.All(
                cv.string_strict, cv.Length(min=1, max=32)
            ),
            cv.Optional(CONF_LOW_CHANNEL): cv.All(
                cv.string_strict, cv.Length(min=1, max=32)
            ),
        }
    )
    .extend(cv.polling_component_schema("1s"))
)


async def to_code(config: ConfigType) -> None:
    """Create the input."""
    parent = await cg.get_variable(config[CONF_TWIN_IO_ID])
    var = await sensor.new_sensor(config, parent)
    await cg.register_component(var, config)
    cg.add(var.set_channel(config[CONF_CHANNEL]))
    if low_channel := config.get(CONF_LOW_CHANNEL):
        cg.add(var.set_low_channel(low_channel))
