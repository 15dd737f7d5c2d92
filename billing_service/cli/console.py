"""What the commands share: settings, running to the end, and errors of one line each."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

import typer

from billing_service import app as service
from billing_service.adapters.db.alone import DatabaseInUse
from billing_service.adapters.db.backup import BackupRefused
from billing_service.adapters.db.migrate import MigrationFailed
from billing_service.adapters.keys import KeyUnusable
from billing_service.adapters.mqtt.access import AccessFilesUnusable
from billing_service.domain.errors import DomainError, InvalidInput, TariffInvalid
from billing_service.settings import (
    Settings,
    SettingsInvalid,
    load_settings,
)


def settings() -> Settings:
    """Return the settings, or end with a line for each that is wrong."""
    try:
        return load_settings()
    except SettingsInvalid as error:
        fail(2, *str(error).splitlines())


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; say errors in a line each."""
    try:
        asyncio.run(work)
    except (BackupRefused, service.WorkersNeedPostgres) as error:
        fail(2, str(error))
    except (InvalidInput, TariffInvalid) as error:
        fail(2, *(f"{path}: {text}" for path, text in error.problems))
    except (
        DatabaseInUse,
        MigrationFailed,
        KeyUnusable,
        SettingsInvalid,
        AccessFilesUnusable,
        service.AddressUnusable,
        service.BrokerUnavailable,
    ) as error:
        fail(1, str(error))
    except DomainError as error:
        fail(1, error.message)
    except BrokenPipeError:
        # Whoever reads what we print has read enough: Typer ends without a word.
        raise
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        fail(1, f"{what}{error.strerror or error}")


def fail(code: int, *lines: str) -> NoReturn:
    """End with errors and an exit code."""
    for line in lines:
        typer.echo(f"error: {line}", err=True)
    raise typer.Exit(code)
