"""Commands about what charging costs."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from billing_service import app as service
from billing_service.adapters.db import migrate
from billing_service.adapters.ocpi import tariff_from_dict, tariff_to_dict
from billing_service.adapters.rate_command import RateRefused, rate_files
from billing_service.cli.console import fail, run, settings
from billing_service.services.audit import Console
from billing_service.services.issuing import EVERYTHING
from billing_service.services.tariffs import Tariffs

tariffs = typer.Typer(help="What charging costs.", no_args_is_help=True)


@tariffs.command("set")
def tariff_set(
    file: Annotated[
        Path, typer.Argument(help="An OCPI Tariff as JSON; see docs for 'source'.")
    ],
    assigned_only: Annotated[
        bool,
        typer.Option(help="A new tariff covers nobody until it is assigned."),
    ] = False,
) -> None:
    """Store a tariff as the next version of its id. Sessions keep the one they began with."""
    data = _read_json(file)

    async def work() -> None:
        async with _tariffs() as service_:
            stored = await service_.set(
                Console(), tariff_from_dict(data), assigned_only=assigned_only
            )
        for path, text in stored.warnings:
            typer.echo(f"warning: {path}: {text}", err=True)
        what = "Stored" if stored.new else "Already stored:"
        typer.echo(f"{what} {stored.tariff.id} version {stored.tariff.version}.")

    run(work())


@tariffs.command("show")
def tariff_show(
    tariff_id: Annotated[str | None, typer.Argument(help="One tariff only.")] = None,
) -> None:
    """Print the newest version of each tariff, or of one, as OCPI JSON."""

    async def work() -> None:
        async with _tariffs() as service_:
            if tariff_id is None:
                shown: Any = [
                    tariff_to_dict(each) for each in await service_.visible(EVERYTHING)
                ]
            else:
                shown = tariff_to_dict(await service_.latest(tariff_id, EVERYTHING))
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))

    run(work())


def rate(
    tariff: Annotated[
        Path | None, typer.Option(help="An OCPI 2.2.1 Tariff as JSON.")
    ] = None,
    cdr: Annotated[
        Path | None, typer.Option(help="The session as an OCPI CDR in JSON.")
    ] = None,
) -> None:
    """Rate a session by a tariff, both from files; no database is needed."""
    # Typer would say what is missing in a box, and only the first.
    if tariff is None or cdr is None:
        given = {"--tariff": tariff, "--cdr": cdr}
        fail(2, *(f"{name}: is missing" for name in given if given[name] is None))
    try:
        rated = rate_files(tariff, cdr)
    except RateRefused as refused:
        fail(2, *refused.problems)
    typer.echo(json.dumps(rated, indent=2, ensure_ascii=False))


@asynccontextmanager
async def _tariffs() -> AsyncIterator[Tariffs]:
    configured = settings()
    async with service.open_database(configured, service.utc_now) as database:
        await migrate(database.engine, timescaledb=configured.timescaledb)
        yield Tariffs(
            database.write,
            database.read,
            service.utc_now,
            currency=configured.currency,
        )


def _read_json(file: Path) -> object:
    try:
        return json.loads(file.read_text("utf-8-sig"), parse_float=Decimal)
    except OSError as error:
        fail(2, f"{file}: cannot be read: {error.strerror or error}")
    except (ValueError, RecursionError) as error:
        fail(2, f"{file}: is not JSON: {error}")
