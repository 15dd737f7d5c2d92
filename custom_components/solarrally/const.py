"""Constants of the SolarRally integration."""

import logging
import re
from datetime import timedelta
from typing import Final

DOMAIN: Final = "solarrally"
LOGGER = logging.getLogger(__package__)

CONF_TOPIC_PREFIX: Final = "topic_prefix"
DEFAULT_TOPIC_PREFIX: Final = "ev"

# Levels of plain characters: whatever else MQTT allows, wildcards and $SYS
# included, would subscribe to something that is not ours.
TOPIC_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", re.ASCII)
MAX_TOPIC_PREFIX_LENGTH: Final = 128

# What the plain form on {prefix}/telemetry is called when its frames name no
# station.
DEFAULT_STATION: Final = "station"

MANUFACTURER: Final = "SolarRally"

# A station answers each command within five seconds.
COMMAND_TIMEOUT_S: Final = 5.0

# How often stations that send no status are checked for silence.
SILENCE_CHECK_INTERVAL: Final = timedelta(seconds=10)
