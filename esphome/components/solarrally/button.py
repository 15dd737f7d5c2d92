"""The reset of latched faults."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.const import ENTITY_CATEGORY_CONFIG
from esphome.types import ConfigType

from esphome.components import button

from . import CONF_SOLARRALLY_ID, SolarRally, solarrally_ns

ResetFaultsButton = solarrally_ns.class_("ResetFaultsButton", button.Button)

CONF_RESET_FAULTS = "reset_faults"

CONFIG_SCHEMA = cv.Schema(
    {
        cv.GenerateID(CONF_SOLARRALLY_ID): cv.use_id(SolarRally),
        cv.Required(CONF_RESET_FAULTS): button.button_schema(
            ResetFaultsButton,
            icon="mdi:alert-remove",
            entity_category=ENTITY_CATEGORY_CONFIG,
        ),
    }
)


async def to_code(config: ConfigType) -> None:
    """Generate the button."""
    station = await cg.get_variable(config[CONF_SOLARRALLY_ID])
    await button.new_button(config[CONF_RESET_FAULTS], station)
