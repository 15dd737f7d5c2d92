"""`scripts/demo`: the main job, a charging session that becomes a bill and shows in Home Assistant."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import ClientError

from scripts.rig.place import Place, place_of_midday
from scripts.rig.process import RigError
from scripts.rig.results import FILES, Results, bill_the_session
from scripts.rig.site import Site

DEFAULT_OUT = Path(__file__).resolve().parents[2] / ".demo"


@dataclass(frozen=True, slots=True)
class Pace:
    """How a session is simulated: how long it is, and how fast, in how many frames, and how often that is told."""

    session: timedelta
    speed: float
    rate_hz: float
    tell_every_s: float
    twin: bool = False

    @property
    def place(self) -> Place:
        """Where it was midday in the middle of a session that ends now."""
        return place_of_midday(datetime.now(UTC) - self.session / 2)

    @property
    def real_s(self) -> float:
        """How long the session takes in real seconds."""
        return self.session.total_seconds() / self.speed


# A station sends a frame each second; one in ten of them tells the same story in less time.
AT_ONCE = Pace(timedelta(hours=4), speed=600, rate_hz=0.1, tell_every_s=5)
WATCHED = Pace(timedelta(hours=4), speed=60, rate_hz=0.2, tell_every_s=30)
# The firmware itself steps fifty times a second, so it cannot run as fast as the simulator.
TWIN = Pace(timedelta(minutes=20), speed=20, rate_hz=1, tell_every_s=10, twin=True)
# What is told in a sentence; anything else is a fault of this program.
_FAILURES = (RigError, OSError, ClientError)
# What the session may take longer than planned, on a busy machine.
_SLACK_S = 90.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit status: 0 when all of it worked, else 1."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        allow_abbrev=False,
        description="Run a whole SolarRally site on this machine: Mosquitto, the billing service, "
        "a simulated station and a real Home Assistant. Ctrl-C ends it.",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="run one charging session at high speed, from plug-in to the issued bill, and end",
    )
    parser.add_argument(
        "--twin",
        action="store_true",
        help="run the station's own firmware on a bench in place of the simulator",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_OUT,
        metavar="DIR",
        help="where the results and, in site/, the programs' files and logs go (.demo)",
    )
    options = parser.parse_args(arguments)
    return asyncio.run(
        _guarded(options.out.absolute(), once=options.once, twin=options.twin)
    )


async def _guarded(out: Path, *, once: bool, twin: bool) -> int:
    """Run until the end or a signal, and end all programs in either case."""
    task = asyncio.current_task()
    assert task is not None
    stopped = False

    def on_signal() -> None:
        # Once is enough: what is being ended is not disturbed by a second one.
        nonlocal stopped
        if not stopped:
            stopped = True
            task.cancel()
            _say("\nEnding …")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    try:
        if once:
            await _once(out, TWIN if twin else AT_ONCE)
        else:
            await _interactive(out, TWIN if twin else WATCHED)
    except asyncio.CancelledError:
        if not stopped:
            raise
        _say("Everything has ended.")
        return 1 if once else 0
    except (*_FAILURES, ExceptionGroup) as error:
        for reason in _reasons(error):
            _say(f"\nfailed: {reason}")
        if (logs := out / "site" / "logs").is_dir():
            _say(f"The programs' logs are in {logs}")
        return 1
    return 0


def _site(out: Path, pace: Pace) -> Site:
    return Site(
        out / "site",
        out / "frames.jsonl",
        pace.place,
        _say,
        stale=[out / name for name in FILES],
    )


async def _once(out: Path, pace: Pace) -> None:
    async with _site(out, pace) as site:
        results = await _charge(site, out, pace)
        _say(f"\n{results}\n")
        site.progress("Ending …")
    _say(f"Done. The results are in {out}")


async def _interactive(out: Path, pace: Pace) -> None:
    async with _site(out, pace) as site:
        results = await _charge(site, out, pace, directions=True)
        _say(f"\n{results}\n\nThe bill as a document: {out / 'bill.pdf'}")
        _say("Everything goes on until Ctrl-C.")
        await site.watch()


async def _charge(
    site: Site, out: Path, pace: Pace, *, directions: bool = False
) -> Results:
    """Have one session charged and billed."""
    if pace.twin:
        await site.charge_twin(session=pace.session, speed=pace.speed)
    else:
        await site.charge(session=pace.session, speed=pace.speed, rate_hz=pace.rate_hz)
    if directions:
        _say(await _directions(site, pace))
    return await bill_the_session(
        site,
        out,
        charged_within_s=pace.real_s + _SLACK_S,
        tell_every_s=pace.tell_every_s,
    )


async def _directions(site: Site, pace: Pace) -> str:
    """Return where to look and how to sign in."""
    hass, billing = site.homeassistant, site.billing
    async with hass.connect() as connection:
        devices = await connection.devices()
    pages = "".join(
        f"\n    {it['name']:<14} {hass.url}/config/devices/device/{it['id']}"
        for it in devices
    )
    return f"""
SolarRally is running.

  Home Assistant   {hass.url}
    sign in as     {hass.owner.username}
    password       {hass.owner.password}{pages}

  Billing service  {billing.url}
    administrator  {billing.admin.username}
    password       {billing.admin.password}
    driver         {billing.driver.username}
    password       {billing.driver.password}

  MQTT             mqtt://127.0.0.1:{site.broker.port}, topics below {site.broker.prefix}/
    listen as      recorder
    password       {site.broker.logins["recorder"].password}

A vehicle charges for {pace.real_s / 60:.0f} minutes at {pace.speed:.0f} times real speed, then is billed.
Ctrl-C ends all of it.
"""


def _reasons(error: Exception) -> list[str]:
    """Return what went wrong, a sentence each. Raises what is a fault of this program."""
    if isinstance(error, ExceptionGroup):
        return [reason for it in error.exceptions for reason in _reasons(it)]
    if not isinstance(error, _FAILURES):
        raise error
    return [str(error)]


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Whoever read this has gone; the site goes on, and can still be ended.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
