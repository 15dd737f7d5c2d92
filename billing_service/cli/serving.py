"""Commands that run the service, or tell of its API."""

import json
import re
from typing import Annotated

import typer

from billing_service import app as service
from billing_service.api.application import create_api
from billing_service.api.deps import Services
from billing_service.cli.console import fail, run, settings
from billing_service.logs import set_up_logs


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on.")
    ] = None,
) -> None:
    """Run the service: bring the database up to date, then API and ingest in one process."""
    configured = settings()
    given = {"host": host, "port": port}
    configured = configured.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    set_up_logs(configured.log_level, json=configured.log_json)

    async def started(services: Services) -> None:
        if not await services.users.any_admin():
            typer.echo(
                "There is no admin yet. Make one: solarrally user add NAME --role admin",
                err=True,
            )

    run(service.serve(configured, started))


def ingest(
    name: Annotated[
        str,
        typer.Option(
            help="Tells this worker from the others. The broker keeps messages for it under this"
            " name: always start it with the same one."
        ),
    ],
    retire: Annotated[
        bool,
        typer.Option(
            "--retire",
            help="Store what the broker keeps for this worker, and end it for good.",
        ),
    ] = False,
) -> None:
    """Run a worker that only takes in frames and meters them, beside others, on PostgreSQL.

    Set SOLARRALLY_INGEST=false for `solarrally serve`, so that it leaves the frames to workers.
    """
    configured = settings()
    if not re.fullmatch("[A-Za-z0-9_-]{1,32}", name):
        fail(2, "--name has 1 to 32 of A-Z, a-z, 0-9, _ and -")
    set_up_logs(configured.log_level, json=configured.log_json)

    async def work() -> None:
        if not retire:
            await service.work(configured, name)
            return
        frames = await service.retire(configured, name)
        typer.echo(f"Worker {name} has retired; {frames} frames were waiting for it.")

    run(work())


def openapi() -> None:
    """Print the API's description (OpenAPI)."""
    typer.echo(json.dumps(create_api().openapi(), indent=2))
