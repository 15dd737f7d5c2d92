"""Whether the service does its work."""

from typing import Literal

from billing_service.api.schemas.base import Out


class HealthOut(Out):
    """Whether the process lives."""

    status: Literal["ok"] = "ok"


class ReadyOut(Out):
    """Whether the service can do its work, part by part: ``ok``, or what is wrong."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str]
