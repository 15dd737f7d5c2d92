"""Commands about people who sign in."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from billing_service import app as service
from billing_service.adapters.db import migrate
from billing_service.adapters.passwords import Argon2Passwords
from billing_service.cli.console import fail, run, settings
from billing_service.services.audit import Console
from billing_service.services.ports import Role
from billing_service.services.users import MIN_PASSWORD_CHARS, Users

users = typer.Typer(help="People who sign in.", no_args_is_help=True)

PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input."),
]


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

    run(work())


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

    run(work())


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

    run(work())


@asynccontextmanager
async def _users() -> AsyncIterator[Users]:
    configured = settings()
    async with service.open_database(configured, service.utc_now) as database:
        await migrate(database.engine, timescaledb=configured.timescaledb)
        yield Users(database.write, database.read, service.utc_now, Argon2Passwords())


def _new_password(*, password_stdin: bool) -> str:
    if password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        fail(2, "there is no terminal to ask for the password: use --password-stdin")
    password: str = typer.prompt(
        f"Password (at least {MIN_PASSWORD_CHARS} characters)",
        hide_input=True,
        confirmation_prompt=True,
    )
    return password
