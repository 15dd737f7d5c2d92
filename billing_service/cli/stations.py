"""Commands about stations."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from billing_service import app as service
from billing_service.adapters.db import migrate
from billing_service.adapters.mqtt.access import LISTENER_FILE, write_access
from billing_service.adapters.wire import is_station_id
from billing_service.api.schemas.stations import LogReportOut
from billing_service.cli.console import fail, run, settings
from billing_service.services.audit import Console
from billing_service.services.ports import Role, StationAccess, Viewer
from billing_service.services.stations import Stations
from billing_service.services.uploads import Lines, LogReport
from billing_service.settings import Settings

_NAME = re.compile(r"(?P<station>[a-z0-9_-]{1,32})-\d{8}-\d+\.log(\.gz)?")
SHELL = Viewer("console", Role.ADMIN)
"""Who has a shell on the machine sees everything."""

_CHUNK = 64 * 1024


stations = typer.Typer(help="Charging stations.", no_args_is_help=True)


@stations.command("add")
def station_add(
    station_id: Annotated[str, typer.Argument(help="Its id on MQTT.")],
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA time zone.")] = None,
) -> None:
    """Make a station known before it has spoken."""
    if not is_station_id(station_id):
        fail(2, f"{station_id}: an id has 1 to 32 of a-z, 0-9, _ and -")

    async def work() -> None:
        async with _stations() as (service_, _):
            made = await service_.register(
                Console(), station_id, name=name, time_zone=time_zone
            )
        typer.echo(f"Registered {made.id}.")

    run(work())


@stations.command("list")
def station_list() -> None:
    """List the stations, those that wait to be accepted too."""

    async def work() -> None:
        async with _stations() as (service_, _):
            for station in await service_.visible(SHELL):
                typer.echo(f"{station.id}  {station.name}")
            for station in await service_.pending(SHELL):
                typer.echo(
                    f"{station.id}  waits to be accepted, first heard"
                    f" {station.first_seen_at:%Y-%m-%d %H:%M} UTC"
                )

    run(work())


@stations.command("accept")
def station_accept(
    station_id: Annotated[str, typer.Argument(help="Its id on MQTT.")],
) -> None:
    """Let a station be used that was heard and kept apart; what it sent becomes sessions."""

    async def work() -> None:
        async with _stations() as (service_, _):
            await service_.accept(Console(), station_id)
        typer.echo(f"Accepted {station_id}.")

    run(work())


@stations.command("access")
def station_access(
    station_id: Annotated[str, typer.Argument(help="Its id on MQTT.")],
    user: Annotated[
        list[str] | None,
        typer.Option(help="Who may use it, by the name to sign in with; repeatable."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="A group of users who may use it; repeatable."),
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--everyone", help="Whoever may sign in may use it.")
    ] = False,
    nobody: Annotated[
        bool, typer.Option("--nobody", help="Only admins, and whose it is.")
    ] = False,
) -> None:
    """Say who may use a station; replaces what was said before. Without options, show it."""
    given = [bool(user or group), everyone, nobody].count(True)
    if given > 1:
        fail(2, "--everyone, --nobody, and --user or --group exclude each other")

    async def work() -> None:
        async with _stations() as (service_, configured):
            people = await _names(configured)
            if given:
                unknown = [name for name in user or () if name not in people.values()]
                if unknown:
                    fail(1, *(f"there is no user {name}" for name in unknown))
                ids = {name: user_id for user_id, name in people.items()}
                await service_.set_access(
                    Console(),
                    station_id,
                    StationAccess(
                        everyone=everyone,
                        users=tuple(ids[name] for name in user or ()),
                        groups=tuple(group or ()),
                    ),
                )
            station, access = await service_.access(station_id)
        if station.user_id is not None:
            typer.echo(f"user {people[station.user_id]}, whose it is")
        elif access.everyone:
            typer.echo("everyone")
        for each in access.users:
            typer.echo(f"user {people[each]}")
        for each in access.groups:
            typer.echo(f"group {each}")

    run(work())


def mqtt_access(
    folder: Annotated[
        Path, typer.Argument(help="Where Mosquitto reads its files from.")
    ],
    renew: Annotated[
        list[str] | None,
        typer.Option(help="A user to give a new password; repeatable."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Credentials as JSON.")
    ] = False,
) -> None:
    """Write Mosquitto's files: a station may speak for itself alone.

    Every accepted station has a user of its own, and so have the service and Home Assistant.
    Passwords that are new are printed, once. Give Mosquitto FOLDER/listeners.conf: two listeners,
    for stations and for services, that use the passwords and the ACL beside it. It is written
    once, for you to change. Mosquitto reads passwords and ACL again on SIGHUP.
    """

    async def work() -> None:
        async with _stations() as (service_, configured):
            ids = [station.id for station in await service_.visible(SHELL)]
        made = write_access(
            folder, configured.mqtt_topic_prefix, ids, renew=renew or ()
        )
        if as_json:
            shown = {each.username: each.password for each in made}
            typer.echo(json.dumps(shown, indent=2))
            return
        for each in made:
            typer.echo(f"{each.username}  {each.password}")
        typer.echo(
            f"Wrote passwords and ACL for {folder / LISTENER_FILE}:"
            f" {len(ids)} stations, {len(made)} new passwords.",
            err=True,
        )

    run(work())


def upload(
    files: Annotated[
        list[Path], typer.Argument(help="Log files from the SD card, plain or gzip.")
    ],
    station: Annotated[
        str | None,
        typer.Option(help="Whose they are, when their names do not say it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Store what a station logged while it was offline (docs/protocol/offline-log.md).

    The same file may be given again: known frames are only counted. Exits 1 when a file could not
    be read to its end or has lines that cannot be used; what is sound is stored all the same.
    """
    whose = {file: station or _station_of(file) for file in files}
    configured = settings()
    reports: dict[str, LogReport] = {}

    async def work() -> None:
        async with service.open_database(configured, service.utc_now) as database:
            await migrate(database.engine, timescaledb=configured.timescaledb)
            uploads = service.uploads(configured, service.utc_now, database)
            for file, station_id in whose.items():
                with file.open("rb") as content:
                    reports[str(file)] = await uploads.store(
                        Console(), station_id, _chunks(content)
                    )

    run(work())
    if as_json:
        shown = {
            name: LogReportOut.model_validate(report).model_dump(mode="json")
            for name, report in reports.items()
        }
        typer.echo(json.dumps(shown, indent=2))
    else:
        for name, report in reports.items():
            _tell(name, report)
    if any(report.refused or report.bad for report in reports.values()):
        raise typer.Exit(1)


@asynccontextmanager
async def _stations() -> AsyncIterator[tuple[Stations, Settings]]:
    configured = settings()
    async with service.open_database(configured, service.utc_now) as database:
        await migrate(database.engine, timescaledb=configured.timescaledb)
        yield (
            Stations(
                database.write,
                database.read,
                service.utc_now,
                time_zone=configured.time_zone,
            ),
            configured,
        )


async def _names(configured: Settings) -> dict[str, str]:
    """Return the users' names by id."""
    async with (
        service.open_database(configured, service.utc_now) as database,
        database.read() as read,
    ):
        return {user.id: user.name for user in await read.users.all()}


def _tell(name: str, report: LogReport) -> None:
    typer.echo(
        f"{name}: {report.accepted.count} accepted, {report.duplicate.count} duplicate,"
        f" {report.corrupt.count} corrupt, {report.foreign.count} foreign,"
        f" {report.rejected.count} rejected"
        + (", torn at its end" if report.torn else "")
    )
    for what, lines in (
        ("corrupt", report.corrupt),
        ("foreign", report.foreign),
        ("rejected", report.rejected),
    ):
        if lines.count:
            typer.echo(f"{name}: {what}: {_numbers(lines)}: {lines.example}", err=True)
    if report.error is not None:
        typer.echo(f"error: {name}: {report.error}", err=True)


def _numbers(lines: Lines) -> str:
    """Return line numbers in short: ``lines 2-4, 7``."""
    shown = [
        f"{first}" if first == last else f"{first}-{last}"
        for first, last in lines.ranges[:20]
    ]
    more = ", …" if len(lines.ranges) > len(shown) else ""
    return f"line{'' if lines.count == 1 else 's'} {', '.join(shown)}{more}"


def _station_of(file: Path) -> str:
    named = _NAME.fullmatch(file.name)
    if named is None:
        fail(
            2,
            f"{file}: is not named STATION-YYYYMMDD-N.log: say whose it is with --station",
        )
    return named["station"]


async def _chunks(content: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(content.read, _CHUNK):
        yield chunk
