"""Commands about the whole database."""

from pathlib import Path
from typing import Annotated

import typer

from billing_service import app as service
from billing_service.adapters.db import backup as whole
from billing_service.console import run, settings


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)


def backup(
    file: Annotated[Path, typer.Argument(help="A new file, such as solarrally.gz.")],
) -> None:
    """Write the whole database to a file, as it is at one moment; the service may go on running.

    The key that signs tokens is not in it: keep the file signing.key beside it if those who are
    signed in shall stay so.
    """
    configured = settings()

    async def work() -> None:
        async with service.open_database(configured, service.utc_now) as database:
            rows = await whole.backup(database.engine, file)
        typer.echo(f"Wrote {_count(rows)} to {file}.")

    run(work())


def restore(
    file: Annotated[Path, typer.Argument(help="A file of solarrally backup.")],
) -> None:
    """Fill an empty database from a backup, of this kind of database or another.

    This is also the way from SQLite to PostgreSQL: back up, set SOLARRALLY_DATABASE_URL, restore.
    """
    configured = settings()

    async def work() -> None:
        async with service.open_database(configured, service.utc_now) as database:
            rows = await whole.restore(
                database.engine, file, timescaledb=configured.timescaledb
            )
        typer.echo(f"Restored {_count(rows)} from {file}.")

    run(work())


def _count(rows: dict[str, int]) -> str:
    filled = sum(1 for number in rows.values() if number)
    return f"{sum(rows.values()):,} rows of {filled} tables"
