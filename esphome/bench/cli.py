"""Run the twin on the bench for a person to watch."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from bench import twin
from bench.bench import Bench
from bench.scenarios import SCENARIOS


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/twin",
        description="Build the station's firmware as a program and run it on a simulated bench.",
        epilog="Scenarios: "
        + "; ".join(
            f"{name}: {(run.__doc__ or '').strip()}" for name, run in SCENARIOS.items()
        ),
    )
    parser.add_argument("--scenario", choices=SCENARIOS, default="sunny")
    parser.add_argument(
        "--broker",
        default="127.0.0.1:1883",
        metavar="HOST:PORT",
        help="on this machine",
    )
    parser.add_argument(
        "--mode", choices=("off", "solar", "grid", "auto"), default="auto"
    )
    parser.add_argument("--station", default="twin")
    parser.add_argument("--prefix", default="ev")
    parser.add_argument(
        "--home",
        type=Path,
        default=twin.ROOT / ".cache" / "twin-home",
        help="its flash and its card",
    )
    options = parser.parse_args(arguments)
    host, _, port = options.broker.rpartition(":")
    if (
        host not in ("127.0.0.1", "localhost")
        or not port.isdecimal()
        or not 0 < int(port) < 65536
    ):
        parser.error(
            f"--broker {options.broker} is not 127.0.0.1:PORT; the twin speaks to this machine only"
        )
    options.port = int(port)
    return options


def say(text: str) -> None:
    """Tell the person who watches, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def watch(bench: Bench) -> None:
    """Say what moves, and once in five seconds what flows."""
    said = 0
    while True:
        for _ in range(50):
            await asyncio.sleep(0.1)
            for change in bench.history[said:]:
                say(
                    f"  {change.source} {change.what} {'closed' if change.closed else 'open'}",
                )
            said = len(bench.history)
        say(
            f"{bench.closed():5}  {bench.car.current_a:4.1f} A  sun {bench.sun_w:5.0f} W  "
            f"delivered {bench.delivered_wh:8.1f} Wh",
        )


async def run(options: argparse.Namespace) -> int:
    """Run until Ctrl-C, or until the twin ends by itself."""
    say("building the twin")
    program = await asyncio.to_thread(twin.build)
    card = options.home / "card"
    card.mkdir(parents=True, exist_ok=True)
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    async with Bench() as bench:
        station = twin.Twin(
            program,
            options.home,
            {
                **bench.environment,
                "SOLARRALLY_BROKER_PORT": str(options.port),
                "SOLARRALLY_MODE": options.mode,
                "SOLARRALLY_STATION": options.station,
                "SOLARRALLY_TOPIC_PREFIX": options.prefix,
                "SOLARRALLY_CARD": str(card),
            },
        )
        async with station:
            say(
                f"native API on 127.0.0.1:{station.api_port}, log in {options.home / 'twin.log'}; Ctrl-C ends it"
            )
            tasks = [
                asyncio.create_task(SCENARIOS[options.scenario](bench)),
                asyncio.create_task(watch(bench)),
                asyncio.create_task(ended.wait()),
                asyncio.create_task(station.process.wait()),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            return 0 if ended.is_set() else 1


def main() -> int:
    """Entry point of scripts/twin."""
    options = parse(sys.argv[1:])
    try:
        return asyncio.run(run(options))
    except twin.BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
