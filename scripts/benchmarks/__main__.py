"""`scripts/bench`: the command line."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, Literal

import typer

from scripts.benchmarks import ingest as ingest_
from scripts.benchmarks import live as live_
from scripts.benchmarks import pdf as pdf_
from scripts.benchmarks import rating as rating_
from scripts.benchmarks.report import Report, write_docs, write_json

app = typer.Typer(
    help="Measure the service on this machine, beside the limits of what it stands on.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[Path | None, typer.Option("--json", help="Write all figures there.")]
Docs = Annotated[
    bool, typer.Option("--docs", help="Write the table into docs/benchmarks.md.")
]
Runs = Annotated[int, typer.Option(min=1, max=20, help="Runs; the median counts.")]

Kind = Annotated[Literal["sqlite", "timescaledb"], typer.Option(help="Database.")]


@app.command()
def ingest(
    runs: Runs = 3,
    frames: Annotated[int, typer.Option(min=1000, max=90_000)] = ingest_.FRAMES,
    json: Json = None,
    docs: Docs = False,
) -> None:
    """Frames a second from Mosquitto to committed rows."""
    _report([ingest_.measure(runs, frames)], json, docs=docs)


@app.command()
def rating(runs: Runs = 5, json: Json = None, docs: Docs = False) -> None:
    """A day at one frame a second, from stored frames to the CDR."""
    _report([rating_.measure(runs)], json, docs=docs)


@app.command()
def pdf(runs: Runs = 5, json: Json = None, docs: Docs = False) -> None:
    """PDF bills a second."""

    async def work() -> Report:
        return await asyncio.to_thread(pdf_.measure, runs)

    _report([work()], json, docs=docs)


@app.command()
def live(
    kind: Kind = "sqlite",
    frames: Annotated[int, typer.Option(min=10, max=2000)] = 60,
    json: Json = None,
    docs: Docs = False,
) -> None:
    """From publish to 200 WebSockets."""
    _report([live_.measure(kind, frames)], json, docs=docs)


@app.command()
def memory(
    kind: Kind = "sqlite",
    minutes: Annotated[float, typer.Option(min=0.1, max=600)] = 10,
    json: Json = None,
    docs: Docs = False,
) -> None:
    """Memory of the service over some minutes at 500 frames a second."""
    _report([live_.measure_memory(kind, minutes)], json, docs=docs)


def _report(
    measured: list[Awaitable[Report]], json: Path | None, *, docs: bool
) -> None:
    async def work() -> list[Report]:
        return [await each for each in measured]

    reports = asyncio.run(work())
    for report in reports:
        typer.echo(f"\n{report.how}\n\n{report.table()}")
    if json is not None:
        write_json(reports, json)
    if docs:
        write_docs(reports)


if __name__ == "__main__":
    app()
