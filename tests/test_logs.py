"""What the logs say, and what they may not."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from billing_service.logs import set_up_logs

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("json", [False, True])
def test_an_error_is_logged_without_what_was_in_its_variables(
    capsys: pytest.CaptureFixture[str], json: bool
) -> None:
    """The cause is there, in a few lines; a password it had in its hands is not."""
    set_up_logs("info", json=json)

    def fail(password: str) -> None:
        raise RuntimeError(f"{len(password)} characters")

    try:
        fail(PASSWORD)
    except RuntimeError:
        structlog.get_logger("test").exception("request_failed")
    logged = capsys.readouterr().err
    assert "request_failed" in logged
    assert "RuntimeError: 21 characters" in logged
    assert PASSWORD not in logged
    assert len(logged.splitlines()) < 20


@pytest.mark.parametrize("json", [False, True])
def test_a_terminal_is_not_steered_by_what_strangers_send(
    capsys: pytest.CaptureFixture[str], json: bool
) -> None:
    """Control characters of a path or a topic stand in the log as text, and in one line."""
    set_up_logs("info", json=json)
    structlog.get_logger("test").info(
        "request", path="/a\x1b[31m\x00\x9bb", topic="c\nd"
    )
    logged = capsys.readouterr().err
    assert len(logged.splitlines()) == 1
    assert logged.rstrip("\n").isprintable()
