"""What the station is doing, in words."""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.const import ENTITY_CATEGORY_DIAGNOSTIC
from esphome.types import ConfigType

from esphome.components import text_sensor

from . import CONF_SOLARRALLY_ID, SolarRally

TEXT_SENSORS = {
    "source": {"icon": "mdi:transmission-tower"},
    "status": {"icon": "mdi:ev-station"},
    "pilot": {
        "icon": "mdi:ev-plug-type2",
        "entity_category": ENTITY_CATEGORY_DIAGNOSTIC,
    },
    "faults": {"icon": "mdi:alert", "entity_category": ENTITY_CATEGORY_DIAGNOSTIC},
}

CONFIG_SCHEMA = cv.Schema(
    {
        cv.GenerateID(CONF_SOLARRALLY_ID): cv.use_id(SolarRally),
        **{
            cv.Optional(key): text_sensor.text_sensor_schema(**options)
            for key, options in TEXT_SENSORS.items()
        },
    }
)


async def to_code(config: ConfigType) -> None:
    """Generate those that are wanted."""
    station = await cg.get_variable(config[CONF_SOLARRALLY_ID])
    for key in TEXT_SENSORS:
        if key in config:
            var = await text_sensor.new_text_sensor(config[key])
            cg.add(getattr(station, f"set_{key}_text_sensor")(var))
