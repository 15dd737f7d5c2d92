"""The command line: ``solarrally``.

Exits 0 when all went well, 1 when it could not be done, 2 when what was given cannot be used.
Errors are one line each, on standard error.
"""

import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from billing_service import app as service
from billing_service import cli_database, cli_stations
from billing_service.adapters.db import migrate as migrate_database
from billing_service.adapters.db.migrate import current
from billing_service.adapters.keys import KeyRing, KeyUnusable
from billing_service.adapters.ocpi import tariff_from_dict, tariff_to_dict
from billing_service.adapters.passwords import Argon2Passwords
from billing_service.adapters.pdf import PdfBillRenderer, evidence_in
from billing_service.adapters.rate_command import RateRefused, rate_files
from billing_service.api.application import create_api
from billing_service.api.deps import Services
from billing_service.console import fail as _fail
from billing_service.console import run as _run
from billing_service.console import settings as _settings
from billing_service.console import warn_of_unknown_settings
from billing_service.logs import set_up_logs
from billing_service.services.audit import Console
from billing_service.services.issuing import EVERYTHING, Issuer
from billing_service.services.months import Months, last_month
from billing_service.services.ports import Role
from billing_service.services.tariffs import Tariffs
from billing_service.services.users import MIN_PASSWORD_CHARS, Users
from billing_service.services.verifying import Verifying

app = typer.Typer(
    name="solarrally",
    help="Charging sessions, tariffs and bills.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
users = typer.Typer(help="People who sign in.", no_args_is_help=True)
tariffs = typer.Typer(help="What charging costs.", no_args_is_help=True)
keys = typer.Typer(help="Keys that sign access tokens.", no_args_is_help=True)
app.add_typer(users, name="user")
app.add_typer(keys, name="key")
app.add_typer(tariffs, name="tariff")
bills = typer.Typer(help="Bills.", no_args_is_help=True)
app.add_typer(bills, name="bill")
cli_stations.install(app)
cli_database.install(app)

PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input."),
]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on.")
    ] = None,
) -> None:
    """Run the service: bring the database up to date, then API and ingest in one process."""
    settings = _settings()
    given = {"host": host, "port": port}
    settings = settings.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    set_up_logs(settings.log_level, json=settings.log_json)
    warn_of_unknown_settings()

    async def started(services: Services) -> None:
        if not await services.users.any_admin():
            typer.echo(
                "There is no admin yet. Make one: solarrally user add NAME --role admin",
                err=True,
            )

    _run(service.serve(settings, started))


@app.command()
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
    settings = _settings()
    if not re.fullmatch("[A-Za-z0-9_-]{1,32}", name):
        _fail(2, "--name has 1 to 32 of A-Z, a-z, 0-9, _ and -")
    set_up_logs(settings.log_level, json=settings.log_json)
    warn_of_unknown_settings()

    async def work() -> None:
        if not retire:
            await service.work(settings, name)
            return
        frames = await service.retire(settings, name)
        typer.echo(f"Worker {name} has retired; {frames} frames were waiting for it.")

    _run(work())


@app.command()
def migrate(
    to: Annotated[
        str, typer.Option(help="A revision, 'head', or 'base' to drop everything.")
    ] = "head",
) -> None:
    """Bring the database's schema up to date, or to another revision."""
    settings = _settings()

    async def work() -> None:
        async with service.open_database(settings, service.utc_now) as database:
            await migrate_database(
                database.engine, to, timescaledb=settings.timescaledb
            )
            typer.echo(f"The database is at {await current(database.engine)}.")

    _run(work())


@app.command()
def maintain() -> None:
    """Sum frames up by hour and day, and drop those past their retention time, now.

    The service does so by itself every few minutes.
    """
    settings = _settings()

    async def work() -> None:
        async with service.open_database(settings, service.utc_now) as database:
            await migrate_database(database.engine, timescaledb=settings.timescaledb)
            done = await service.maintenance(
                settings, database, service.utc_now
            ).run_once()
        typer.echo(f"Summed up {done.hours} hours and {done.days} days.")
        if settings.frames_kept_days:
            frames = "chunks of old" if done.dropped is None else f"{done.dropped}"
            typer.echo(f"Settled {done.settled} sessions; dropped {frames} frames.")

    _run(work())


@app.command()
def openapi() -> None:
    """Print the API's description (OpenAPI)."""
    typer.echo(json.dumps(create_api().openapi(), indent=2))


@app.command()
def rate(
    tariff: Annotated[Path, typer.Option(help="An OCPI 2.2.1 Tariff as JSON.")],
    cdr: Annotated[Path, typer.Option(help="The session as an OCPI CDR in JSON.")],
) -> None:
    """Rate a session by a tariff, both from files; no database is needed."""
    try:
        rated = rate_files(tariff, cdr)
    except RateRefused as refused:
        _fail(2, *refused.problems)
    typer.echo(json.dumps(rated, indent=2, ensure_ascii=False))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A bill or credit note as PDF.")],
) -> None:
    """Say what is proven of a bill by its PDF, and what is not.

    Exits 1 when anything is not as it was, 2 when the file is no bill.
    """
    settings = _settings()
    try:
        document = file.read_bytes()
    except OSError as error:
        _fail(2, f"{file}: cannot be read: {error.strerror or error}")
    sha256 = evidence_in(document) if document.startswith(b"%PDF-") else None
    if sha256 is None:
        _fail(2, f"{file}: is not a bill: it is no PDF that carries a hash of evidence")

    async def work() -> None:
        async with service.open_database(settings, service.utc_now) as database:
            await migrate_database(database.engine, timescaledb=settings.timescaledb)
            verdict = await Verifying(
                database.read, PdfBillRenderer(settings.locale)
            ).check_document(sha256, document)
        typer.echo(
            f"{verdict.number} of {verdict.issued_on}: {verdict.total} {verdict.currency}"
        )
        if verdict.credited_by is not None:
            typer.echo(f"It was taken back by {verdict.credited_by}.")
        for check in verdict.checks:
            typer.echo(f"{check.outcome.replace('_', ' '):>10}  {check.sentence}")
        if verdict.failed:
            _fail(1, f"{file}: not everything is as it was")

    _run(work())


@users.command("add")
def user_add(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.USER,
    password_stdin: PasswordStdin = False,
    full_name: Annotated[str, typer.Option(help="As printed on bills.")] = "",
    email: Annotated[str | None, typer.Option(help="As printed on bills.")] = None,
    address: Annotated[
        list[str] | None, typer.Option(help="A line as printed on bills; repeatable.")
    ] = None,
) -> None:
    """Make a user."""
    password = _new_password(password_stdin=password_stdin)

    async def work() -> None:
        async with _users() as people:
            user = await people.add(
                Console(),
                name=name,
                role=role,
                password=password,
                full_name=full_name,
                email=email,
                address=tuple(address or ()),
            )
        typer.echo(f"Made {user.role.value} {user.name}.")

    _run(work())


@users.command("list")
def user_list() -> None:
    """List all users."""

    async def work() -> None:
        async with _users() as people:
            for user in await people.all():
                state = "" if user.active else "  (inactive)"
                typer.echo(
                    f"{user.name}  {user.role.value}  {user.full_name}{state}".rstrip()
                )

    _run(work())


@users.command("passwd")
def user_passwd(
    name: Annotated[str, typer.Argument(help="Whose password.")],
    password_stdin: PasswordStdin = False,
) -> None:
    """Set a new password; every token issued before is void."""
    password = _new_password(password_stdin=password_stdin)

    async def work() -> None:
        async with _users() as people:
            user = await people.by_name(name)
            await people.set_password(Console(), user.id, password)
        typer.echo(f"Set the password of {user.name}.")

    _run(work())


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

    _run(work())


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

    _run(work())


@bills.command("month")
def bill_month(
    month: Annotated[
        str | None, typer.Argument(help="As in 2026-11; last month when left out.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="One driver only, by the name to sign in with.")
    ] = None,
) -> None:
    """Issue a bill for each driver over a month's sessions that have none.

    Run it as often as you like: nothing is billed twice. Exits 1 when a session could not be
    billed.
    """
    settings = _settings()
    first = None if month is None else _month(month)

    async def work() -> None:
        async with service.open_database(settings, service.utc_now) as database:
            await migrate_database(database.engine, timescaledb=settings.timescaledb)
            issuer = Issuer(service.utc_now, service.billing_settings(settings))
            driver = None
            if user is not None:
                people = Users(
                    database.write, database.read, service.utc_now, Argon2Passwords()
                )
                driver = (await people.by_name(user)).id
            issued = await Months(database.write, database.read, issuer).issue(
                Console(), first or last_month(issuer.today()), driver
            )
        for record in issued.bills:
            bill = record.bill
            typer.echo(
                f"Issued {bill.number} to {bill.customer.name}: {len(bill.sessions)} sessions, "
                f"{bill.total} {bill.currency}."
            )
        if not issued.bills:
            typer.echo("There is nothing to bill.")
        if issued.skipped:
            _fail(
                1,
                *(
                    f"session {each.session.id}: {each.error.message}"
                    for each in issued.skipped
                ),
            )

    _run(work())


@keys.command("rotate")
def key_rotate(
    drop_old: Annotated[
        bool,
        typer.Option(
            help="Void all access tokens now: the old key may have leaked. "
            "Programs get new ones with their refresh tokens."
        ),
    ] = False,
) -> None:
    """Sign access tokens with a new key; the running service takes it up by itself."""
    settings = _settings()
    try:
        kid = KeyRing(settings.signing_keys_file, service.utc_now).rotate(
            drop_old=drop_old
        )
    except KeyUnusable as error:
        _fail(1, str(error))
    typer.echo(f"Access tokens are signed with key {kid} from now on.")


# -- parts -----------------------------------------------------------------------------------------


@asynccontextmanager
async def _users() -> AsyncIterator[Users]:
    settings = _settings()
    async with service.open_database(settings, service.utc_now) as database:
        await migrate_database(database.engine, timescaledb=settings.timescaledb)
        yield Users(database.write, database.read, service.utc_now, Argon2Passwords())


@asynccontextmanager
async def _tariffs() -> AsyncIterator[Tariffs]:
    settings = _settings()
    async with service.open_database(settings, service.utc_now) as database:
        await migrate_database(database.engine, timescaledb=settings.timescaledb)
        yield Tariffs(
            database.write,
            database.read,
            service.utc_now,
            currency=settings.currency,
        )


def _new_password(*, password_stdin: bool) -> str:
    if password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        _fail(2, "there is no terminal to ask for the password: use --password-stdin")
    password: str = typer.prompt(
        f"Password (at least {MIN_PASSWORD_CHARS} characters)",
        hide_input=True,
        confirmation_prompt=True,
    )
    return password


def _month(text: str) -> date:
    try:
        if len(text) != len("2026-11"):
            raise ValueError
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        _fail(2, f"{text}: is not a month such as 2026-11")


def _read_json(file: Path) -> object:
    try:
        return json.loads(file.read_text("utf-8-sig"), parse_float=Decimal)
    except OSError as error:
        _fail(2, f"{file}: cannot be read: {error.strerror or error}")
    except (ValueError, RecursionError) as error:
        _fail(2, f"{file}: is not JSON: {error}")
