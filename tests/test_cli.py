"""The command line: exit codes, and errors of one line each."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from billing_service.cli import app
from billing_service.settings import PREFIX, Settings
from tests.log_files import log_line

PASSWORD = "correct horse battery"
TARIFF = {
    "id": "home",
    "name": "Home",
    "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.1, "vat": 20}]}],
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start without settings, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def solarrally(*arguments: str, say: str | None = None) -> Result:
    """Run a command to its end."""
    return CliRunner().invoke(app, arguments, input=say)


def refused(code: int, *arguments: str, say: str | None = None) -> list[str]:
    """Run a command that fails; return its error lines."""
    result = solarrally(*arguments, say=say)
    assert result.exit_code == code, result.output
    lines = result.stderr.splitlines()
    assert lines
    assert all(line.startswith("error: ") for line in lines)
    return [line.removeprefix("error: ") for line in lines]


def add(name: str, *options: str) -> Result:
    """Add a user."""
    return solarrally(
        "user", "add", name, *options, "--password-stdin", say=f"{PASSWORD}\n"
    )


def test_the_first_admin_needs_no_database_yet() -> None:
    """The first command makes it; there is no default user or password."""
    assert solarrally("user", "list").stdout == ""
    made = add("root", "--role", "admin")
    assert (made.exit_code, made.stdout) == (0, "Made admin root.\n")
    assert add("dana", "--full-name", "Dana Driver").exit_code == 0
    assert solarrally("user", "list").stdout.splitlines() == [
        "dana  user  Dana Driver",
        "root  admin",
    ]


def test_whoever_reads_may_have_read_enough() -> None:
    """As with ``solarrally user list | head -1``: it ends without a word."""
    add("dana")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        listed = subprocess.run(
            [sys.executable, "-m", "billing_service", "user", "list"],
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (listed.returncode, listed.stderr) == (1, b"")


def test_a_user_who_cannot_be_made() -> None:
    """A short password is bad input; a name that is taken is a conflict."""
    line = refused(2, "user", "add", "x", "--password-stdin", say="short\n")
    assert line == ["password: must have at least 12 characters"]
    add("dana")
    line = refused(1, "user", "add", "Dana", "--password-stdin", say=f"{PASSWORD}\n")
    assert line == ["there is a user Dana already"]
    assert refused(2, "user", "add", "x", say="") == [
        "there is no terminal to ask for the password: use --password-stdin"
    ]


def test_setting_a_password() -> None:
    """For who exists."""
    add("dana")
    options = ("--password-stdin",)
    done = solarrally("user", "passwd", "DANA", *options, say="another good one\n")
    assert (done.exit_code, done.stdout) == (0, "Set the password of dana.\n")
    assert refused(1, "user", "passwd", "nobody", *options, say=f"{PASSWORD}\n") == [
        "there is no user nobody"
    ]


def test_rotating_the_signing_key(tmp_path: Path) -> None:
    """A new one each time, said by its name; a file that others can read is refused."""
    first, second = solarrally("key", "rotate"), solarrally("key", "rotate")
    assert first.exit_code == second.exit_code == 0
    assert first.stdout != second.stdout
    file = tmp_path / "data" / "signing.keys"
    kept = len(file.read_text().splitlines())
    assert kept == 3
    assert solarrally("key", "rotate", "--drop-old").exit_code == 0
    assert len(file.read_text().splitlines()) == 1
    file.chmod(0o644)
    (line,) = refused(1, "key", "rotate")
    assert "chmod 600" in line


def test_a_data_folder_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command says the setting and what to do in one line, not an error number."""
    Path("file").touch()
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", "file/data")
    for command in (["user", "list"], ["migrate"], ["key", "rotate"]):
        (line,) = refused(1, *command)
        assert "SOLARRALLY_DATA_DIR: the folder file/data cannot be made" in line
        assert "name one that" in line
        assert "Errno" not in line
    monkeypatch.delenv(f"{PREFIX}DATA_DIR")
    assert solarrally("migrate").exit_code == 0
    (line,) = refused(2, "backup", "nowhere/backup.gz")
    assert line.startswith("nowhere/backup.gz cannot be written")
    (line,) = refused(1, "upload", "nowhere.log", "--station", "barn")
    assert line == "nowhere.log: No such file or directory"


def test_tariffs_are_set_and_shown() -> None:
    """The same file again changes nothing; a changed one is the next version."""
    file = Path("tariff.json")
    for tariff, said in (
        (TARIFF, "Stored home version 1.\n"),
        (TARIFF, "Already stored: home version 1.\n"),
        (TARIFF | {"name": "Home, dearer"}, "Stored home version 2.\n"),
    ):
        file.write_text(json.dumps(tariff))
        done = solarrally("tariff", "set", str(file))
        assert (done.exit_code, done.stdout) == (0, said)
    shown = json.loads(solarrally("tariff", "show", "home").stdout)
    assert (shown["version"], shown["name"]) == (2, "Home, dearer")
    assert json.loads(solarrally("tariff", "show").stdout) == [shown]
    assert refused(1, "tariff", "show", "away") == ["there is no tariff away"]
    file.write_text(json.dumps(TARIFF | {"id": "second"}))
    second = solarrally("tariff", "set", str(file))
    assert second.exit_code == 0
    assert "warning: $: is assigned to nobody" in second.stderr
    assert "covers nobody: home began later" in second.stderr
    file.write_text(json.dumps(TARIFF | {"id": "second", "name": "Second"}))
    assert "in place of home" in solarrally("tariff", "set", str(file)).stderr


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("{", 1),
        ("[]", 1),
        (json.dumps(TARIFF | {"currency": "USD"}), 1),
        (json.dumps(TARIFF | {"id": "a/b"}), 1),
        (json.dumps(TARIFF | {"id": "a b", "currency": "USD"}), 2),
        (json.dumps(TARIFF | {"currency": 5, "elements": 5}), 2),
    ],
)
def test_a_tariff_that_cannot_be_right(content: str, lines: int) -> None:
    """A line for each problem, and nothing is stored."""
    Path("tariff.json").write_text(content)
    assert len(refused(2, "tariff", "set", "tariff.json")) == lines
    assert json.loads(solarrally("tariff", "show").stdout) == []


def test_a_file_that_is_not_there() -> None:
    """Told by its name."""
    (line,) = refused(2, "tariff", "set", "nowhere.json")
    assert line.startswith("nowhere.json: cannot be read")


def test_migrating_up_and_down() -> None:
    """To the newest, to none, and to one that does not exist."""
    assert "The database is at 0" in solarrally("migrate").stdout
    assert "The database is at None" in solarrally("migrate", "--to", "base").stdout
    (line,) = refused(1, "migrate", "--to", "nonsense")
    assert "nonsense" in line


@pytest.mark.parametrize(
    "command", [["serve"], ["migrate"], ["user", "list"], ["tariff", "show"]]
)
def test_wrong_settings(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    """A line for each, whatever the command."""
    monkeypatch.setenv("SOLARRALLY_PORT", "x")
    monkeypatch.setenv("SOLARRALLY_DATABASE_URL", "mysql://u:hunter2@host/db")
    lines = refused(2, *command)
    assert [line.split(":")[0] for line in lines] == [
        "SOLARRALLY_DATABASE_URL",
        "SOLARRALLY_PORT",
    ]
    assert "hunter2" not in str(lines)


@pytest.mark.parametrize(
    "url", ["sqlite:////proc/no/such.db", "postgresql://u:hunter2@127.0.0.1:1/db"]
)
def test_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """One line, without the password."""
    monkeypatch.setenv("SOLARRALLY_DATABASE_URL", url)
    (line,) = refused(1, "user", "list")
    assert "hunter2" not in line


def test_the_description_needs_no_database(tmp_path: Path) -> None:
    """It is printed, and nothing is made."""
    described: dict[str, Any] = json.loads(solarrally("openapi").stdout)
    assert "/sessions/{session_id}/bill" in described["paths"]
    assert list(tmp_path.iterdir()) == []


def test_a_month_s_bills() -> None:
    """Nothing to bill is no error; a month that lasts, an unknown driver or no month are."""
    assert solarrally("bill", "month").stdout == "There is nothing to bill.\n"
    assert solarrally("bill", "month", "2025-01").exit_code == 0
    add("dana")
    assert solarrally("bill", "month", "2025-01", "--user", "DANA").exit_code == 0
    for text in ("2025-13", "2025-1", "january", "20250101"):
        assert refused(2, "bill", "month", text) == [
            f"{text}: is not a month such as 2026-11"
        ]
    assert refused(1, "bill", "month", "2999-01") == ["2999-01 has not ended yet."]
    (line,) = refused(1, "bill", "month", "2025-01", "--user", "nobody")
    assert "nobody" in line


def test_uploading_a_card_from_the_shell(tmp_path: Path) -> None:
    """Streamed into the database under the name's station; once more is only counted."""
    file = tmp_path / "garage-20261123-0.log"
    file.write_bytes(log_line(0) + log_line(1))
    assert refused(1, "upload", str(file)) == ["there is no station garage"]
    assert solarrally("station", "add", "garage").exit_code == 0
    done = solarrally("upload", str(file))
    assert done.exit_code == 0, done.output
    assert "2 accepted, 0 duplicate" in done.stdout
    file.write_bytes(log_line(0) + b"garbage\n" + log_line(2))
    again = solarrally("upload", str(file), "--json")
    assert again.exit_code == 1
    report = json.loads(again.stdout)[str(file)]
    assert (report["accepted"]["count"], report["duplicate"]["count"]) == (1, 1)
    assert report["corrupt"]["ranges"] == [{"first": 2, "last": 2}]


def test_stations_from_the_shell() -> None:
    """Registering, listing, and accepting; what cannot be is told."""
    assert solarrally("station", "add", "barn", "--name", "The barn").exit_code == 0
    assert solarrally("station", "list").stdout == "barn  The barn\n"
    assert solarrally("station", "accept", "barn").exit_code == 0
    assert "already" in refused(1, "station", "add", "barn")[0]
    add = ("user", "add", "anna", "--password-stdin")
    assert solarrally(*add, say=f"{PASSWORD}\n").exit_code == 0
    access = ("station", "access", "barn")
    assert solarrally(*access).stdout == "everyone\n"
    shown = solarrally(*access, "--user", "anna", "--group", "staff").stdout
    assert shown == solarrally(*access).stdout == "user anna\ngroup staff\n"
    assert refused(1, *access, "--user", "bob") == ["there is no user bob"]
    assert "exclude" in refused(2, *access, "--nobody", "--everyone")[0]
    assert refused(1, "station", "access", "shed") == ["there is no station shed"]
    assert solarrally(*access, "--nobody").stdout == ""
    assert solarrally(*access, "--everyone").stdout == "everyone\n"
    assert refused(1, "station", "accept", "garage") == ["there is no station garage"]
    (line,) = refused(2, "station", "add", "The Barn")
    assert "1 to 32" in line
    (line,) = refused(2, "station", "add", "shed", "--time-zone", "Mars/Base")
    assert "time_zone" in line
    assert refused(1, "mqtt-access", "access", "--renew", "shed") == [
        "there is no user shed to renew"
    ]


def test_an_upload_that_cannot_be(tmp_path: Path) -> None:
    """A name that says no station, and a file that is not there."""
    (line,) = refused(2, "upload", str(tmp_path / "card.log"))
    assert "--station" in line
    solarrally("station", "add", "garage")
    (line,) = refused(1, "upload", str(tmp_path / "garage-20261123-0.log"))
    assert "No such file" in line


def test_backing_up_and_restoring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Into another database; what cannot be used is told in a line."""
    assert refused(2, "backup", "no.gz") == [
        "the database is empty: there is nothing to back up"
    ]
    add("dana")
    done = solarrally("backup", "b.gz")
    assert done.stdout.startswith("Wrote ")
    (line,) = refused(2, "backup", "b.gz")
    assert line == "b.gz exists already"
    assert "has data already" in refused(2, "restore", "b.gz")[0]
    monkeypatch.setenv("SOLARRALLY_DATABASE_URL", "sqlite:///other.db")
    Path("garbage").write_text("x")
    assert refused(2, "restore", "garbage") == ["garbage is not a backup of SolarRally"]
    restored = solarrally("restore", "b.gz")
    assert restored.stdout.startswith("Restored ")
    assert "a name of its own at the broker" in restored.stderr
    assert solarrally("user", "list").stdout == "dana  user\n"
    monkeypatch.setenv("SOLARRALLY_DATABASE_URL", "sqlite:///moved.db")
    assert solarrally("restore", "b.gz", "--takes-over").stderr == ""


def test_a_port_that_cannot_be() -> None:
    """It is refused before anything is started."""
    result = solarrally("serve", "--port", "99999")
    assert result.exit_code == 2
    assert "Invalid value for '--port'" in result.stderr


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """It is told in one line, and left as it is."""
    file = tmp_path / "data" / "solarrally.db"
    file.parent.mkdir()
    file.write_bytes(b"not a database" * 100)
    assert refused(1, "user", "list") == [
        "the database cannot be reached: file is not a database"
    ]
    assert file.read_bytes() == b"not a database" * 100
