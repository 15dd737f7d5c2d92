"""How the service logs: lines for people, or JSON for machines."""

import logging
import re
import sys
from typing import Any

import structlog


def _printable(_logger: Any, _method: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Escape what a terminal would obey: a path or a topic may be anyone's."""
    for key, value in entry.items():
        if isinstance(value, str) and key != "exception" and _CONTROL.search(value):
            entry[key] = _CONTROL.sub(lambda found: repr(found[0])[1:-1], value)
    return entry


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def set_up_logs(level: str, *, json: bool) -> None:
    """Send all logs to standard error; ``level`` as in the settings."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if json
        else [
            _printable,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The one for developers prints all local variables: passwords, thousands of lines.
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # The service logs each request itself, with its id.
    for noisy in ("uvicorn.access", "aiosqlite", "mqtt", "alembic.runtime.migration"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # At debug they write down what goes over a WebSocket: tokens.
    for telling in ("uvicorn.error", "websockets"):
        logging.getLogger(telling).setLevel(max(root.level, logging.INFO))
