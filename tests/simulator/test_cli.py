"""The command line: what it refuses, what it assumes."""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulator.cli import (
    CATCH_UP,
    DEFAULT_SESSION_S,
    PASSWORD_ENV,
    OneLineParser,
    build_parser,
    choose_start,
    default_state_dir,
    main,
    read_password,
)


def options(*arguments: str) -> argparse.Namespace:
    """Parse arguments."""
    return build_parser().parse_args(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scenario", "rainy"],
        ["--mode", "turbo"],
        ["--speed", "0"],
        ["--speed", "nan"],
        ["--rate", "1000"],
        ["--duration", "-5"],
        ["--duration", "inf"],
        ["--stations", "0"],
        ["--stations", "x"],
        ["--stations", "2", "--plain"],
        ["--stations", "2", "--station", "garage"],
        ["--station", "Garage"],
        ["--station", ""],
        ["--prefix", "ev/#"],
        ["--broker", "localhost:"],
        ["--broker", ":1883"],
        ["--broker", "localhost:70000"],
        ["--start", "yesterday"],
        ["--start", "2026-11-23T09:00:00"],
        ["--start", "2019-12-31T00:00:00Z"],
        ["--start", "9999-12-31T00:00:00Z"],
        ["--duration", "99999999", "--speed", "2", "--start", "1999-01-01T00:00:00Z"],
        ["--duration", "100", "--session-length", "95"],
        ["--session-length", "5"],
        ["--boot", "-1"],
        ["--boot", "1", "--state-dir", "x"],
        ["--password-file", "/nonexistent", "--username", "x"],
        ["--statoin", "garage"],
        ["garage"],
    ],
    ids=" ".join,
)
def test_bad_arguments_are_refused_in_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2 and one line on standard error."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("mock_publisher.py: error: ")
    assert said.count("\n") == 1


def test_a_fast_run_ends_at_the_present() -> None:
    """With a duration the start lies so far back that the end is now; endless, a day."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert choose_start(options("--speed", "60", "--duration", "3600"), now) == (
        now - timedelta(hours=1)
    )
    assert choose_start(options("--speed", "60"), now) == now - CATCH_UP
    assert choose_start(options("--duration", "3600"), now) == now


def test_a_given_start_is_kept() -> None:
    """Whatever its offset and whatever the speed."""
    start = choose_start(
        options("--start", "2026-01-02T03:04:05+01:00", "--speed", "9"),
        datetime.now(UTC),
    )
    assert start == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)


def test_a_start_in_the_future_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """It is allowed, for trying out a wrong clock, and said."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    choose_start(options("--start", "2026-11-23T12:06:00Z"), now)
    assert "ahead of the clock" in caplog.text


def test_the_password_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file wins, and its line end is no part of the password."""
    monkeypatch.setenv(PASSWORD_ENV, "from env")
    assert read_password(options("--username", "x")) == "from env"
    (tmp_path / "password").write_text("from file \n")
    from_file = options(
        "--username", "x", "--password-file", str(tmp_path / "password")
    )
    assert read_password(from_file) == "from file "


def test_a_password_without_a_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not be used, and that is hardly meant."""
    monkeypatch.setenv(PASSWORD_ENV, "secret")
    with pytest.raises(ValueError, match="--username"):
        read_password(options())


def test_there_is_no_option_for_the_password() -> None:
    """A command line can be read by everybody on the machine."""
    with pytest.raises(SystemExit):
        options("--password", "secret")


def test_the_broker_may_be_an_ipv6_address() -> None:
    """In brackets, as in URLs; the port may be left out."""
    assert options("--broker", "[::1]:1884").broker == ("::1", 1884)
    assert options("--broker", "mosquitto.local").broker == ("mosquitto.local", 1883)


def test_the_state_is_kept_where_the_user_keeps_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """XDG_STATE_HOME is followed."""
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert default_state_dir() == Path("/somewhere/solarrally-simulator")


def test_an_unusable_state_dir_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Exit status 2, before anything is sent, and the way out."""
    (tmp_path / "file").write_text("")
    assert main(["--state-dir", str(tmp_path / "file" / "x")]) == 2
    assert "--boot" in caplog.text


def test_the_help_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Each option has a word of help."""
    parser = build_parser()
    assert isinstance(parser, OneLineParser)
    assert all(
        action.help for action in parser._actions
    )  # argparse shows it nowhere else
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert "exit status" in capsys.readouterr().out.lower()
    assert DEFAULT_SESSION_S == 4 * 3600
