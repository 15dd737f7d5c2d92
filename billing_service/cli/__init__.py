"""The command line: ``solarrally``.

Exits 0 when all went well, 1 when it could not be done, 2 when what was given cannot be used.
Errors are one line each, on standard error.
"""

import typer

from billing_service.cli.bills import bills, verify
from billing_service.cli.database import backup, maintain, migrate, restore
from billing_service.cli.keys import keys
from billing_service.cli.serving import ingest, openapi, serve
from billing_service.cli.stations import mqtt_access, stations, upload
from billing_service.cli.tariffs import rate, tariffs
from billing_service.cli.users import users

__all__ = ["app"]

app = typer.Typer(
    name="solarrally",
    help="Charging sessions, tariffs and bills.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    upload,
    mqtt_access,
    backup,
    restore,
    serve,
    ingest,
    migrate,
    maintain,
    openapi,
    rate,
    verify,
):
    app.command()(command)
for name, group in (
    ("user", users),
    ("key", keys),
    ("tariff", tariffs),
    ("bill", bills),
    ("station", stations),
):
    app.add_typer(group, name=name)
