"""What a station says of itself and answers: info, state and result, checked against the contract.

Fields that the contract does not name are allowed and kept: a newer station is understood too.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from billing_service.adapters.wire import first_reason, parse_object, parse_time
from billing_service.domain.errors import FrameRejected


def _unique(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("bad_value", "has an entry twice")
    return values


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 12.0 is 12."""
    return int(value) if type(value) is float and value.is_integer() else value


def _known_phases(value: int) -> int:
    if value not in {1, 3}:
        raise PydanticCustomError("bad_value", "is neither 1 nor 3")
    return value


def _our_protocol(value: int) -> int:
    if value != 1:
        raise PydanticCustomError("bad_value", "is not 1")
    return value


def _real_time(value: str) -> str:
    if parse_time(value) is None:
        raise PydanticCustomError(
            "bad_timestamp", "is not RFC 3339 with an offset, or does not exist"
        )
    return value


type _Text = Annotated[str, Field(min_length=1, max_length=64)]
type _Code = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}\Z")]
type _Time = Annotated[str, AfterValidator(_real_time)]
type _Whole = Annotated[int, BeforeValidator(_whole)]
type _Counter = Annotated[_Whole, Field(ge=0, le=2**32 - 1)]
type _Register = Annotated[float, Field(ge=0, le=10**10)]
type _Station = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}\Z")]


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", regex_engine="python-re")


class _Info(_Message):
    protocol: Annotated[_Whole, AfterValidator(_our_protocol)]
    station: _Station
    name: _Text = "-"
    manufacturer: _Text = "-"
    model: _Text
    serial: _Text = "-"
    firmware: _Text
    phases: Annotated[_Whole, AfterValidator(_known_phases)]
    voltage_v: Annotated[float, Field(ge=50, le=500)]
    min_current_a: Annotated[float, Field(ge=0, le=100)]
    max_current_a: Annotated[float, Field(gt=0, le=100)]
    capabilities: Annotated[list[str], AfterValidator(_unique)]
    boot: _Counter = 0
    reset_reason: _Code = "-"
    url: Annotated[str, Field(pattern=r"^https?://")] = "-"


class _Update(_Message):
    version: _Text
    progress: Annotated[_Whole, Field(ge=0, le=100)]


class _OpenSession(_Message):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,36}\Z")]
    started_at: _Time
    meter_start_wh: _Register = 0
    solar_start_wh: _Register = 0
    grid_start_wh: _Register = 0


class _State(_Message):
    timestamp: _Time
    mode: Literal["off", "solar", "grid", "auto"]
    source: Literal["solar", "grid", "none"]
    pilot: Literal["A", "B", "C", "D", "E", "F"] = "A"
    enabled: bool
    charging: bool
    current_limit_a: Annotated[float, Field(ge=0, le=100)]
    faults: Annotated[list[_Code], AfterValidator(_unique)]
    clock: Literal["synced", "estimated"]
    sd: Literal["ok", "missing", "failed", "full"] = "ok"
    backlog: _Counter = 0
    update: _Update = _Update(version="-", progress=0)
    boot: _Counter = 0
    session: _OpenSession | None


class _Result(_Message):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,36}\Z")]
    ok: bool
    error: Literal[
        "malformed",
        "unknown_command",
        "out_of_range",
        "duplicate",
        "stale",
        "not_supported",
        "no_vehicle",
        "fault_active",
        "busy",
        "failed",
    ] = "failed"
    message: str = ""
    done: bool = True


def parse_info(payload: bytes, *, topic_station: str) -> dict[str, Any]:
    """Return an info message as sent. Raises FrameRejected."""
    info = _checked(_Info, payload)
    if info["min_current_a"] > info["max_current_a"]:
        raise FrameRejected("contradiction", "min_current_a is above max_current_a")
    if info["station"] != topic_station:
        raise FrameRejected("wrong_station", f"station is {info['station']}")
    return info


def parse_state(payload: bytes) -> dict[str, Any]:
    """Return a state message as sent. Raises FrameRejected."""
    return _checked(_State, payload)


def parse_result(payload: bytes) -> dict[str, Any]:
    """Return the answer to a command, as sent. Raises FrameRejected."""
    result = _checked(_Result, payload)
    if not result["ok"] and "error" not in result:
        raise FrameRejected("missing_field", "error: tells why a command was refused")
    return result


def _checked(model: type[_Message], payload: bytes) -> dict[str, Any]:
    value = parse_object(payload)
    try:
        model.model_validate(value)
    except ValidationError as error:
        raise first_reason(map(_problem, error.errors(include_url=False))) from error
    return value


_KINDS = (
    (re.compile(r"missing"), "missing_field"),
    (re.compile(r"bad_timestamp"), "bad_timestamp"),
    (re.compile(r".*_type|int_from_float|.*_parsing"), "wrong_type"),
    (re.compile(r"(greater|less)_than.*|finite_number"), "out_of_range"),
)


def _problem(error: ErrorDetails) -> tuple[str, str]:
    """Return the contract's reason for a finding, and a sentence."""
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "literal_error" and not isinstance(error["input"], str):
        return "wrong_type", f"{name}: {error['msg']}"
    if error["type"] == "float_type" and type(error["input"]) is int:
        return "out_of_range", f"{name}: is too large"
    reasons = (reason for kind, reason in _KINDS if kind.fullmatch(error["type"]))
    return next(reasons, "bad_value"), f"{name}: {error['msg']}"
