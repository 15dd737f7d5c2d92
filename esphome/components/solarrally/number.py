"""The current limit that the owner sets."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.const import DEVICE_CLASS_CURRENT, UNIT_AMPERE
from esphome.core import CORE
from esphome.types import ConfigType

from esphome.components import number

from . import CONF_SOLARRALLY_ID, SolarRally, solarrally_ns

LimitNumber = solarrally_ns.class_("LimitNumber", number.Number)

CONF_CURRENT_LIMIT = "current_limit"

CONFIG_SCHEMA = cv.Schema(
    {
        cv.GenerateID(CONF_SOLARRALLY_ID): cv.use_id(SolarRally),
        cv.Required(CONF_CURRENT_LIMIT): number.number_schema(
            LimitNumber,
            unit_of_measurement=UNIT_AMPERE,
            device_class=DEVICE_CLASS_CURRENT,
            icon="mdi:current-ac",
        ),
    }
)


async def to_code(config: ConfigType) -> None:
    """Generate the number, with the station's range."""
    station = await cg.get_variable(config[CONF_SOLARRALLY_ID])
    rating = CORE.config["solarrally"]
    var = await number.new_number(
        config[CONF_CURRENT_LIMIT],
        station,
        min_value=rating["min_current"],
        max_value=rating["max_current"],
        step=1,
    )
    cg.add(station.set_limit_number(var))
