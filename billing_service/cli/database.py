"""Commands about the whole database."""

from pathlib import Path
from typing import Annotated

import typer

from billing_service import app as service
from billing_service.adapters.db import backup as whole
from billing_service.adapters.db import migrate as migrate_schema
from billing_service.adapters.db.migrate import current
from billing_service.cli.console import run, settings


def migrate(
    to: Annotated[
        str, typer.Option(help="A revision, 'head', or 'base' to drop everything.")
    ] = "head",
) -> None:
    """Bring the database's schema up to date, or to another revision."""
    configured = settings()

    async def work() -> None:
        async with service.open_database(configured, service.utc_now) as database:
            await migrate_schema(
                database.engine, to, timescaledb=configured.timescaledb
            )
            typer.echo(f"The database is at {await current(database.engine)}.")

    run(work())


def maintain() -> None:
    """Sum frames up by hour and day, and drop those past their retention time, now.

    The service does so by itself every few minutes.
    """
    configured = settings()

    async def work() -> None:
        async with service.open_database(configured, service.utc_now) as database:
            await migrate_schema(database.engine, timescaledb=configured.timescaledb)
            done = await service.maintenance(
                configured, database, service.utc_now
            ).run_once()
        typer.echo(f"Summed up {done.hours} hours and {done.days} days.")
        if configured.frames_kept_days:
            frames = "chunks of old" if done.dropped is None else f"{done.dropped}"
            typer.echo(f"Settled {done.settled} sessions; dropped {frames} frames.")

    run(work())


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
    takes_over: Annotated[
        bool,
        typer.Option(
            "--takes-over",
            help="The installation that was backed up runs no more: take its name at the broker,"
            " and with it what the broker keeps for it.",
        ),
    ] = False,
) -> None:
    """Fill an empty database from a backup, of this kind of database or another.

    This is also the way from SQLite to PostgreSQL: stop the service, back up, set
    SOLARRALLY_DATABASE_URL, restore with --takes-over. Without it, both may run beside each other.
    """
    configured = settings()

    async def work() -> None:
        async with service.open_database(configured, service.utc_now) as database:
            rows = await whole.restore(
                database.engine,
                file,
                takes_over=takes_over,
                timescaledb=configured.timescaledb,
            )
        typer.echo(f"Restored {_count(rows)} from {file}.")
        if not takes_over and configured.mqtt_client_id is None:
            typer.echo(
                "It gets a name of its own at the broker; what waits there for the one that was"
                " backed up stays that one's (--takes-over).",
                err=True,
            )

    run(work())


def _count(rows: dict[str, int]) -> str:
    filled = sum(1 for number in rows.values() if number)
    return f"{sum(rows.values()):,} rows of {filled} tables"
