"""The twin's hardware: pins, analog inputs and levels that live in a bench outside the program.

The twin is a TCP client of a bench that listens on ``SOLARRALLY_BENCH`` (``host:port``). Both speak lines of text:

- ``out <number> <0|1>``: the twin drives a pin;
- ``level <name> <value>``: the twin drives a proportional output, 0 to 1;
- ``in <number> <0|1>``: the bench drives a pin;
- ``analog <name> <value>``: the bench drives an analog input.

Without a bench all inputs keep their last value, at first low and 0.
"""

from typing import Any

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.const import (
    CONF_ID,
    CONF_INPUT,
    CONF_INVERTED,
    CONF_MODE,
    CONF_NUMBER,
    CONF_OUTPUT,
    PLATFORM_HOST,
)
from esphome.cpp_generator import MockObj
from esphome.types import ConfigType

from esphome import pins

AUTO_LOAD = ["output", "sensor", "voltage_sampler"]

CONF_TWIN_IO = "twin_io"
CONF_TWIN_IO_ID = "twin_io_id"
CONF_CHANNEL = "channel"

twin_io_ns = cg.esphome_ns.namespace("twin_io")
TwinIO = twin_io_ns.class_("TwinIO", cg.Component)
TwinPin = twin_io_ns.class_("TwinPin", cg.GPIOPin)

CONFIG_SCHEMA = cv.All(
    cv.Schema({cv.GenerateID(): cv.declare_id(TwinIO)}).extend(cv.COMPONENT_SCHEMA),
    cv.only_on(PLATFORM_HOST),
)


async def to_code(config: ConfigType) -> None:
    """Create the connection to the bench."""
    var = cg.new_Pvariable(config[CONF_ID])
    await cg.register_component(var, config)
    # The bench may drive the time, too (virtual_time.cpp).
    for call in (
        "clock_gettime",
        "gettimeofday",
        "time",
        "nanosleep",
        "select",
        "fsync",
    ):
        cg.add_build_flag(f"-Wl,--wrap={call}")


def _validate_mode(value: dict[str, Any]) -> dict[str, Any]:
    if bool(value[CONF_INPUT]) == bool(value[CONF_OUTPUT]):
        raise cv.Invalid("A twin pin is either an input or an output")
    return value


TWIN_PIN_SCHEMA = pins.gpio_base_schema(
    TwinPin,
    cv.int_range(min=0, max=63),
    modes=[CONF_INPUT, CONF_OUTPUT],
    mode_validator=_validate_mode,
).extend({cv.Required(CONF_TWIN_IO): cv.use_id(TwinIO)})


@pins.PIN_SCHEMA_REGISTRY.register(CONF_TWIN_IO, TWIN_PIN_SCHEMA)
async def twin_pin_to_code(config: ConfigType) -> MockObj:
    """Create one pin of the bench."""
    parent = await cg.get_variable(config[CONF_TWIN_IO])
    var = cg.new_Pvariable(
        config[CONF_ID], parent, config[CONF_NUMBER], config[CONF_INVERTED]
    )
    cg.add(var.set_flags(pins.gpio_flags_expr(config[CONF_MODE])))
    return var
