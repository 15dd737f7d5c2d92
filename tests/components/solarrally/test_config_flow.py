"""Adding and changing a site."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.config_entries import SOURCE_MQTT, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.solarrally.const import CONF_TOPIC_PREFIX, DOMAIN
from tests.contract import golden

from .station_messages import StationOnMqtt

INFO = (golden.GOLDEN / "info/valid/full.json").read_text()


@pytest.fixture(autouse=True)
def no_setup() -> Iterator[None]:
    """Let entries be made without being set up."""
    with patch("custom_components.solarrally.async_setup_entry", return_value=True):
        yield


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Give up at once on a station that is not heard."""
    with patch("custom_components.solarrally.config_flow.PROBE_TIMEOUT_S", 0):
        yield


async def enter_while(
    hass: HomeAssistant,
    form: dict[str, Any],
    send: Callable[[], Coroutine[Any, Any, None]],
    prefix: str = "ev",
) -> dict[str, Any]:
    """Enter a prefix, and let a station speak while the flow listens."""
    entering = hass.async_create_task(
        hass.config_entries.flow.async_configure(
            form["flow_id"], {CONF_TOPIC_PREFIX: prefix}
        )
    )
    await send()
    return dict(await entering)


async def start_by_hand(hass: HomeAssistant) -> dict[str, Any]:
    """Open the form."""
    return dict(
        await hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_USER}
        )
    )


async def discover(
    hass: HomeAssistant, topic: str = "ev/garage/info", payload: str = INFO
) -> dict[str, Any]:
    """Let MQTT hand in what it found."""
    return dict(
        await hass.config_entries.flow.async_init(
            DOMAIN,
            context={"source": SOURCE_MQTT},
            data=MqttServiceInfo(
                topic=topic,
                payload=payload,
                qos=1,
                retain=True,
                subscribed_topic="ev/+/info",
                timestamp=0,
            ),
        )
    )


@pytest.mark.parametrize(
    ("entered", "prefix", "title"),
    [
        ("ev", "ev", "SolarRally"),
        (" home/garage/ev/ ", "home/garage/ev", "SolarRally home/garage/ev"),
    ],
)
async def test_by_hand(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    speak: Callable[..., StationOnMqtt],
    entered: str,
    prefix: str,
    title: str,
) -> None:
    """A prefix under which a station is heard makes an entry."""
    form = await start_by_hand(hass)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "user")
    done = await enter_while(hass, form, speak(prefix=prefix).info, entered)
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert done["title"] == title
    assert done["data"] == {CONF_TOPIC_PREFIX: prefix}
    assert done["result"].unique_id == prefix


@pytest.mark.parametrize("kind", ["info", "state", "frame"])
async def test_every_kind_of_station_is_heard(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, garage: StationOnMqtt, kind: str
) -> None:
    """Whatever a station sends proves that it is there."""
    form = await start_by_hand(hass)
    done = await enter_while(hass, form, getattr(garage, kind))
    assert done["type"] is FlowResultType.CREATE_ENTRY


async def test_garbage_is_no_station(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, garage: StationOnMqtt
) -> None:
    """What is on the topics but is no message of a station does not count."""
    form = await start_by_hand(hass)
    with patch("custom_components.solarrally.config_flow.PROBE_TIMEOUT_S", 0.1):
        asked = await enter_while(hass, form, lambda: garage.send("state", "hello"))
    assert asked["step_id"] == "silent"


@pytest.mark.usefixtures("no_waiting")
async def test_silent_site_can_be_added_anyway(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient
) -> None:
    """Stations that are off or not built yet are no reason to come back later."""
    form = await start_by_hand(hass)
    asked = await hass.config_entries.flow.async_configure(
        form["flow_id"], {CONF_TOPIC_PREFIX: "ev"}
    )
    assert (asked["type"], asked["step_id"]) == (FlowResultType.FORM, "silent")
    assert asked["description_placeholders"] == {"topic_prefix": "ev"}
    done = await hass.config_entries.flow.async_configure(form["flow_id"], {})
    assert done["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "/",
        "/ev",
        "ev//x",
        "ev/#",
        "+/ev",
        "ev/+",
        "$SYS",
        "e v",
        "é",
        "ev?",
        "e" * 129,
    ],
)
@pytest.mark.usefixtures("no_waiting")
async def test_bad_prefix_is_told_and_can_be_mended(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, prefix: str
) -> None:
    """A prefix with wildcards or odd characters gets an error at the field."""
    form = await start_by_hand(hass)
    refused = await hass.config_entries.flow.async_configure(
        form["flow_id"], {CONF_TOPIC_PREFIX: prefix}
    )
    assert refused["type"] is FlowResultType.FORM
    assert refused["errors"] == {CONF_TOPIC_PREFIX: "invalid_topic_prefix"}
    mended = await hass.config_entries.flow.async_configure(
        form["flow_id"], {CONF_TOPIC_PREFIX: "ev"}
    )
    assert mended["step_id"] == "silent"


async def test_no_mqtt(hass: HomeAssistant) -> None:
    """Without the MQTT integration the flow says what is missing."""
    aborted = await start_by_hand(hass)
    assert (aborted["type"], aborted["reason"]) == (
        FlowResultType.ABORT,
        "mqtt_unavailable",
    )


async def test_broker_away(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, garage: StationOnMqtt
) -> None:
    """While the broker is away nothing can be tested; later the same form works."""
    form = await start_by_hand(hass)
    mqtt_mock.connected = False
    refused = await hass.config_entries.flow.async_configure(
        form["flow_id"], {CONF_TOPIC_PREFIX: "ev"}
    )
    assert refused["errors"] == {"base": "cannot_connect"}
    mqtt_mock.connected = True
    done = await enter_while(hass, form, garage.info)
    assert done["type"] is FlowResultType.CREATE_ENTRY


async def test_same_site_twice_by_hand(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, entry: MockConfigEntry
) -> None:
    """One site is one entry."""
    form = await start_by_hand(hass)
    aborted = await hass.config_entries.flow.async_configure(
        form["flow_id"], {CONF_TOPIC_PREFIX: "ev"}
    )
    assert aborted["reason"] == "already_configured"


async def test_discovery(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    """A station that is found is offered by its name and added on a click."""
    offered = await discover(hass)
    assert (offered["type"], offered["step_id"]) == (
        FlowResultType.FORM,
        "discovery_confirm",
    )
    assert offered["description_placeholders"] == {
        "name": "Garage",
        "topic_prefix": "ev",
    }
    done = await hass.config_entries.flow.async_configure(offered["flow_id"], {})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert done["data"] == {CONF_TOPIC_PREFIX: "ev"}


async def test_discovery_by_the_broker(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, garage: StationOnMqtt
) -> None:
    """The topic in the manifest makes Home Assistant find a station by itself."""
    await garage.info()
    [flow] = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["source"] == SOURCE_MQTT
    assert flow["context"]["title_placeholders"] == {"name": "Garage"}


async def test_second_station_makes_no_second_flow(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    speak: Callable[..., StationOnMqtt],
) -> None:
    """Two stations of one site are offered once."""
    await speak("garage").info()
    await speak("carport").info()
    assert len(hass.config_entries.flow.async_progress_by_handler(DOMAIN)) == 1


async def test_station_of_a_known_site_is_not_offered(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, entry: MockConfigEntry
) -> None:
    """A station found at a site that is set up belongs to it."""
    aborted = await discover(hass, "ev/carport/info", INFO.replace("garage", "carport"))
    assert aborted["reason"] == "already_configured"


@pytest.mark.parametrize(
    "payload", ["", "hello", "{}", INFO.replace("garage", "carport")]
)
async def test_strange_discovery_is_ignored(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, payload: str
) -> None:
    """What is no info, or another station's, is nobody's site."""
    aborted = await discover(hass, payload=payload)
    assert aborted["reason"] == "invalid_discovery_info"


@pytest.mark.parametrize(
    ("title", "new_title"),
    [("SolarRally", "SolarRally home/ev"), ("Holiday home", "Holiday home")],
)
@pytest.mark.usefixtures("no_waiting")
async def test_reconfigure(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    entry: MockConfigEntry,
    title: str,
    new_title: str,
) -> None:
    """A site moves to another prefix; a title that a person chose stays."""
    hass.config_entries.async_update_entry(entry, title=title)
    form = await entry.start_reconfigure_flow(hass)
    assert form["step_id"] == "reconfigure"
    asked = await hass.config_entries.flow.async_configure(
        form["flow_id"], {CONF_TOPIC_PREFIX: "home/ev"}
    )
    assert asked["step_id"] == "silent"
    done = await hass.config_entries.flow.async_configure(form["flow_id"], {})
    await hass.async_block_till_done()
    assert (done["type"], done["reason"]) == (
        FlowResultType.ABORT,
        "reconfigure_successful",
    )
    assert (entry.unique_id, entry.title) == ("home/ev", new_title)
    assert entry.data == {CONF_TOPIC_PREFIX: "home/ev"}


@pytest.mark.usefixtures("no_waiting")
async def test_reconfigure_to_the_same_prefix(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, entry: MockConfigEntry
) -> None:
    """Entering what stands there already is no clash with itself."""
    form = await entry.start_reconfigure_flow(hass)
    asked = await hass.config_entries.flow.async_configure(
        form["flow_id"], {CONF_TOPIC_PREFIX: "ev"}
    )
    assert asked["step_id"] == "silent"


async def test_reconfigure_to_another_site(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, entry: MockConfigEntry
) -> None:
    """The prefix of another site is taken."""
    MockConfigEntry(
        domain=DOMAIN, unique_id="work", data={CONF_TOPIC_PREFIX: "work"}
    ).add_to_hass(hass)
    form = await entry.start_reconfigure_flow(hass)
    aborted = await hass.config_entries.flow.async_configure(
        form["flow_id"], {CONF_TOPIC_PREFIX: "work"}
    )
    assert aborted["reason"] == "already_configured"
    assert entry.unique_id == "ev"
