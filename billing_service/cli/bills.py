"""Commands about bills."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from billing_service import app as service
from billing_service.adapters.db import migrate
from billing_service.adapters.passwords import Argon2Passwords
from billing_service.adapters.pdf import PdfBillRenderer, evidence_in
from billing_service.cli.console import fail, run, settings
from billing_service.services.audit import Console
from billing_service.services.months import Months, last_month
from billing_service.services.users import Users
from billing_service.services.verifying import Verifying

bills = typer.Typer(help="Bills.", no_args_is_help=True)


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
    configured = settings()
    first = None if month is None else _month(month)

    async def work() -> None:
        async with service.open_database(configured, service.utc_now) as database:
            await migrate(database.engine, timescaledb=configured.timescaledb)
            issuer = service.issuer_of(configured, database, service.utc_now)
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
            fail(
                1,
                *(
                    f"session {each.session.id}: {each.error.message}"
                    for each in issued.skipped
                ),
            )

    run(work())


def verify(
    file: Annotated[Path, typer.Argument(help="A bill or credit note as PDF.")],
) -> None:
    """Say what is proven of a bill by its PDF, and what is not.

    A file that an earlier version of the service gave out is known by its SHA-256. Exits 1 when anything is not as it was, 2 when the file is no bill.
    """
    configured = settings()
    try:
        document = file.read_bytes()
    except OSError as error:
        fail(2, f"{file}: cannot be read: {error.strerror or error}")
    sha256 = evidence_in(document) if document.startswith(b"%PDF-") else None
    if sha256 is None:
        fail(2, f"{file}: is not a bill: it is no PDF that carries a hash of evidence")

    async def work() -> None:
        async with service.open_database(configured, service.utc_now) as database:
            await migrate(database.engine, timescaledb=configured.timescaledb)
            verdict = await Verifying(
                database.read, PdfBillRenderer(configured.locale)
            ).check_document(sha256, document)
        typer.echo(
            f"{verdict.number} of {verdict.issued_on}: {verdict.total} {verdict.currency}"
        )
        if verdict.credited_by is not None:
            typer.echo(f"It was taken back by {verdict.credited_by}.")
        for check in verdict.checks:
            typer.echo(f"{check.outcome.replace('_', ' '):>10}  {check.sentence}")
        if verdict.failed:
            fail(1, f"{file}: not everything is as it was")

    run(work())


def _month(text: str) -> date:
    try:
        if len(text) != len("2026-11"):
            raise ValueError
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        fail(2, f"{text}: is not a month such as 2026-11")
