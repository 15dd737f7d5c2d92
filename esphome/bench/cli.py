"""Run the twin on the bench for a person to watch."""

import argparse
import asyncio
import contextlib
import math
import os
import re
import signal
import ssl
import sys
from datetime import datetime
from pathlib import Path

import aiomqtt

from bench import twin
from bench.bench import STEP_S, Bench
from bench.scenarios import SCENARIOS, visit
from bench.virtual_time import VirtualTime


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
        type=address,
        default="127.0.0.1",
        metavar="HOST[:PORT]",
        help="port 1883, or 8883 with --ca, unless it is given; an IPv6 address stands in brackets",
    )
    parser.add_argument(
        "--mode", choices=("off", "solar", "grid", "auto"), default="auto"
    )
    parser.add_argument("--station", type=station_name, default="twin")
    parser.add_argument("--prefix", type=topic_prefix, default="ev")
    parser.add_argument(
        "--home",
        type=Path,
        default=twin.ROOT / ".cache" / "twin-home",
        help="its flash and its card",
    )
    parser.add_argument(
        "--username",
        help="at the broker; the password is in SOLARRALLY_MQTT_PASSWORD",
    )
    parser.add_argument(
        "--ca",
        type=certificate,
        metavar="FILE",
        help="speak TLS with a broker that this certificate authority (PEM) vouches for",
    )
    past = parser.add_argument_group(
        "a session in the past", "faster than real time, until it has caught up"
    )
    past.add_argument(
        "--start", type=moment, help="when the twin was switched on: a time with offset"
    )
    past.add_argument("--speed", type=float, default=20.0, help="up to 40")
    past.add_argument("--plug-in-after", type=seconds, default=5.0, metavar="SECONDS")
    past.add_argument(
        "--session-length",
        type=seconds,
        metavar="SECONDS",
        help="one car that leaves after this, in place of a scenario",
    )
    parser.add_argument("--build", action="store_true", help="build it and end")
    options = parser.parse_args(arguments)
    if not 1 <= options.speed <= 40:
        parser.error(f"--speed {options.speed:g} is not between 1 and 40")
    options.host, options.port = options.broker
    if options.port is None:
        options.port = 1883 if options.ca is None else 8883
    return options


def station_name(text: str) -> str:
    """Read the name of a station in topics, as the firmware's YAML takes it."""
    if re.fullmatch(r"[a-z0-9_-]{1,32}", text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not 1 to 32 of a-z, 0-9, _ and -"
        )
    return text


def topic_prefix(text: str) -> str:
    """Read the first levels of topics, as the firmware's YAML takes them."""
    if re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not levels of A-Z, a-z, 0-9, _ and -, divided by /"
        )
    return text


def seconds(text: str) -> float:
    """Read a time in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time in seconds")
    return value


def address(text: str) -> tuple[str, int | None]:
    """Read ``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT`` from the command line; the port is None when none is given."""
    found = re.fullmatch(
        r"(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^\s:\[\]/@]+))(?::(\d{1,5}))?", text
    )
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HOST or HOST:PORT (an IPv6 address stands in brackets)"
        )
    port = None if found[3] is None else int(found[3])
    if port is not None and not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"port {port} is not between 1 and 65535")
    return found[1] or found[2], port


def certificate(text: str) -> str:
    """Read a certificate authority's file, as PEM."""
    try:
        pem = Path(text).read_text(encoding="ascii")
        ssl.create_default_context(cadata=pem)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f"{text} is no certificate in PEM: {error}"
        ) from None
    return pem


class BrokerError(Exception):
    """The broker does not take the station; the message says why."""


class HomeError(Exception):
    """The folder of the twin's flash and card cannot be made; the message says why."""


async def reach(options: argparse.Namespace, password: str | None) -> None:
    """Speak to the broker once, as the station will, so that a person hears at once what is wrong.

    Raises:
        BrokerError: it cannot be reached, is not vouched for, or refuses the user.
    """
    tls = None
    if options.ca is not None:
        tls = ssl.create_default_context(cadata=options.ca)
        # The station's own client takes authorities that were made at home without all extensions, too.
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        # An MQTT client that fails here leaves its socket to the garbage collector.
        async with asyncio.timeout(10):
            _, writer = await asyncio.open_connection(
                options.host, options.port, ssl=tls
            )
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        async with aiomqtt.Client(
            options.host,
            options.port,
            username=options.username,
            password=password,
            tls_context=tls,
            timeout=10,
        ):
            pass
    except (aiomqtt.MqttError, OSError) as error:
        why = "no answer" if isinstance(error, TimeoutError) else error
        raise BrokerError(
            f"no broker for the twin at {options.host}, port {options.port}: {why}"
        ) from None


def moment(text: str) -> datetime:
    """Read a time with its offset from the command line."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time") from None
    if value.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no offset from UTC")
    return value


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


async def story(options: argparse.Namespace, bench: Bench) -> None:
    """Play what was asked for: a scenario, or the visit of one car."""
    if options.session_length is None:
        await SCENARIOS[options.scenario](bench)
    else:
        await visit(bench, options.plug_in_after, options.session_length)


async def run(options: argparse.Namespace) -> int:
    """Run until Ctrl-C, or until the twin ends by itself."""
    password = None
    if options.username is not None:
        password = os.environ.get("SOLARRALLY_MQTT_PASSWORD", "")
    card = options.home / "card"
    if not options.build:
        try:
            card.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(f"--home {options.home} cannot be used: {error}") from None
        await reach(options, password)
    say("building the twin")
    program = await asyncio.to_thread(twin.build)
    if options.build:
        return 0
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    time = None
    if options.start is not None:
        time = VirtualTime(options.home / "time", options.start, options.speed)
    async with Bench(
        virtual_time=time, step_s=STEP_S if time is None else 2 * STEP_S
    ) as bench:
        broker = {
            "SOLARRALLY_BROKER_HOST": options.host,
            "SOLARRALLY_BROKER_PORT": str(options.port),
        }
        if password is not None:
            broker["SOLARRALLY_BROKER_USERNAME"] = options.username
            broker["SOLARRALLY_BROKER_PASSWORD"] = password
        if options.ca is not None:
            broker["SOLARRALLY_BROKER_CA"] = options.ca
        station = twin.Twin(
            program,
            options.home,
            {
                **bench.environment,
                **broker,
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
                asyncio.create_task(story(options, bench)),
                asyncio.create_task(watch(bench)),
                asyncio.create_task(ended.wait()),
                asyncio.create_task(station.process.wait()),
            ]
            catching_up = [] if time is None else [asyncio.create_task(time.keep_up())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in [*tasks, *catching_up]:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            return 0 if ended.is_set() else 1


def main() -> int:
    """Entry point of scripts/twin."""
    options = parse(sys.argv[1:])
    try:
        return asyncio.run(run(options))
    except (BrokerError, HomeError, twin.BuildError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
