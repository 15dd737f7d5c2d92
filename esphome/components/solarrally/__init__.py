"""SolarRally: a charging station with a solar and a grid source, two contactors and two meters."""

import re
from typing import Any

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.components.esp32 import (
    add_idf_component,
    add_idf_sdkconfig_option,
    idf_version,
    include_builtin_idf_component,
    request_http_client,
    request_tls,
    require_certificate_bundle,
    require_fatfs,
    require_vfs_dir,
)
from esphome.const import (
    CONF_BROKER,
    CONF_CURRENT,
    CONF_ENERGY,
    CONF_ESPHOME,
    CONF_ID,
    CONF_MODE,
    CONF_MODEL,
    CONF_MQTT,
    CONF_NAME,
    CONF_OTA,
    CONF_PASSWORD,
    CONF_PATH,
    CONF_PIN,
    CONF_PLATFORM,
    CONF_PORT,
    CONF_POWER,
    CONF_PROJECT,
    CONF_TIME_ID,
    CONF_USERNAME,
    CONF_VERSION,
    CONF_VOLTAGE,
)
from esphome.core import CORE
from esphome.types import ConfigType

from esphome import pins
from esphome.components import binary_sensor, ota, output, sensor, time, voltage_sampler

from . import settings as table

CODEOWNERS: list[str] = []
AUTO_LOAD = [
    "binary_sensor",
    "button",
    "number",
    "output",
    "select",
    "sensor",
    "sha256",
    "switch",
    "text_sensor",
    "voltage_sampler",
    "watchdog",
]
DEPENDENCIES = ["network"]

CONF_SOLARRALLY_ID = "solarrally_id"
CONF_ACTION = "action"
CONF_CERTIFICATE_AUTHORITY = "certificate_authority"
CONF_CLK_PIN = "clk_pin"
CONF_CLOCK_READY = "clock_ready"
CONF_CS_PIN = "cs_pin"
CONF_LOG = "log"
CONF_MISO_PIN = "miso_pin"
CONF_MOSI_PIN = "mosi_pin"
CONF_TOPIC_PREFIX = "topic_prefix"
CONF_AUTO = "auto"
CONF_AVAILABLE_POWER = "available_power"
CONF_CONTACTORS = "contactors"
CONF_CONTROL_LOST = "control_lost"
CONF_CONTROL_PILOT = "control_pilot"
CONF_DISCOVERY = "discovery"
CONF_DISCOVERY_PREFIX = "discovery_prefix"
CONF_FEEDBACK_PIN = "feedback_pin"
CONF_FOLLOW = "follow"
CONF_GRID = "grid"
CONF_HOSTS = "hosts"
CONF_METERS = "meters"
CONF_OFFSET = "offset"
CONF_PWM = "pwm"
CONF_SAMPLES = "samples"
CONF_SCALE = "scale"
CONF_SESSION = "session"
CONF_SOLAR = "solar"
CONF_STATION = "station"
CONF_UPDATE = "update"

SOURCES = (CONF_SOLAR, CONF_GRID)

solarrally_ns = cg.esphome_ns.namespace("solarrally")
SolarRally = solarrally_ns.class_("SolarRally", cg.Component)
logic_ns = cg.global_ns.namespace("evstation")
Follow = logic_ns.enum("Follow", is_class=True)
ControlLost = logic_ns.enum("ControlLost", is_class=True)

FOLLOW_MODES = {"off": Follow.OFF, "solar": Follow.SOLAR, "surplus": Follow.SURPLUS}
CONTROL_LOST_ACTIONS = {
    "keep": ControlLost.KEEP,
    "limit": ControlLost.LIMIT,
    "stop": ControlLost.STOP,
}


def station_name(value: Any) -> str:
    """The station's name in topics: 1 to 32 of ``a-z 0-9 _ -``."""
    text = cv.string_strict(value)
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789_-"
    if not 1 <= len(text) <= 32 or any(letter not in allowed for letter in text):
        raise cv.Invalid(f"'{text}' must be 1 to 32 of a-z, 0-9, _ and -")
    return text


def topic_prefix(value: Any) -> str:
    """The first levels of all topics: each 1 or more of letters, digits, ``_`` and ``-``."""
    text = cv.string_strict(value)
    if not re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", text):
        raise cv.Invalid(
            f"'{text}' must be levels of A-Z, a-z, 0-9, _ and -, divided by /"
        )
    return text


def follow_mode(value: Any) -> str:
    """Where the limit follows the sun; YAML reads a bare ``off`` as false."""
    mode: str = cv.one_of(*FOLLOW_MODES, lower=True)("off" if value is False else value)
    return mode


def _certificate(value: Any) -> str:
    """A certificate in PEM."""
    text = cv.string(value).strip()
    if not text.startswith("-----BEGIN CERTIFICATE-----"):
        raise cv.Invalid("must be a certificate in PEM: -----BEGIN CERTIFICATE----- …")
    return f"{text}\n"


def broker_host(value: Any) -> str:
    """A host's name or address, without scheme, port or path."""
    text = cv.string_strict(value)
    if not re.fullmatch(
        r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*){2,}", text
    ):
        raise cv.Invalid(
            f"'{text}' must be a host's name or address alone, without scheme, port or path"
        )
    return text


MQTT_SCHEMA = cv.Schema(
    {
        cv.Required(CONF_BROKER): broker_host,
        cv.Optional(CONF_PORT, default=1883): cv.port,
        cv.Optional(CONF_USERNAME, default=""): cv.string,
        cv.Optional(CONF_PASSWORD, default=""): cv.sensitive(cv.string),
        cv.Optional(CONF_CERTIFICATE_AUTHORITY): _certificate,
        cv.Optional(CONF_TOPIC_PREFIX, default="ev"): topic_prefix,
        cv.Optional(CONF_DISCOVERY, default=False): cv.boolean,
        cv.Optional(CONF_DISCOVERY_PREFIX, default="homeassistant"): topic_prefix,
    }
)

_CARD_PINS = (CONF_CLK_PIN, CONF_MOSI_PIN, CONF_MISO_PIN, CONF_CS_PIN)


def _card_on_esp32(config: ConfigType) -> ConfigType:
    if CORE.is_esp32 and (missing := [pin for pin in _CARD_PINS if pin not in config]):
        raise cv.Invalid(f"a card slot needs {', '.join(missing)}")
    return config


def host_name(value: Any) -> str:
    """A host's name or IPv4 address, without scheme, port or path."""
    text = cv.string_strict(value).lower()
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", text):
        raise cv.Invalid(
            f"'{text}' must be a host's name alone, without scheme, port or path"
        )
    return text


UPDATE_SCHEMA = cv.All(
    cv.Schema(
        {
            cv.Required(CONF_HOSTS): cv.All(
                cv.ensure_list(host_name), cv.Length(min=1)
            ),
        }
    ),
    cv.requires_component("ota"),
)

LOG_SCHEMA = cv.All(
    cv.Schema(
        {
            cv.Optional(CONF_PATH, default="/sd"): cv.string_strict,
            cv.Optional(CONF_CLK_PIN): pins.internal_gpio_output_pin_number,
            cv.Optional(CONF_MOSI_PIN): pins.internal_gpio_output_pin_number,
            cv.Optional(CONF_MISO_PIN): pins.internal_gpio_input_pin_number,
            cv.Optional(CONF_CS_PIN): pins.internal_gpio_output_pin_number,
        }
    ),
    _card_on_esp32,
)


def _own_pin(value: Any) -> Any:
    """Refuse what hangs on a bus: that is the main loop's, and the control task neither shares it nor waits for it."""
    if CORE.is_esp32 and isinstance(value, dict):
        for key in value:
            if key in pins.PIN_SCHEMA_REGISTRY and key != CORE.target_platform:
                raise cv.Invalid(f"must be a pin of the chip itself, not of {key}")
    return value


CONTACTOR_SCHEMA = cv.Schema(
    {
        cv.Required(CONF_PIN): cv.All(_own_pin, pins.gpio_output_pin_schema),
        cv.Optional(CONF_FEEDBACK_PIN): cv.All(_own_pin, pins.gpio_input_pin_schema),
    }
)

METER_SCHEMA = cv.Schema(
    {
        cv.Required(CONF_VOLTAGE): cv.use_id(sensor.Sensor),
        cv.Required(CONF_CURRENT): cv.use_id(sensor.Sensor),
        cv.Required(CONF_POWER): cv.use_id(sensor.Sensor),
        cv.Optional(CONF_ENERGY): cv.use_id(sensor.Sensor),
        **table.schema_of(table.METERS),
    }
)

CONTROL_PILOT_SCHEMA = cv.Schema(
    {
        cv.Required(CONF_PWM): cv.use_id(output.FloatOutput),
        cv.Required(CONF_VOLTAGE): cv.use_id(voltage_sampler.VoltageSampler),
        cv.Optional(CONF_SCALE, default=1.0): cv.float_range(min=0.1, max=100.0),
        cv.Optional(CONF_OFFSET, default=0.0): cv.float_range(min=-100.0, max=100.0),
        # At about 60 us each, 40 samples see more than two periods of the 1 kHz pilot.
        cv.Optional(CONF_SAMPLES, default=40): table.ranged_int(1, 200),
        **table.schema_of(table.PILOT),
    }
)


def _validate(config: ConfigType) -> ConfigType:
    """Check what one field cannot say alone."""
    if config["min_current"] > config["max_current"]:
        raise cv.Invalid(
            f"min_current ({config['min_current']:g} A) is above max_current ({config['max_current']:g} A)",
            path=["min_current"],
        )
    if config["phases"] == 2:
        raise cv.Invalid("must be 1 or 3, not 2", path=["phases"])
    if config["cable_current"] < config["min_current"]:
        raise cv.Invalid(
            f"cable_current ({config['cable_current']:g} A) is below min_current ({config['min_current']:g} A): "
            "no car would ever charge",
            path=["cable_current"],
        )
    lost = config[CONF_CONTROL_LOST]
    if lost[CONF_ACTION] == "limit" and lost[CONF_CURRENT] < config["min_current"]:
        raise cv.Invalid(
            f"current ({lost[CONF_CURRENT]:g} A) is below min_current ({config['min_current']:g} A): "
            "that is 'action: stop'",
            path=[CONF_CONTROL_LOST, CONF_CURRENT],
        )
    auto = config[CONF_AUTO]
    if not auto["collapse_voltage"] < auto["min_voltage"] < auto["return_voltage"]:
        raise cv.Invalid(
            "collapse_voltage must be below min_voltage, and min_voltage below return_voltage: "
            "without a gap the station flaps",
            path=[CONF_AUTO],
        )
    if auto["min_power"] > auto["return_power"]:
        raise cv.Invalid(
            "min_power must not be above return_power", path=[CONF_AUTO, "min_power"]
        )
    if config[CONF_FOLLOW][CONF_MODE] != "off" and CONF_AVAILABLE_POWER not in config:
        raise cv.Invalid(
            f"follow needs '{CONF_AVAILABLE_POWER}': a sensor of the solar power the car could have",
            path=[CONF_FOLLOW, CONF_MODE],
        )
    if CONF_UPDATE in config and CONF_MQTT not in config:
        raise cv.Invalid(
            f"'{CONF_UPDATE}' takes its command over MQTT: it needs '{CONF_MQTT}'",
            path=[CONF_UPDATE],
        )
    if set(config[CONF_METERS]) != set(config[CONF_CONTACTORS]) & set(SOURCES):
        raise cv.Invalid(
            "every contactor needs a meter of the same source, and no other",
            path=[CONF_METERS],
        )
    return config


CONFIG_SCHEMA = cv.All(
    cv.Schema(
        {
            cv.GenerateID(): cv.declare_id(SolarRally),
            cv.Required(CONF_STATION): station_name,
            cv.Optional(CONF_NAME, default=""): cv.All(
                cv.string_strict, cv.Length(max=64)
            ),
            cv.Optional(CONF_MODEL, default="SR-32"): cv.All(
                cv.string_strict, cv.Length(min=1, max=64)
            ),
            cv.Required(CONF_TIME_ID): cv.use_id(time.RealTimeClock),
            **table.schema_of(table.RATING),
            cv.Required(CONF_CONTACTORS): cv.All(
                cv.Schema(
                    {
                        cv.Optional(CONF_SOLAR): CONTACTOR_SCHEMA,
                        cv.Optional(CONF_GRID): CONTACTOR_SCHEMA,
                        **table.schema_of(table.CONTACTORS),
                    }
                ),
                cv.has_at_least_one_key(*SOURCES),
            ),
            cv.Required(CONF_METERS): cv.Schema(
                {
                    cv.Optional(CONF_SOLAR): METER_SCHEMA.extend(
                        table.schema_of(table.SOLAR_METER)
                    ),
                    cv.Optional(CONF_GRID): METER_SCHEMA,
                }
            ),
            cv.Optional(CONF_AVAILABLE_POWER): cv.use_id(sensor.Sensor),
            cv.Optional(CONF_CLOCK_READY): cv.use_id(binary_sensor.BinarySensor),
            cv.Optional(CONF_MQTT): MQTT_SCHEMA,
            cv.Optional(CONF_LOG): LOG_SCHEMA,
            cv.Optional(CONF_UPDATE): UPDATE_SCHEMA,
            cv.Optional(CONF_AUTO, default={}): cv.Schema(table.schema_of(table.AUTO)),
            cv.Optional(CONF_FOLLOW, default={}): cv.Schema(
                {
                    cv.Optional(CONF_MODE, default="off"): follow_mode,
                    **table.schema_of(table.FOLLOW),
                }
            ),
            cv.Optional(CONF_CONTROL_PILOT): CONTROL_PILOT_SCHEMA,
            cv.Optional(CONF_SESSION, default={}): cv.Schema(
                table.schema_of(table.SESSION)
            ),
            cv.Optional(CONF_CONTROL_LOST, default={}): cv.Schema(
                {
                    cv.Optional(CONF_ACTION, default="keep"): cv.one_of(
                        *CONTROL_LOST_ACTIONS, lower=True
                    ),
                    **table.schema_of(table.CONTROL_LOST),
                }
            ),
        }
    ).extend(cv.COMPONENT_SCHEMA),
    _validate,
)


async def to_code(config: ConfigType) -> None:
    """Generate the station."""
    var = cg.new_Pvariable(config[CONF_ID])
    await cg.register_component(var, config)
    cg.add(
        var.set_identity(
            config[CONF_STATION],
            config[CONF_NAME] or config[CONF_STATION],
            config[CONF_MODEL],
        )
    )
    cg.add(var.set_time(await cg.get_variable(config[CONF_TIME_ID])))
    table.assign(var, table.RATING, config)
    table.assign(var, table.CONTACTORS, config[CONF_CONTACTORS])
    table.assign(var, table.AUTO, config[CONF_AUTO])
    table.assign(var, table.FOLLOW, config[CONF_FOLLOW])
    table.assign(var, table.SESSION, config[CONF_SESSION])
    table.assign(var, table.CONTROL_LOST, config[CONF_CONTROL_LOST])
    for name, value in (
        ("follow_on", FOLLOW_MODES[config[CONF_FOLLOW][CONF_MODE]]),
        ("control_lost", CONTROL_LOST_ACTIONS[config[CONF_CONTROL_LOST][CONF_ACTION]]),
    ):
        cg.add(cg.RawExpression(f"{var}->settings.{name} = {value}"))

    if CONF_CLOCK_READY in config:
        cg.add(var.set_clock_ready(await cg.get_variable(config[CONF_CLOCK_READY])))
    if CONF_MQTT in config:
        await _mqtt_to_code(var, config[CONF_MQTT])
    if CONF_LOG in config:
        await _log_to_code(var, config[CONF_LOG])
    if update := config.get(CONF_UPDATE):
        cg.add_define("USE_SOLARRALLY_UPDATE")
        cg.add(var.set_update_hosts(update[CONF_HOSTS]))
        if CORE.is_esp32:
            request_http_client()
            require_certificate_bundle()
    if CORE.is_esp32:
        # An image says its version, so that an update can be told from a downgrade before it is installed.
        version = CORE.config[CONF_ESPHOME].get(CONF_PROJECT, {}).get(CONF_VERSION)
        if version:
            add_idf_sdkconfig_option("CONFIG_APP_PROJECT_VER_FROM_CONFIG", True)
            add_idf_sdkconfig_option("CONFIG_APP_PROJECT_VER", version)
    if CONF_OTA in CORE.config:
        await _ota_to_code(var, CORE.config[CONF_OTA])
    for index, source in enumerate(SOURCES):
        await _source_to_code(var, config, index, source)
    if CONF_AVAILABLE_POWER in config:
        cg.add(
            var.set_available_power(await cg.get_variable(config[CONF_AVAILABLE_POWER]))
        )
    if pilot := config.get(CONF_CONTROL_PILOT):
        table.assign(var, table.PILOT, pilot)
        cg.add(
            var.set_control_pilot(
                await cg.get_variable(pilot[CONF_PWM]),
                await cg.get_variable(pilot[CONF_VOLTAGE]),
                pilot[CONF_SCALE],
                pilot[CONF_OFFSET],
                pilot[CONF_SAMPLES],
            )
        )


async def _ota_to_code(var: cg.MockObj, config: list[ConfigType]) -> None:
    """Generate what opens the contactors before an update blocks the main loop."""
    ota.request_ota_state_listeners()
    for platform in config:
        if platform[CONF_PLATFORM] == "web_server":
            page_update = await cg.get_variable(platform[CONF_ID])
            cg.add(var.set_page_update(page_update))


async def _mqtt_to_code(var: cg.MockObj, config: ConfigType) -> None:
    """Generate the MQTT connection."""
    cg.add_define("USE_SOLARRALLY_MQTT")
    cg.add(var.set_broker(config[CONF_BROKER], config[CONF_PORT]))
    cg.add(var.set_credentials(config[CONF_USERNAME], config[CONF_PASSWORD]))
    cg.add(var.set_topic_prefix(config[CONF_TOPIC_PREFIX]))
    if config[CONF_DISCOVERY]:
        cg.add(var.set_discovery_prefix(config[CONF_DISCOVERY_PREFIX]))
    if authority := config.get(CONF_CERTIFICATE_AUTHORITY):
        cg.add(var.set_certificate_authority(authority))
    if not CORE.is_esp32:
        cg.add_build_flag("-lmosquitto")
        return
    # esp-mqtt links esp-tls even for a plain connection.
    request_tls()
    # Its task sends what waits, one message a turn, and sleeps a second in each turn unless something is received:
    # frames would be late, and be taken for unacknowledged.
    add_idf_sdkconfig_option("CONFIG_MQTT_USE_CUSTOM_CONFIG", True)
    add_idf_sdkconfig_option("CONFIG_MQTT_POLL_READ_TIMEOUT_MS", 50)
    if idf_version() >= cv.Version(6, 0, 0):
        add_idf_component(name="espressif/mqtt", ref="1.0.0")
    else:
        include_builtin_idf_component("mqtt")


async def _log_to_code(var: cg.MockObj, config: ConfigType) -> None:
    """Generate the offline log on its card."""
    cg.add_define("USE_SOLARRALLY_LOG")
    cg.add(var.set_log_folder(config[CONF_PATH]))
    if not CORE.is_esp32:
        return
    cg.add(var.set_log_pins(*(config[pin] for pin in _CARD_PINS)))
    for component in (
        "fatfs",
        "sdmmc",
        "esp_driver_sdspi",
        "esp_driver_sdmmc",
        "wear_levelling",
    ):
        include_builtin_idf_component(component)
    require_fatfs()
    require_vfs_dir()
    # Each flush reaches the card, and file names may be longer than eight letters.
    add_idf_sdkconfig_option("CONFIG_FATFS_IMMEDIATE_FSYNC", True)
    add_idf_sdkconfig_option("CONFIG_FATFS_LFN_HEAP", True)


async def _source_to_code(
    var: cg.MockObj, config: ConfigType, index: int, source: str
) -> None:
    """Generate one source's contactor and meter."""
    contactor = config[CONF_CONTACTORS].get(source)
    wired = contactor is not None
    cg.add(cg.RawExpression(f"{var}->settings.wired[{index}] = {table.literal(wired)}"))
    if not wired:
        return
    cg.add(
        var.set_contactor_pin(index, await cg.gpio_pin_expression(contactor[CONF_PIN]))
    )
    if feedback := contactor.get(CONF_FEEDBACK_PIN):
        cg.add(var.set_feedback_pin(index, await cg.gpio_pin_expression(feedback)))
    meter = config[CONF_METERS][source]
    table.assign(var, table.METERS, meter, index=index)
    if source == CONF_SOLAR:
        table.assign(var, table.SOLAR_METER, meter)
    sensors = [
        await cg.get_variable(meter[key]) if key in meter else cg.nullptr
        for key in (CONF_VOLTAGE, CONF_CURRENT, CONF_POWER, CONF_ENERGY)
    ]
    cg.add(var.set_meter(index, *sensors))
