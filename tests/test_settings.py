"""Settings: what is wrong is told in a line each, and secrets are not shown."""

import re
from pathlib import Path

import pytest

from billing_service.settings import (
    PREFIX,
    Settings,
    SettingsInvalid,
    load_settings,
)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start without settings, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_a_home_needs_no_settings() -> None:
    """SQLite in the data folder, reachable from this machine only."""
    settings = load_settings()
    assert settings.effective_database_url == "sqlite:///data/solarrally.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.read_mqtt_password() is None


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are read; an empty value was not set."""
    Path(".env").write_text(
        "SOLARRALLY_CURRENCY=CHF\nSOLARRALLY_LOCALE=de_CH\nSOLARRALLY_PORT=\n"
        "SOLARRALLY_SUPPLIER_ADDRESS=1 Road|8000 Town\nUNRELATED=x\n"
    )
    monkeypatch.setenv("SOLARRALLY_LOCALE", "fr_CH")
    settings = load_settings()
    assert (settings.currency, settings.locale, settings.port) == ("CHF", "fr_CH", 8000)
    assert settings.supplier_address == ("1 Road", "8000 Town")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("PORT", "0", "greater than or equal to 1"),
        ("PORT", "http", "integer"),
        ("DATABASE_URL", "mysql://u:hunter2@host/db", "mysql is not supported"),
        ("DATABASE_URL", "hunter2", "not a database URL"),
        ("CURRENCY", "euro", "ISO 4217"),
        ("TIME_ZONE", "Mars", "IANA time zone"),
        ("LOCALE", "xx_YY_ZZ_1", "must be a locale"),
        ("BILL_SERIES", "R1", "must not end in a digit"),
        ("BILL_SERIES", "a/b", "A-Z"),
        ("MQTT_TOPIC_PREFIX", "ev/#", "must be levels"),
        ("DEFAULT_STATION", "My Station", "must be 1 to 32 of a-z, 0-9, _ and -"),
        ("IDLE_TIME_S", "1", "greater than"),
        ("TOLERANCE", "NaN", "finite"),
        ("LOG_LEVEL", "loud", "must be debug, info, warning or error"),
        ("SITE_COUNTRY", "Austria", "three capital letters, such as AUT"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    """With its name as it is set, the reason, and never the value: it may be a secret."""
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{PREFIX}{name}: ")
    assert why in line
    assert "hunter2" not in line


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it is mended at once."""
    monkeypatch.setenv("SOLARRALLY_PORT", "x")
    monkeypatch.setenv("SOLARRALLY_CURRENCY", "x")
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert len(str(refused.value).splitlines()) == 2


def test_the_broker_s_password_may_be_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its line end does not count; both at once, or a file that is not there, is told."""
    file = tmp_path / "password"
    monkeypatch.setenv("SOLARRALLY_MQTT_PASSWORD_FILE", str(file))
    with pytest.raises(SettingsInvalid, match="MQTT_PASSWORD_FILE: cannot read"):
        load_settings().read_mqtt_password()
    file.write_text("hunter2\n")
    assert load_settings().read_mqtt_password() == "hunter2"
    monkeypatch.setenv("SOLARRALLY_MQTT_PASSWORD", "other")
    with pytest.raises(SettingsInvalid, match="not both"):
        load_settings()


def test_a_misspelt_setting_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the environment or in the file, it is named, with what may have been meant."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"{PREFIX}MQTT_PASWORD=x\n{PREFIX}PORT=8001\n")
    monkeypatch.setenv(f"{PREFIX}QQQQQQ", "1")
    monkeypatch.setenv(f"{PREFIX}CURRENCY", "euro")
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert str(refused.value).splitlines() == [
        f"{PREFIX}MQTT_PASWORD: is no setting; did you mean {PREFIX}MQTT_PASSWORD?",
        f"{PREFIX}QQQQQQ: is no setting",
        f"{PREFIX}CURRENCY: must be an ISO 4217 code such as EUR",
    ]


def test_what_the_firmware_s_twin_reads_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may run from the same shell; in the service's own file it would do nothing."""
    twin = Path(__file__).parent.parent / "esphome"
    names = {
        name
        for file in (twin / "targets/host.yaml", *twin.glob("host/**/*.cpp"))
        for name in re.findall(r'getenv\("(SOLARRALLY_\w+)"\)', file.read_text("utf-8"))
    }
    assert f"{PREFIX}TOPIC_PREFIX" in names
    for name in names:
        monkeypatch.setenv(name, "x")
    load_settings()
    Path(".env").write_text(f"{PREFIX}TOPIC_PREFIX=home/ev\n")
    with pytest.raises(SettingsInvalid, match=f"{PREFIX}MQTT_TOPIC_PREFIX"):
        load_settings()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings may end up in a log."""
    monkeypatch.setenv("SOLARRALLY_MQTT_PASSWORD", "hunter2")
    monkeypatch.setenv("SOLARRALLY_DATABASE_URL", "postgresql://u:hunter2@host/db")
    assert "hunter2" not in repr(load_settings())


@pytest.mark.parametrize("name", [".env.example", ".env.production.example"])
def test_the_examples_are_true(name: str) -> None:
    """Every setting they name exists, their values are taken, and none is left out."""
    text = (Path(__file__).parent.parent / name).read_text("utf-8")
    assigned = [
        line.removeprefix("#").partition("=")[0].strip().removeprefix(PREFIX).lower()
        for line in text.splitlines()
        if line.removeprefix("#").startswith(PREFIX)
    ]
    assert sorted(assigned) == sorted(Settings.model_fields)
    Path(".env").write_text(text)
    load_settings()


def _refusal(**settings: str) -> str:
    made = Settings(_env_file=None, **settings)  # type: ignore[arg-type,call-arg]  # as from outside
    with pytest.raises(SettingsInvalid) as refused:
        made.make_database_folder()
    assert "Errno" not in str(refused.value)
    return str(refused.value)


def test_a_folder_that_cannot_be_is_told_with_its_setting(tmp_path: Path) -> None:
    """Which setting, which folder, why, and what to do; nothing is left half made."""
    (tmp_path / "file").touch()
    for folder in ("file", "file/below", "x" * 300):
        said = _refusal(data_dir=str(tmp_path / folder))
        assert said.startswith(f"SOLARRALLY_DATA_DIR: the folder {tmp_path / folder}")
        assert "name one that" in said
    url = f"sqlite:///{tmp_path}/file/solarrally.db"
    assert _refusal(database_url=url).startswith("SOLARRALLY_DATABASE_URL: the folder")
    folder_as_file = _refusal(database_url=f"sqlite:///{tmp_path}")
    assert "is a folder: name a file" in folder_as_file
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_may_not_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told before SQLite says that it is unable to open a file."""
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "may not write to" in _refusal(data_dir=str(tmp_path))


def test_folders_are_made_where_they_are_needed(tmp_path: Path) -> None:
    """Also twice and with parents; none is made for a server's database."""
    there = Settings(_env_file=None, data_dir=tmp_path / "a" / "b")  # type: ignore[call-arg]
    for _ in range(2):
        there.make_database_folder()
        there.make_data_dir()
    assert (tmp_path / "a" / "b").is_dir()
    server = Settings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=tmp_path / "c",
        database_url="postgresql://host/db",  # type: ignore[arg-type]
    )
    server.make_database_folder()
    assert not (tmp_path / "c").exists()
