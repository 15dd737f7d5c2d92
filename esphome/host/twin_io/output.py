"""A proportional output of the bench."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.const import CONF_ID
from esphome.types import ConfigType

from esphome.components import output

from . import CONF_CHANNEL, CONF_TWIN_IO_ID, TwinIO, twin_io_ns

DEPENDENCIES = ["twin_io"]

TwinLevel = twin_io_ns.class_("TwinLevel", output.FloatOutput, cg.Component)

CONFIG_SCHEMA = output.FLOAT_OUTPUT_SCHEMA.extend(
    {
        cv.Required(CONF_ID): cv.declare_id(TwinLevel),
        cv.GenerateID(CONF_TWIN_IO_ID): cv.use_id(TwinIO),
        cv.Required(CONF_CHANNEL): cv.All(cv.string_strict, cv.Length(min=1, max=32)),
    }
).extend(cv.COMPONENT_SCHEMA)


async def to_code(config: ConfigType) -> None:
    """Create the output."""
    parent = await cg.get_variable(config[CONF_TWIN_IO_ID])
    var = cg.new_Pvariable(config[CONF_ID], parent)
    await output.register_output(var, config)
    await cg.register_component(var, config)
    cg.add(var.set_channel(config[CONF_CHANNEL]))
