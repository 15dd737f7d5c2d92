"""Commands: parsed, judged and obeyed, with one result each."""

import json
import logging
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from simulator.controller import MAX_CURRENT_A, MIN_CURRENT_A, Mode
from simulator.protocol.messages import dumps
from simulator.station import Refused, Station
from simulator.timestamps import parse_rfc3339

_LOGGER = logging.getLogger(__name__)

# What a station's memory has room for.
MAX_BYTES = 4096
MAX_VALUES = 64
STALE_AFTER_MS = 60_000
# Ids are remembered for `duplicate`; a sender that repeats one does so soon.
REMEMBERED_IDS = 1000
_ID = re.compile(r"[A-Za-z0-9_-]{1,36}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Command:
    """A well-formed command. `value` fits `name`."""

    id: str
    name: str
    value: Mode | float | dict[str, Any] | None
    sent_ms: int | None


class Malformed(Refused):
    """It breaks the contract's form. `id` is None when nobody can be answered."""

    def __init__(
        self, command_id: str | None, message: str, code: str = "malformed"
    ) -> None:
        super().__init__(code, message)
        self.id = command_id


def parse(payload: bytes) -> Command:
    """The command in `payload`.

    Raises Malformed with the contract's error code (`malformed`, `unknown_command`,
    `out_of_range`) and the command's id where one can be read.
    """
    if len(payload) > MAX_BYTES:
        raise Malformed(None, f"more than {MAX_BYTES} bytes")
    try:
        value = json.loads(payload.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(None, f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed(None, "not an object")
    if _values(value) > MAX_VALUES:
        raise Malformed(None, f"more than {MAX_VALUES} values")
    command_id = value.get("id")
    if not isinstance(command_id, str) or not _ID.fullmatch(command_id):
        raise Malformed(None, "no readable id")
    name = value.get("command")
    if not isinstance(name, str):
        raise Malformed(command_id, "command is missing or no text")
    return Command(
        command_id,
        name,
        _value(command_id, name, value.get("value")),
        _sent_ms(command_id, value),
    )


def _values(value: Any) -> int:
    """How many JSON values `value` is, itself included."""
    if isinstance(value, dict):
        return 1 + sum(map(_values, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_values, value))
    return 1


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _sent_ms(command_id: str, message: dict[str, Any]) -> int | None:
    if "timestamp" not in message:
        return None
    text = message["timestamp"]
    if not isinstance(text, str):
        raise Malformed(command_id, "timestamp is no text")
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError) as error:
        raise Malformed(command_id, str(error)) from None


def _value(
    command_id: str, name: str, value: Any
) -> Mode | float | dict[str, Any] | None:
    match name:
        case "set_mode":
            if not isinstance(value, str):
                raise Malformed(command_id, "set_mode needs a text as its value")
            if value not in Mode:
                raise Malformed(
                    command_id,
                    f"mode {value[:40]!r} is none of {', '.join(Mode)}",
                    "out_of_range",
                )
            return Mode(value)
        case "set_current_limit":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise Malformed(
                    command_id, "set_current_limit needs a number as its value"
                )
            if not MIN_CURRENT_A <= value <= MAX_CURRENT_A:
                raise Malformed(
                    command_id,
                    f"current limit {str(value)[:12]} A is outside "
                    f"{MIN_CURRENT_A:g} to {MAX_CURRENT_A:g} A",
                    "out_of_range",
                )
            return float(value)
        case "start" | "stop" | "reboot" | "reset_faults":
            if value is not None:
                raise Malformed(command_id, f"{name} takes no value")
            return None
        case "update_firmware":
            if not _is_update(value):
                raise Malformed(
                    command_id, "update_firmware needs url, sha256 and version"
                )
            return dict(value)
        case _:
            raise Malformed(
                command_id, f"unknown command {name[:40]!r}", "unknown_command"
            )


def _is_update(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    url, sha256, version = (value.get(key) for key in ("url", "sha256", "version"))
    return (
        isinstance(url, str)
        and url.startswith(("http://", "https://"))
        and isinstance(sha256, str)
        and _SHA256.fullmatch(sha256) is not None
        and isinstance(version, str)
        and 1 <= len(version) <= 64
    )


class CommandDesk:
    """Obeys commands for one station and answers each with a readable id once."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._seen: OrderedDict[str, None] = OrderedDict()
        self.ignored = 0

    def handle(self, payload: bytes, *, retained: bool) -> str | None:
        """Obey `payload` or refuse it; the result to publish, None when nobody can be answered."""
        parsed = self._parsed(payload)
        command_id = parsed.id
        if command_id is None or (retained and command_id in self._seen):
            # The broker hands a retained command out at each connect; one answer is enough.
            self.ignored += 1
            why = (
                parsed
                if isinstance(parsed, Malformed)
                else "retained, and answered before"
            )
            _LOGGER.warning(
                "%s: ignored a command: %s", self._station.config.station, why
            )
            return None
        try:
            self._remember(command_id, retained)
            if isinstance(parsed, Malformed):
                raise parsed
            self._check_age(parsed)
            self._obey(parsed)
        except Refused as refusal:
            return dumps(
                {
                    "id": command_id,
                    "ok": False,
                    "error": refusal.code,
                    "message": str(refusal),
                }
            )
        return dumps({"id": command_id, "ok": True})

    @staticmethod
    def _parsed(payload: bytes) -> Command | Malformed:
        try:
            return parse(payload)
        except Malformed as flaw:
            return flaw

    def _remember(self, command_id: str, retained: bool) -> None:
        known = command_id in self._seen
        self._seen[command_id] = None
        if len(self._seen) > REMEMBERED_IDS:
            self._seen.popitem(last=False)
        if retained:
            raise Refused("stale", "a retained command is not obeyed")
        if known:
            raise Refused("duplicate", f"id {command_id} was seen before")

    def _check_age(self, command: Command) -> None:
        if command.sent_ms is None:
            return
        age_ms = self._station.now_ms - command.sent_ms
        if age_ms > STALE_AFTER_MS:
            raise Refused("stale", f"sent {age_ms / 1000:.0f} s ago")

    def _obey(self, command: Command) -> None:
        station = self._station
        match command.name, command.value:
            case "set_mode", Mode() as mode:
                station.set_mode(mode)
            case "set_current_limit", float() as current_a:
                station.set_current_limit(current_a)
            case "start", _:
                station.start_charging()
            case "stop", _:
                station.stop_charging()
            case "reset_faults", _:
                station.reset_faults()
            case "reboot", _:
                station.reboot()
            case _:
                raise Refused("not_supported", f"this station has no {command.name}")
