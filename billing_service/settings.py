"""Settings: from the environment (``SOLARRALLY_…``) and from a file ``.env``."""

import difflib
import os
import re
import socket
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from billing_service import patterns
from billing_service.adapters.currencies import RULE, is_currency
from billing_service.adapters.db.database import database_url

PREFIX = "SOLARRALLY_"


class SettingsInvalid(Exception):
    """Settings that cannot be used; one line for each."""


def _currency(value: str) -> str:
    if not is_currency(value):
        raise ValueError(RULE)
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("must be an IANA time zone such as Europe/Vienna") from error
    return value


def _locale(value: str) -> str:
    try:
        Locale.parse(value)
    except (UnknownLocaleError, ValueError) as error:
        raise ValueError("must be a locale such as en or de_AT") from error
    return value


def _public_url(value: str) -> str:
    if value and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_/-]{1,200}", value):
        raise ValueError("must be an address such as https://charging.example.org")
    return value.rstrip("/")


def _series(value: str) -> str:
    # Digits at its end would run into the year: R1 and 2026, or R12 and 026?
    if not re.fullmatch(patterns.BILL_SERIES, value):
        raise ValueError(patterns.RULES[patterns.BILL_SERIES])
    return value


def _prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", value):
        raise ValueError("must be levels of A-Z, a-z, 0-9, _ and -, such as home/ev")
    return value


class Settings(BaseSettings):
    """What an installation sets. Everything has a default that works at home but the broker's."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        # An empty value, as an example file has it, is one that was not set.
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    data_dir: Path = Path("data")
    database_url: SecretStr = SecretStr("")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    trusted_proxies: str = "127.0.0.1"
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()

    mqtt_host: str = "127.0.0.1"
    mqtt_port: Annotated[int, Field(ge=1, le=65535)] = 1883
    mqtt_username: str | None = None
    mqtt_password: SecretStr | None = None
    mqtt_password_file: Path | None = None
    mqtt_tls: bool = False
    mqtt_ca_file: Path | None = None
    mqtt_topic_prefix: Annotated[str, AfterValidator(_prefix)] = "ev"
    mqtt_client_id: Annotated[str, Field(pattern=patterns.CLIENT_ID)] | None = None
    ingest: bool = True
    default_station: Annotated[str, Field(pattern=patterns.STATION_ID)] = "station"
    accept_stations: Literal["ask", "all"] = "ask"

    supplier_name: str = "SolarRally"
    supplier_address: Annotated[tuple[str, ...], NoDecode] = ()
    supplier_vat_id: str | None = None
    supplier_email: str | None = None
    currency: Annotated[str, AfterValidator(_currency)] = "EUR"
    bill_series: Annotated[str, AfterValidator(_series)] = "SR-"
    credit_series: Annotated[str, AfterValidator(_series)] = "CN-"
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    locale: Annotated[str, AfterValidator(_locale)] = "en"

    vat_note: str = ""
    payment_days: Annotated[int, Field(ge=0, le=365)] | None = None
    payment_info: str = ""
    co2_g_per_kwh: Annotated[Decimal, Field(ge=0, le=2000)] = Decimal(240)
    ocpi_country_code: Annotated[str, Field(pattern=patterns.COUNTRY_ALPHA_2)] = "XX"
    ocpi_party_id: Annotated[str, Field(pattern=patterns.PARTY_ID)] = "SRY"
    site_address: Annotated[str, Field(max_length=45)] = ""
    site_postal_code: Annotated[str, Field(max_length=10)] = ""
    site_city: Annotated[str, Field(max_length=45)] = ""
    site_country: Annotated[str, Field(pattern=patterns.COUNTRY_ALPHA_3)] = "XXX"
    site_latitude: Annotated[Decimal, Field(ge=-90, le=90)] = Decimal(0)
    site_longitude: Annotated[Decimal, Field(ge=-180, le=180)] = Decimal(0)
    public_url: Annotated[str, AfterValidator(_public_url)] = ""

    timescaledb: bool = True
    frames_kept_days: Annotated[int, Field(ge=0, le=36_500)] = 0

    upload_max_mb: Annotated[int, Field(ge=1, le=65_536)] = 256

    idle_time_s: Annotated[int, Field(ge=10, le=86_400)] = 600
    max_gap_s: Annotated[int, Field(ge=1, le=3_600)] = 60
    tolerance: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.05")

    log_level: Annotated[
        str, Field(pattern=patterns.LOG_LEVEL, validate_default=True)
    ] = "info"
    log_json: bool = False

    @field_validator("supplier_address", mode="before")
    @classmethod
    def _lines(cls, value: object) -> object:
        """Take an address's lines parted by ``|``."""
        return _parts(value, "|")

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        """Take origins parted by commas."""
        return _parts(value, ",")

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            database_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.mqtt_password is not None and self.mqtt_password_file is not None:
            raise ValueError("set mqtt_password or mqtt_password_file, not both")
        return self

    @model_validator(mode="after")
    def _two_series(self) -> Self:
        if self.bill_series == self.credit_series:
            raise ValueError("bill_series and credit_series must differ")
        return self

    @model_validator(mode="after")
    def _workers_share(self) -> Self:
        if not self.ingest and not self.is_postgresql:
            raise ValueError(
                "ingest: workers of their own need PostgreSQL (database_url)"
            )
        return self

    @property
    def is_postgresql(self) -> bool:
        """Whether the database is one that several processes share."""
        return self.effective_database_url.startswith("postgresql")

    @property
    def effective_database_url(self) -> str:
        """The database: what was set, or a SQLite file in the data folder."""
        return (
            self.database_url.get_secret_value()
            or f"sqlite:///{self.data_dir / 'solarrally.db'}"
        )

    @property
    def effective_public_url(self) -> str:
        """Where people reach the service: what was set, or this machine."""
        if self.public_url:
            return self.public_url
        everywhere = self.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        host = socket.gethostname() if everywhere else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def signing_keys_file(self) -> Path:
        """Where the keys that sign tokens are kept."""
        return self.data_dir / "signing.keys"

    def make_data_dir(self) -> None:
        """Make the data folder. Raises SettingsInvalid, with what to do, when it is of no use."""
        _make_folder("DATA_DIR", self.data_dir)

    def make_database_folder(self) -> None:
        """Make the folder of a SQLite database. Raises SettingsInvalid when it is of no use."""
        if not self.database_url.get_secret_value():
            name = "DATA_DIR"
        elif self.is_postgresql:
            return
        else:
            name = "DATABASE_URL"
        file = database_url(self.effective_database_url).database
        if not file or file == ":memory:":
            return
        _make_folder(name, Path(file).parent)
        if Path(file).is_dir():
            raise SettingsInvalid(
                f"{PREFIX}{name}: {file} is a folder: name a file for the database"
            )

    def accepts_station(self, station_id: str) -> bool:
        """Return whether a station that is heard for the first time may be used at once.

        The one that the settings name may.
        """
        return self.accept_stations == "all" or station_id == self.default_station

    def read_mqtt_password(self) -> str | None:
        """Return the broker's password. Raises SettingsInvalid when its file cannot be read."""
        if self.mqtt_password is not None:
            return self.mqtt_password.get_secret_value()
        if self.mqtt_password_file is None:
            return None
        try:
            return self.mqtt_password_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsInvalid(
                f"{PREFIX}MQTT_PASSWORD_FILE: cannot read it: {error}"
            ) from error


def _make_folder(name: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        usable = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        raise SettingsInvalid(
            f"{PREFIX}{name}: the folder {folder} cannot be made"
            f" ({(error.strerror or '').lower()}): name one that this user may make or write to"
        ) from error
    if not usable:
        raise SettingsInvalid(
            f"{PREFIX}{name}: this user may not write to the folder {folder}: let them, or name"
            " another one"
        )


def _parts(value: object, separator: str) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(separator) if part.strip())


_OF_THE_TWIN = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "API_PORT", "BENCH", "BROKER_CA", "BROKER_HOST", "BROKER_PASSWORD", "BROKER_PORT",
        "BROKER_USERNAME", "CARD", "CARD_DELAY_MS", "CONTROL_LOST", "DISCOVERY_PREFIX", "FOLLOW",
        "METER_PORT", "MODE", "OTA_PORT", "STATION", "TIME", "TOPIC_PREFIX",
    )
)  # fmt: skip
"""What the firmware as a Linux program reads from the environment, which may be the same."""


def load_settings() -> Settings:
    """Read the settings. Raises SettingsInvalid with a line for each that is wrong."""
    lines = []
    try:
        lines += [
            f"{name}: is no setting" + (f"; did you mean {meant}?" if meant else "")
            for name, meant in unknown_settings().items()
        ]
        settings = Settings()
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in each["loc"]).upper()
            text = patterns.in_words(each)
            lines.append(f"{PREFIX}{name}: {text}" if name else text)
        raise SettingsInvalid("\n".join(lines)) from error
    except UnicodeDecodeError as error:
        raise SettingsInvalid(".env: is not UTF-8 text") from error
    if lines:
        raise SettingsInvalid("\n".join(lines))
    return settings


def unknown_settings() -> dict[str, str | None]:
    """Return names in the environment and `.env` that look like settings but are none.

    Each with the setting that may have been meant, or None. Names that other parts of the project
    read from the environment are left alone there; the file is the service's own.
    """
    known = {name.upper() for name in Settings.model_fields}
    given = {name.upper() for name in os.environ} - _OF_THE_TWIN
    given |= {name.upper() for name in dotenv_values(".env")}
    unknown: dict[str, str | None] = {}
    for name in sorted(given):
        bare = name.removeprefix(PREFIX)
        if bare in {name, *known}:
            continue
        close = difflib.get_close_matches(bare, known, n=1)
        unknown[name] = f"{PREFIX}{close[0]}" if close else None
    return unknown
