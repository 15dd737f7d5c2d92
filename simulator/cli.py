"""Command line of the station simulator."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn, override

from simulator.controller import Mode
from simulator.memory import (
    LAST_GIVEN_BOOT,
    MemoryUnusable,
    StationMemory,
    registers_of_boot_wh,
)
from simulator.physics.clouds import Scenario
from simulator.protocol.topics import check_prefix, check_station
from simulator.publisher import Broker, CredentialsRefused, Publisher
from simulator.runner import Runner
from simulator.schedule import SHORTEST_SESSION_S
from simulator.station import Station, StationConfig

PASSWORD_ENV = "SOLARRALLY_MQTT_PASSWORD"  # noqa: S105  # its name, not the password
DEFAULT_SESSION_S = 14_400.0
# An endless run at high speed starts a day back and catches up with the clock.
CATCH_UP = timedelta(days=1)
AHEAD_ALLOWED = timedelta(minutes=5)
EARLIEST, LATEST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC)
MAX_STATIONS = 100
MOST = 1e8
EXIT_OK, EXIT_UNDELIVERED, EXIT_USAGE = 0, 1, 2

EPILOG = f"""\
The sun is where the scenario needs it at any hour: timestamps are the clock's, and the site lies
on the equator at the longitude where it is noon (for night: midnight) in the middle of the
session. A session longer than eleven hours sees the dusk or the dawn.

Boot numbers and registers are kept in --state-dir, so that a restart repeats no (boot, seq) and no
register falls. With --boot nothing is kept: the same seed, start and boot give the same frames, and
each boot number (to {LAST_GIVEN_BOOT}) has registers of its own above those of the one before.

The broker's password is read from {PASSWORD_ENV} or from --password-file.

Exit status: 0 ended cleanly, 1 not everything could be delivered, 2 bad arguments, refused
credentials or an unusable --state-dir.
"""


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that complains in one line."""

    @override
    def error(self, message: str) -> NoReturn:
        """End with `message` and the exit status for bad arguments."""
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message}\n")


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value <= MOST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not above 0 and at most {MOST:g}"
        )
    return value


def _not_negative(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0 to {MOST:g}")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _rate(text: str) -> float:
    value = _number(text)
    if not 0.01 <= value <= 50:
        raise argparse.ArgumentTypeError(f"{text!r} is outside 0.01 to 50 Hz")
    return value


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_STATIONS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from 1 to {MAX_STATIONS}"
        )
    return int(text)


def _boot(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text) <= LAST_GIVEN_BOOT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from 0 to {LAST_GIVEN_BOOT}"
        )
    return int(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 time") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset; add Z for UTC")
    return moment


def _broker(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, "1883"
    host = host.removeprefix("[").removesuffix("]")
    if (
        not host
        or not port.isascii()
        or not port.isdigit()
        or not 1 <= int(port) <= 65535
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def build_parser() -> argparse.ArgumentParser:
    """The options, with what they mean."""
    parser = OneLineParser(
        prog="mock_publisher.py",
        description="Simulates SolarRally stations on an MQTT broker.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--stations",
        type=_count,
        default=1,
        metavar="N",
        help="station-1 to station-N (1)",
    )
    which.add_argument("--station", metavar="ID", help="one station of this name")
    parser.add_argument("--prefix", default="ev", help="topic prefix (ev)")
    parser.add_argument(
        "--broker",
        type=_broker,
        default=("127.0.0.1", 1883),
        metavar="HOST:PORT",
        help="MQTT broker (127.0.0.1:1883)",
    )
    parser.add_argument("--username", help="user at the broker")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="file with the password"
    )
    parser.add_argument(
        "--scenario",
        choices=[*Scenario],
        default=Scenario.SUNNY,
        help="the weather (sunny)",
    )
    parser.add_argument(
        "--mode", choices=[*Mode], default=Mode.AUTO, help="at the start (auto)"
    )
    parser.add_argument(
        "--rate",
        type=_rate,
        default=1.0,
        metavar="HZ",
        help="frames per second, charging (1)",
    )
    parser.add_argument(
        "--speed",
        type=_positive,
        default=1.0,
        metavar="X",
        help="simulated per real second (1)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of everything that is chance (1)"
    )
    parser.add_argument(
        "--start",
        type=_moment,
        metavar="TIME",
        help="simulated start, ISO 8601 with offset (now)",
    )
    parser.add_argument(
        "--duration",
        type=_positive,
        metavar="S",
        help="simulated seconds to the end (endless)",
    )
    parser.add_argument(
        "--plug-in-after",
        type=_not_negative,
        default=10.0,
        metavar="S",
        help="first vehicle (10)",
    )
    parser.add_argument(
        "--session-length",
        type=_positive,
        metavar="S",
        help="from plug-in to unplug (the rest of --duration, at most 4 h)",
    )
    parser.add_argument(
        "--fault-after",
        type=_not_negative,
        metavar="S",
        help="residual-current fault, latched, so long after the first plug-in",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="only the smallest frames, on PREFIX/telemetry",
    )
    memory = parser.add_mutually_exclusive_group()
    memory.add_argument(
        "--boot", type=_boot, metavar="N", help="boot number; keeps nothing"
    )
    memory.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="where boot numbers and registers are kept (in the user's state directory)",
    )
    return parser


def default_state_dir() -> Path:
    """The user's state directory (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "solarrally-simulator"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulator with `arguments` (default: the command line's); the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    # What the connection goes through is told by the publisher, in words.
    logging.getLogger("mqtt").setLevel(logging.CRITICAL)
    try:
        names = _names(options)
        check_prefix(options.prefix)
        host, port = options.broker
        broker = Broker(host, port, options.username, read_password(options))
        start = choose_start(options, datetime.now(UTC))
        _check_times(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        delivered = asyncio.run(_run(options, names, broker, start))
    except MemoryUnusable as error:
        return _fail(str(error))
    except BaseExceptionGroup as group:
        known = group.subgroup((CredentialsRefused, MemoryUnusable))
        if known is None:
            raise
        return _fail(str(known.exceptions[0]))
    return EXIT_OK if delivered else EXIT_UNDELIVERED


def _fail(message: str) -> int:
    logging.getLogger(__name__).error("error: %s", message)
    return EXIT_USAGE


def _names(options: argparse.Namespace) -> list[str]:
    if options.station is not None:
        return [check_station(options.station)]
    if options.plain and options.stations > 1:
        raise ValueError("--plain is one station: its frames do not say whose they are")
    return [f"station-{number}" for number in range(1, options.stations + 1)]


def read_password(options: argparse.Namespace) -> str | None:
    """The broker's password, from the file or the environment. Raises ValueError."""
    if options.password_file is None:
        password = os.environ.get(PASSWORD_ENV)
    else:
        try:
            password = options.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"--password-file: {error}") from None
    if password is not None and options.username is None:
        raise ValueError("a password needs --username")
    return password


def choose_start(options: argparse.Namespace, now: datetime) -> datetime:
    """The simulated start: as given, or such that no timestamp runs ahead of the clock.

    Raises ValueError when receivers would reject frames of that time.
    """
    start: datetime
    if options.start is not None:
        start = options.start
        if start - now > AHEAD_ALLOWED:
            logging.getLogger(__name__).warning(
                "--start is more than five minutes ahead of the clock: receivers reject such frames"
            )
    elif options.speed <= 1:
        start = now
    else:
        back = (
            CATCH_UP
            if options.duration is None
            else timedelta(seconds=options.duration)
        )
        start = now - back
    if not EARLIEST <= start <= LATEST:
        raise ValueError(
            f"the simulated start, {start:%Y-%m-%d}, is not from 2020 to 2099"
        )
    return start


def _check_times(options: argparse.Namespace) -> None:
    """Settle the session's length. Raises ValueError when the times do not fit together."""
    if options.session_length is None:
        options.session_length = DEFAULT_SESSION_S
    elif options.session_length < SHORTEST_SESSION_S:
        raise ValueError(f"--session-length is below {SHORTEST_SESSION_S:g} seconds")
    elif options.duration is not None and (
        options.plug_in_after + options.session_length >= options.duration
    ):
        raise ValueError(
            "--plug-in-after and --session-length do not fit into --duration"
        )


async def _run(
    options: argparse.Namespace, names: Sequence[str], broker: Broker, start: datetime
) -> bool:
    publishers: list[Publisher] = []
    memories: list[StationMemory | None] = []
    for name in names:
        memory = _memory(options, name)
        memories.append(memory)
        station = Station(_config(options, name, start, memory))
        publishers.append(
            Publisher(station, broker, options.prefix, plain=options.plain)
        )
    runner = Runner(publishers, memories, start, options.speed)
    _stop_on_signals(runner)
    log = logging.getLogger(__name__)
    log.info(
        "simulating %s on %s under %s/, %s, from %s at speed %g",
        ", ".join(names),
        broker,
        options.prefix,
        options.scenario,
        start.astimezone(UTC).isoformat(timespec="seconds"),
        options.speed,
    )
    delivered = await runner.run()
    for publisher in publishers:
        log.info(
            "%s: boot %d, %d sessions, %d frames",
            publisher.name,
            publisher.station.boot,
            publisher.station.sessions,
            publisher.frames,
        )
    return delivered


def _memory(options: argparse.Namespace, name: str) -> StationMemory | None:
    """None when nothing is to be remembered: smallest frames carry neither boot nor register."""
    if options.plain or options.boot is not None:
        return None
    folder = options.state_dir or default_state_dir()
    return StationMemory(folder, options.prefix, name, options.seed)


def _config(
    options: argparse.Namespace,
    name: str,
    start: datetime,
    memory: StationMemory | None,
) -> StationConfig:
    if memory is not None:
        boot, solar_wh, grid_wh = memory.boot, memory.solar_wh, memory.grid_wh
    else:
        boot = 1 if options.boot is None else options.boot
        solar_wh, grid_wh = registers_of_boot_wh(options.seed, name, boot)
    return StationConfig(
        station=name,
        start=start,
        seed=options.seed,
        scenario=Scenario(options.scenario),
        mode=Mode(options.mode),
        rate_hz=options.rate,
        plug_in_after_s=options.plug_in_after,
        session_length_s=options.session_length,
        duration_s=options.duration,
        fault_after_s=options.fault_after,
        boot=boot,
        solar_register_wh=solar_wh,
        grid_register_wh=grid_wh,
    )


def _stop_on_signals(runner: Runner) -> None:
    """The first signal ends cleanly, a second one at once."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if runner.stopping:
            # Without a farewell, so that the broker publishes the last will.
            os._exit(EXIT_UNDELIVERED)
        runner.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
