"""Whether charging is allowed."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.types import ConfigType

from esphome.components import switch

from . import CONF_SOLARRALLY_ID, SolarRally, solarrally_ns

EnabledSwitch = solarrally_ns.class_("EnabledSwitch", switch.Switch)

CONF_CHARGING = "charging"

CONFIG_SCHEMA = cv.Schema(
    {
        cv.GenerateID(CONF_SOLARRALLY_ID): cv.use_id(SolarRally),
        cv.Required(CONF_CHARGING): switch.switch_schema(
            EnabledSwitch, icon="mdi:ev-station", default_restore_mode="DISABLED"
        ),
    }
)


async def to_code(config: ConfigType) -> None:
    """Generate the switch."""
    station = await cg.get_variable(config[CONF_SOLARRALLY_ID])
    var = await switch.new_switch(config[CONF_CHARGING], station)
    cg.add(station.set_enabled_switch(var))
