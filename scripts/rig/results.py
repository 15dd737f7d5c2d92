"""One charging session from plug-in to the issued bill, and what is kept of it."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from scripts.rig.billing import BillingClient
from scripts.rig.homeassistant import DOMAIN, Connection
from scripts.rig.process import RigError
from scripts.rig.site import Site

SESSION, BILL, DOCUMENT, STATES = FILES = (
    "session.json",
    "bill.json",
    "bill.pdf",
    "home-assistant.json",
)

# Real time that is allowed for each step after the session.
_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Results:
    """What one session left. ``session`` and ``bill`` hold their numbers as strings."""

    session: dict[str, Any]
    bill: dict[str, Any]
    homeassistant: dict[str, Any]

    def state(self, key: str) -> str | None:
        """Return the state of the SolarRally entity whose unique id ends in `key`."""
        for entity in self.homeassistant["entities"]:
            if entity["unique_id"].rpartition("/")[2] == key:
                return str(entity["state"]) if entity["state"] is not None else None
        return None

    def __str__(self) -> str:
        """Return what came out, for a person."""
        (billed,) = self.bill["sessions"]
        currency = self.bill["currency"]
        rows = [
            (
                "Session",
                f"{_time(billed['started_at'])} to {_time(billed['ended_at'])}",
            ),
            ("Energy", f"{_kwh(self.session['energy_wh'])} kWh"),
            ("  from the sun", f"{_kwh(billed['solar_wh'])} kWh"),
            ("  from the grid", f"{_kwh(billed['grid_wh'])} kWh"),
            ("Bill", f"{self.bill['number']} of {self.bill['issued_on']}"),
            *(
                (f"  {it['description']}", f"{it['amount']} {currency}")
                for it in billed["lines"]
            ),
            ("  without VAT", f"{self.bill['net']} {currency}"),
            ("  VAT", f"{self.bill['vat']} {currency}"),
            ("  total", f"{self.bill['total']} {currency}"),
            ("Home Assistant", f"{len(self.homeassistant['entities'])} entities"),
            ("  session energy", f"{self.state('session_energy')} kWh"),
        ]
        return "\n".join(f"  {name:<28} {value}" for name, value in rows)


def _time(said: str) -> str:
    return f"{datetime.fromisoformat(said).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


async def bill_the_session(
    site: Site, out: Path, *, charged_within_s: float, tell_every_s: float
) -> Results:
    """Wait for the end of the session at `site`'s station, have it billed, keep the results.

    Writes session.json, bill.json, bill.pdf and home-assistant.json to `out`; the site's recorder
    writes frames.jsonl. Raises RigError that says what failed.
    """
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(site.watch())
        given = group.create_task(_give_to_driver(site))
        try:
            frame = await _charged(site, charged_within_s, tell_every_s)
            site.progress(
                f"The vehicle has left; {site.recorder.frames} frames were published"
            )
            await _within(given, "the billing service did not open the session")
            session, bill = await _billed(site, out)
            site.progress(f"Bill {bill['number']} is issued")
            async with site.homeassistant.connect() as connection:
                states = await _within(
                    _caught_up(connection, frame),
                    "Home Assistant did not show the last frame",
                )
            site.progress(f"Home Assistant shows {len(states['entities'])} entities")
        finally:
            watch.cancel()
            given.cancel()
    _write(out / SESSION, session)
    _write(out / BILL, bill)
    _write(out / STATES, states)
    return Results(session, bill, states)


async def _give_to_driver(site: Site) -> None:
    """Give the session to the driver as soon as there is one: they can follow it then."""
    async with site.billing.connect(site.billing.driver) as driver:
        user = await driver.get("/users/me")
    async with site.billing.connect(site.billing.admin) as admin:
        session = await _first(admin, "ACTIVE")
        await admin.send("PUT", f"/sessions/{session['id']}", {"user_id": user["id"]})


async def _billed(site: Site, out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Issue the session's bill; return both as the service tells them to its driver."""
    async with site.billing.connect(site.billing.admin) as admin:
        completed = await _within(
            _first(admin, "COMPLETED"),
            "the billing service did not complete the session",
        )
        path = f"/sessions/{completed['id']}"
        await admin.send("POST", f"{path}/bill")
    # The driver sees what is theirs.
    async with site.billing.connect(site.billing.driver) as driver:
        session = _numbers_as_text(await driver.content(path, "application/json"))
        bill = _numbers_as_text(
            await driver.content(f"{path}/bill", "application/json")
        )
        pdf = await driver.content(f"{path}/bill", "application/pdf")
    (out / DOCUMENT).write_bytes(pdf)
    return session, bill


async def _charged(site: Site, within_s: float, tell_every_s: float) -> dict[str, Any]:
    """Wait until the vehicle has come and gone; return the first frame after that."""
    over = asyncio.ensure_future(site.recorder.event("unplugged"))
    try:
        async with asyncio.timeout(within_s):
            while not (await asyncio.wait({over}, timeout=tell_every_s))[0]:
                frame = site.recorder.last_frame
                if frame:
                    site.progress(
                        f"{frame['timestamp'][11:16]} UTC  {frame['P'] / 1000:.2f} kW"
                        f" from {frame['source']}"
                    )
            return await site.recorder.idle_frame(over.result()["timestamp"])
    except TimeoutError:
        raise RigError("the simulated session did not come to its end") from None
    finally:
        over.cancel()


async def _first(billing: BillingClient, status: str) -> dict[str, Any]:
    """Wait for the first session of a status."""
    while True:
        page = await billing.get("/sessions/", status=status)
        if page["items"]:
            return dict(page["items"][0])
        await asyncio.sleep(0.2)


async def _caught_up(connection: Connection, frame: dict[str, Any]) -> dict[str, Any]:
    """Wait until the entities show that `frame`, without a vehicle, was heard."""
    ids = {
        it["unique_id"].rpartition("/")[2]: it["entity_id"]
        for it in await connection.entities()
    }
    while not (
        await connection.state(ids["pilot"]) == "no_vehicle"
        and _is_kwh(await connection.state(ids["energy"]), frame["E"])
    ):
        await asyncio.sleep(0.3)
    entities = [_entity(it) for it in await connection.entities()]
    return {"integration": DOMAIN, "entities": entities}


def _numbers_as_text(content: bytes) -> dict[str, Any]:
    """Read JSON with each number as it is written, untouched by binary fractions."""
    read: dict[str, Any] = json.loads(content, parse_int=str, parse_float=str)
    return read


def _kwh(energy_wh: str) -> Decimal:
    return (Decimal(energy_wh) / 1000).quantize(Decimal("0.001"))


def _is_kwh(state: str, energy_wh: float) -> bool:
    try:
        return round(float(state) * 1000) == round(energy_wh)
    except ValueError:
        return False


def _entity(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what matters of a registry entry and its state."""
    state = entry["state"] or {}
    return {
        "entity_id": entry["entity_id"],
        "unique_id": entry["unique_id"],
        "state": state.get("state"),
        "attributes": state.get("attributes"),
        "last_changed": state.get("last_changed"),
        "disabled_by": entry["disabled_by"],
    }


async def _within[T](awaitable: Awaitable[T], failure: str) -> T:
    try:
        return await asyncio.wait_for(awaitable, _WITHIN_S)
    except TimeoutError:
        raise RigError(f"{failure} within {_WITHIN_S:.0f} s") from None


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
