"""Write the firmware's reference page from the schema and the fault table.

Run with ESPHome's own Python: ``.venv-esphome/bin/python esphome/reference.py``. It prints the page; the tests compare
it with ``docs/firmware-reference.md``.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import esphome.config_validation as cv
import voluptuous as vol

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "components"))

settings = importlib.import_module("solarrally.settings")

SECTIONS = (
    ("solarrally", "RATING", "What the station is rated for."),
    ("solarrally: contactors", "CONTACTORS", "Times of the two contactors."),
    ("solarrally: meters: solar, grid", "METERS", "Each source's meter."),
    (
        "solarrally: meters: solar",
        "SOLAR_METER",
        "Whether a silent solar meter is broken, or its line is dark, as it is each night.",
    ),
    (
        "solarrally: auto",
        "AUTO",
        "When solar is used, and how often the source may change.",
    ),
    (
        "solarrally: follow",
        "FOLLOW",
        "How the current follows the sun (`mode: off`, `solar` or `surplus`).",
    ),
    ("solarrally: control_pilot", "PILOT", "Control pilot of IEC 61851-1."),
    ("solarrally: session", "SESSION", "What counts as a session."),
    (
        "solarrally: control_lost",
        "CONTROL_LOST",
        "What happens without a broker and without Home Assistant (`action: keep`, `limit` or `stop`).",
    ),
)


def value(setting: object, what: object) -> str:
    """A value of a setting with its unit."""
    kind = getattr(setting, "kind")  # noqa: B009
    if what is None:
        return ""
    if kind in ("time", "int", "bool"):
        return str(what).lower()
    return f"{what:g} {kind}"


def settings_table(name: str) -> str:
    """One table of settings."""
    rows = ["| Setting | Range | Default | Why |", "|---|---|---|---|"]
    for setting in getattr(settings, name):
        span = (
            "true, false"
            if setting.kind == "bool"
            else f"{value(setting, setting.low)} … {value(setting, setting.high)}"
        )
        rows.append(
            f"| `{setting.key}` | {span} | {value(setting, setting.default)} | {setting.why} |"
        )
    return "\n".join(rows)


def inner(value: Any) -> dict[Any, Any] | None:
    """The keys of a part of the schema, or None when it is a single value."""
    if isinstance(value, vol.Schema):
        return value.schema if isinstance(value.schema, dict) else None
    for part in getattr(value, "validators", ()):
        if (keys := inner(part)) is not None:
            return keys
    return None


def paths(keys: dict[Any, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, need and default of each value in the schema."""
    for key, value in keys.items():
        if isinstance(key, cv.GenerateID) or str(key) in ("id", "setup_priority"):
            continue
        path = f"{above}{key}"
        below = inner(value)
        if below is not None:
            yield from paths(below, f"{path}.")
            continue
        default = getattr(key, "default", vol.UNDEFINED)
        text = "" if isinstance(default, vol.Undefined) else str(default()).strip()
        shown = (
            f"`{text.lower() if text in ('True', 'False') else text}`" if text else ""
        )
        yield path, "yes" if isinstance(key, vol.Required) else "", shown


def others_table() -> str:
    """Every value of the schema that stands in none of the tables.

    Raises:
        ValueError: the schema and what is said of it differ.
    """
    component = importlib.import_module("solarrally")
    ranged = set()
    for where, name, _ in SECTIONS:
        _, *above = where.split(": ")
        places = [
            "".join(f"{part}." for part in (*above[:-1], last))
            for last in (above[-1].split(", ") if above else [""])
        ]
        ranged |= {
            f"{place.lstrip('.')}{setting.key}"
            for place in places
            for setting in getattr(settings, name)
        }
    keys = inner(component.CONFIG_SCHEMA)
    assert keys is not None
    found = [row for row in paths(keys) if row[0] not in ranged]
    names = {path for path, _, _ in found}
    if names != set(settings.OTHERS):
        raise ValueError(
            f"not said: {names - set(settings.OTHERS)}; not there: {set(settings.OTHERS) - names}"
        )
    rows = ["| Setting | Needed | Default | What |", "|---|---|---|---|"]
    rows += [
        f"| `{path}` | {needed} | {default} | {settings.OTHERS[path]} |"
        for path, needed, default in found
    ]
    return "\n".join(rows)


def entities_table() -> str:
    """All entities of the native API.

    Raises:
        ValueError: the platforms and what is said of them differ.
    """
    entities: dict[str, str] = {}
    sensor = importlib.import_module("solarrally.sensor")
    for key, (unit, *_) in sensor.SENSORS.items():
        entities[f"sensor.{key}"] = unit
    for platform, table in (
        ("binary_sensor", "BINARY_SENSORS"),
        ("text_sensor", "TEXT_SENSORS"),
    ):
        module = importlib.import_module(f"solarrally.{platform}")
        entities.update({f"{platform}.{key}": "" for key in getattr(module, table)})
    for platform, constant in (
        ("select", "CONF_MODE"),
        ("number", "CONF_CURRENT_LIMIT"),
        ("switch", "CONF_CHARGING"),
        ("button", "CONF_RESET_FAULTS"),
    ):
        key = getattr(importlib.import_module(f"solarrally.{platform}"), constant)
        entities[f"{platform}.{key}"] = "A" if platform == "number" else ""
    if set(entities) != set(settings.ENTITIES):
        raise ValueError(f"differ: {set(entities) ^ set(settings.ENTITIES)}")
    rows = ["| Platform | Key | Unit | What |", "|---|---|---|---|"]
    for name, unit in entities.items():
        platform, _, key = name.partition(".")
        rows.append(f"| {platform} | `{key}` | {unit} | {settings.ENTITIES[name]} |")
    return "\n".join(rows)


def faults_table() -> str:
    """All faults, from the firmware's own table."""
    source = (HERE / "components" / "solarrally" / "fault_logic.cpp").read_text()
    faults = re.findall(r'\{"(\w+)", (true|false), (true|false)\},  // (.+)', source)
    word = {"true": "yes", "false": ""}
    rows = [
        "| Fault | Opens both contactors | Stays until it is reset | What it means |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| `{name}` | {word[blocks]} | {word[latched]} | {why} |"
        for name, latched, blocks, why in faults
    ]
    return "\n".join(rows)


def page() -> str:
    """The whole page."""
    parts = [
        "# Firmware reference",
        "Generated by `esphome/reference.py` from the schema; do not edit.",
        "## Settings",
    ]
    for where, name, what in SECTIONS:
        parts += [f"### `{where}`", what, settings_table(name)]
    parts += ["### Everything else", "Paths below `solarrally`.", others_table()]
    parts += ["## Entities", entities_table(), "## Faults", faults_table()]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
