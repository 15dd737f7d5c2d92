"""Every text is there, in every language."""

import ast
import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from custom_components import solarrally
from custom_components.solarrally.binary_sensor import BINARY_SENSORS
from custom_components.solarrally.button import BUTTONS
from custom_components.solarrally.event import EVENTS
from custom_components.solarrally.messages import (
    Clock,
    CommandError,
    Mode,
    SdCard,
    Source,
)
from custom_components.solarrally.number import CURRENT_LIMIT
from custom_components.solarrally.select import MODE
from custom_components.solarrally.sensor import (
    PILOT_STATES,
    SESSION_SENSORS,
    STATION_SENSORS,
)
from custom_components.solarrally.switch import CHARGING

FOLDER = Path(solarrally.__file__).parent
STRINGS = json.loads((FOLDER / "strings.json").read_text())
ICONS = json.loads((FOLDER / "icons.json").read_text())
LANGUAGES = sorted(path.stem for path in (FOLDER / "translations").glob("*.json"))

DESCRIPTIONS = {
    "binary_sensor": BINARY_SENSORS,
    "button": BUTTONS,
    "event": EVENTS,
    "number": (CURRENT_LIMIT,),
    "select": (MODE,),
    "sensor": (*STATION_SENSORS, *SESSION_SENSORS),
    "switch": (CHARGING,),
}
TRANSLATED = [
    (platform, description)
    for platform, descriptions in DESCRIPTIONS.items()
    for description in descriptions
    if description.translation_key is not None
]
STATES = {
    ("sensor", "source"): set(Source),
    ("sensor", "pilot"): set(PILOT_STATES.values()),
    ("sensor", "clock"): set(Clock),
    ("sensor", "sd_card"): set(SdCard),
    ("select", "mode"): set(Mode),
}


def texts(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text with the path to it."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from texts(value, f"{path}{key}.")
        else:
            yield path + key, value


def placeholders(text: str) -> set[str]:
    """Return the names that a text leaves open."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def language(name: str) -> dict[str, str]:
    """Return all texts of a language."""
    return dict(texts(json.loads((FOLDER / f"translations/{name}.json").read_text())))


def test_languages() -> None:
    """English, German and French are there."""
    assert LANGUAGES == ["de", "en", "fr"]


def test_english_is_the_source() -> None:
    """The English translation is the strings, word by word."""
    assert language("en") == dict(texts(STRINGS))


@pytest.mark.parametrize("name", LANGUAGES)
def test_language_is_complete(name: str) -> None:
    """Every language has the same texts with the same placeholders, none empty."""
    source, translated = dict(texts(STRINGS)), language(name)
    assert translated.keys() == source.keys()
    for path, text in translated.items():
        assert text.strip(), path
        assert placeholders(text) == placeholders(source[path]), path


@pytest.mark.parametrize(
    ("platform", "key"),
    [(it, description.translation_key) for it, description in TRANSLATED],
)
def test_entity_has_name_and_icon(platform: str, key: str) -> None:
    """Each entity with a translation key has a name, and an icon unless its class has."""
    assert STRINGS["entity"][platform][key]["name"]
    has_class = platform == "binary_sensor"
    assert has_class or ICONS["entity"][platform][key]["default"].startswith("mdi:")


@pytest.mark.parametrize("entity", STATES, ids=".".join)
def test_every_state_has_a_word(entity: tuple[str, str]) -> None:
    """Each state of an enumeration is translated, and no other."""
    platform, key = entity
    assert set(STRINGS["entity"][platform][key]["state"]) == STATES[entity]


@pytest.mark.parametrize("description", EVENTS, ids=lambda it: it.key)
def test_every_event_type_has_words(description: Any) -> None:
    """Each event type is translated, and no other."""
    attributes = STRINGS["entity"]["event"][description.translation_key][
        "state_attributes"
    ]
    assert set(attributes["event_type"]["state"]) == set(description.event_types)


def test_no_text_without_an_entity() -> None:
    """Nothing is translated that no entity uses."""
    used = {
        (platform, description.translation_key) for platform, description in TRANSLATED
    }
    # Its name comes from the device class; only its attribute is translated.
    used.add(("binary_sensor", "problem"))
    for table in (STRINGS["entity"], ICONS["entity"]):
        assert {
            (platform, key) for platform in table for key in table[platform]
        } <= used


def _used_keys(keyword: str) -> set[str]:
    """Return the constant values of a keyword argument in the integration's code."""
    return {
        str(argument.value.value)
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and any(it.arg == "translation_domain" for it in node.keywords)
        for argument in node.keywords
        if argument.arg == keyword and isinstance(argument.value, ast.Constant)
    }


def test_every_exception_has_a_sentence() -> None:
    """Each error that is raised has its sentence, and each sentence its error."""
    raised = _used_keys("translation_key") | {
        f"command_{error}" for error in CommandError
    }
    assert set(STRINGS["exceptions"]) == raised


def test_every_step_and_reason_of_the_config_flow_has_words() -> None:
    """Each form, each error in it and each way it ends early is explained."""
    tree = ast.parse((FOLDER / "config_flow.py").read_text())
    steps = {
        node.name.removeprefix("async_step_")
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef)
        and node.name.startswith("async_step_")
    }
    errors = {
        str(node.value.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Subscript)
        and ast.unparse(node.targets[0].value) == "errors"
        and isinstance(node.value, ast.Constant)
    }
    reasons = {
        str(node.value.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword)
        and node.arg == "reason"
        and isinstance(node.value, ast.Constant)
    }
    # The step by MQTT shows no form of its own.
    assert set(STRINGS["config"]["step"]) == steps - {"mqtt"}
    assert set(STRINGS["config"]["error"]) == errors
    assert set(STRINGS["config"]["abort"]) == reasons | {"already_configured"}
