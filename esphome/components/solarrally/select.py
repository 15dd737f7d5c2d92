"""The station's mode."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.types import ConfigType

from esphome.components import select

from . import CONF_SOLARRALLY_ID, SolarRally, solarrally_ns

ModeSelect = solarrally_ns.class_("ModeSelect", select.Select)

CONF_MODE = "mode"
# In the order of the logic's enum.
MODES = ["off", "solar", "grid", "auto"]

CONFIG_SCHEMA = cv.Schema(
    {
        cv.GenerateID(CONF_SOLARRALLY_ID): cv.use_id(SolarRally),
        cv.Required(CONF_MODE): select.select_schema(
            ModeSelect, icon="mdi:solar-power"
        ),
    }
)


async def to_code(config: ConfigType) -> None:
    """Generate the select."""
    station = await cg.get_variable(config[CONF_SOLARRALLY_ID])
    var = await select.new_select(config[CONF_MODE], station, options=MODES)
    cg.add(station.set_mode_select(var))
