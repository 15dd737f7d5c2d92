"""Add a site: found over MQTT, or by its topic prefix."""

import asyncio
from typing import Any, override

import probatio
from homeassistant.components import mqtt
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.util import dt as dt_util

from .const import (
    CONF_TOPIC_PREFIX,
    DEFAULT_TOPIC_PREFIX,
    DOMAIN,
    MANUFACTURER,
    MAX_TOPIC_PREFIX_LENGTH,
    TOPIC_PREFIX,
)
from .messages import parse_frame, parse_info, parse_state
from .wire import RejectedMessageError, as_bytes

# A station that is there has its info retained on the broker, so it is heard at
# once; the plain form sends a frame each second while it charges.
PROBE_TIMEOUT_S = 3.0


def _schema(prefix: str) -> probatio.Schema:
    return probatio.Schema({probatio.Required(CONF_TOPIC_PREFIX, default=prefix): str})


def _title(prefix: str) -> str:
    if prefix == DEFAULT_TOPIC_PREFIX:
        return MANUFACTURER
    return f"{MANUFACTURER} {prefix}"


def _is_station_message(topic: str, payload: bytes) -> bool:
    """Return whether a message can only come from a station."""
    try:
        match topic.rpartition("/")[2]:
            case "info":
                parse_info(payload)
            case "state":
                parse_state(payload)
            case _:
                parse_frame(payload, now=dt_util.utcnow())
    except RejectedMessageError:
        return False
    return True


async def _async_hear_station(hass: HomeAssistant, prefix: str) -> bool:
    """Return whether a station is heard under the prefix before long."""
    heard = asyncio.Event()

    @callback
    def received(message: mqtt.ReceiveMessage) -> None:
        if _is_station_message(message.topic, as_bytes(message.payload)):
            heard.set()

    unsubscribe = [
        await mqtt.async_subscribe(
            hass, f"{prefix}/{topic}", received, qos=1, encoding=None
        )
        for topic in ("+/info", "+/state", "+/telemetry", "telemetry")
    ]
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            await heard.wait()
    except TimeoutError:
        return False
    finally:
        for stop in unsubscribe:
            stop()
    return True


class SolarRallyConfigFlow(ConfigFlow, domain=DOMAIN):
    """Add or change a site."""

    VERSION = 1

    def __init__(self) -> None:
        """Start with the prefix that stations have unless told otherwise."""
        self._prefix = DEFAULT_TOPIC_PREFIX

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the topic prefix."""
        return await self._async_step_prefix("user", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the prefix that the site's stations have now."""
        if user_input is None:
            self._prefix = self._get_reconfigure_entry().data[CONF_TOPIC_PREFIX]
        return await self._async_step_prefix("reconfigure", user_input)

    async def _async_step_prefix(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        # Nothing that could be entered here would bring the broker.
        if not await mqtt.async_wait_for_mqtt_client(self.hass):
            return self.async_abort(reason="mqtt_unavailable")
        errors: dict[str, str] = {}
        if user_input is not None:
            self._prefix = user_input[CONF_TOPIC_PREFIX].strip().removesuffix("/")
            if (
                len(self._prefix) > MAX_TOPIC_PREFIX_LENGTH
                or TOPIC_PREFIX.fullmatch(self._prefix) is None
            ):
                errors[CONF_TOPIC_PREFIX] = "invalid_topic_prefix"
            elif not mqtt.is_connected(self.hass):
                errors["base"] = "cannot_connect"
            else:
                await self._async_use_prefix()
                if await _async_hear_station(self.hass, self._prefix):
                    return self._async_finish()
                return await self.async_step_silent()
        return self.async_show_form(
            step_id=step_id,
            data_schema=_schema(
                self._prefix if user_input is None else user_input[CONF_TOPIC_PREFIX]
            ),
            errors=errors,
        )

    async def async_step_silent(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Let a site be added whose stations are off or not built yet."""
        if user_input is not None:
            return self._async_finish()
        return self.async_show_form(
            step_id="silent",
            description_placeholders={"topic_prefix": self._prefix},
        )

    @override
    async def async_step_mqtt(
        self, discovery_info: MqttServiceInfo
    ) -> ConfigFlowResult:
        """Offer the site of a station that was heard."""
        prefix, _, station = discovery_info.topic.removesuffix("/info").rpartition("/")
        try:
            info = parse_info(as_bytes(discovery_info.payload), topic_station=station)
        except RejectedMessageError:
            return self.async_abort(reason="invalid_discovery_info")
        self._prefix = prefix
        # One site, one entry: further stations under the prefix belong to it.
        await self.async_set_unique_id(prefix)
        self._abort_if_unique_id_configured()
        self.context["title_placeholders"] = {"name": info.name or info.station}
        return await self.async_step_discovery_confirm()

    async def async_step_discovery_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask before a site that was found is added."""
        if user_input is not None:
            return self._async_finish()
        self._set_confirm_only()
        return self.async_show_form(
            step_id="discovery_confirm",
            description_placeholders={
                "name": self.context["title_placeholders"]["name"],
                "topic_prefix": self._prefix,
            },
        )

    async def _async_use_prefix(self) -> None:
        """Take the prefix for this flow; abort when another site has it."""
        await self.async_set_unique_id(self._prefix, raise_on_progress=False)
        if (
            self.source != SOURCE_RECONFIGURE
            or self._prefix != self._get_reconfigure_entry().unique_id
        ):
            self._abort_if_unique_id_configured()

    @callback
    def _async_finish(self) -> ConfigFlowResult:
        data = {CONF_TOPIC_PREFIX: self._prefix}
        if self.source == SOURCE_RECONFIGURE:
            entry = self._get_reconfigure_entry()
            # A title that a person chose stays.
            named_by_us = entry.title == _title(entry.data[CONF_TOPIC_PREFIX])
            return self.async_update_reload_and_abort(
                entry,
                unique_id=self._prefix,
                title=_title(self._prefix) if named_by_us else entry.title,
                data=data,
            )
        return self.async_create_entry(title=_title(self._prefix), data=data)
