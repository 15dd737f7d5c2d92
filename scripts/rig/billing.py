"""The billing service of the site, used as a client of its public interfaces."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from scripts.rig.broker import Broker, Login
from scripts.rig.place import Place
from scripts.rig.ports import HOST
from scripts.rig.process import Program, RigError

START_WITHIN_S = 180.0

# What the site charges its drivers: OCPI 2.2.1 with a price by source. EUR without VAT.
PRICES = {"start": "0.50", "solar": "0.18", "grid": "0.34", "vat_percent": "19"}


def _tariff() -> dict[str, Any]:
    def component(kind: str, price: str) -> dict[str, Any]:
        vat = float(PRICES["vat_percent"])
        return {"type": kind, "price": float(price), "vat": vat, "step_size": 1}

    return {
        "country_code": "DE",
        "party_id": "SRY",
        "id": "home",
        "name": "Sun and grid",
        "currency": "EUR",
        "elements": [
            {"price_components": [component("FLAT", PRICES["start"])]},
            *(
                {
                    "price_components": [component("ENERGY", PRICES[source])],
                    "restrictions": {"source": source},
                }
                for source in ("solar", "grid")
            ),
        ],
        "last_updated": "2026-01-01T00:00:00Z",
    }


class Billing:
    """`solarrally serve` on 127.0.0.1:`port`, with its database in `folder`."""

    def __init__(
        self, folder: Path, log: Path, port: int, broker: Broker, place: Place
    ) -> None:
        self.url = f"http://{HOST}:{port}"
        self.port = port
        self.admin = Login("admin")
        self.driver = Login("driver")
        self._folder = folder
        self._place = place
        login = broker.logins["billing"]
        # The console script beside the interpreter that runs this.
        self._solarrally = str(Path(sys.executable).with_name("solarrally"))
        self._env = {
            "SOLARRALLY_DATA_DIR": str(folder),
            "SOLARRALLY_HOST": HOST,
            "SOLARRALLY_PORT": str(port),
            "SOLARRALLY_MQTT_HOST": HOST,
            "SOLARRALLY_MQTT_PORT": str(broker.port),
            "SOLARRALLY_MQTT_USERNAME": login.username,
            "SOLARRALLY_MQTT_PASSWORD": login.password,
            "SOLARRALLY_MQTT_TOPIC_PREFIX": broker.prefix,
            # The site's broker knows its stations by their passwords.
            "SOLARRALLY_ACCEPT_STATIONS": "all",
            "SOLARRALLY_SUPPLIER_NAME": "Solar House",
            "SOLARRALLY_SUPPLIER_ADDRESS": f"1 Sunny Street|{place.city}",
            "SOLARRALLY_TIME_ZONE": place.time_zone,
        }
        self.program = Program(
            "the billing service",
            [self._solarrally, "serve"],
            log=log,
            cwd=folder,
            env=self._env,
        )

    async def start(self) -> None:
        """Make the database and its users, start, and wait until it is ready."""
        self._folder.mkdir(parents=True, exist_ok=True)
        await self._command("migrate")
        await self._add_user(self.admin, "--role=admin")
        await self._add_user(
            self.driver,
            "--full-name=Dana Driver",
            "--address=7 Linden Lane",
            f"--address={self._place.city}",
        )
        await self.program.start()
        await self.program.until_listening(self.port, START_WITHIN_S)
        await self._until_ready()
        async with self.connect(self.admin) as admin:
            await admin.send("POST", "/tariffs/", _tariff())

    async def _until_ready(self) -> None:
        answer = "nothing was heard"
        try:
            async with (
                aiohttp.ClientSession(self.url) as session,
                asyncio.timeout(START_WITHIN_S),
            ):
                while self.program.running:
                    async with session.get("/readyz") as response:
                        if response.status == 200:
                            return
                        answer = await response.text()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise RigError(
                f"the billing service is not ready after {START_WITHIN_S:.0f} s: {answer}"
            ) from None
        raise self.program.ended()

    async def stop(self) -> None:
        """End it."""
        await self.program.stop()

    async def _add_user(self, login: Login, *options: str) -> None:
        await self._command(
            "user",
            "add",
            login.username,
            *options,
            "--password-stdin",
            say=login.password,
        )

    async def _command(self, *arguments: str, say: str | None = None) -> None:
        """Run one of the service's commands to its end. Raises RigError when it fails."""
        process = await asyncio.create_subprocess_exec(
            self._solarrally,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._folder,
            env=self.program.env,
        )
        try:
            output, _ = await process.communicate(
                None if say is None else f"{say}\n".encode()
            )
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            words = output.decode(errors="replace").strip()[-1000:]
            raise RigError(f"solarrally {' '.join(arguments)} failed: {words}")

    def connect(self, login: Login) -> BillingClient:
        """Return a client that signs in as `login`, to be used as a context."""
        return BillingClient(self.url, login)


class BillingClient:
    """One signed-in user of the billing service."""

    def __init__(self, url: str, login: Login) -> None:
        self._url = url
        self._login = login
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> BillingClient:
        self._session = aiohttp.ClientSession(self._url)
        try:
            form = {
                "grant_type": "password",
                "username": self._login.username,
                "password": self._login.password,
            }
            async with self._session.post("/auth/token", data=form) as response:
                token = (await _checked(response)).get("access_token")
        except BaseException:
            await self._session.close()
            raise
        self._session.headers["Authorization"] = f"Bearer {token}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str) -> Any:
        """Return the JSON at `path`. Raises RigError on an error."""
        async with self._session.get(path, params=query) as response:
            return await _checked(response)

    async def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        """Send JSON, return the JSON answer. Raises RigError on an error."""
        async with self._session.request(method, path, json=body) as response:
            return await _checked(response)

    async def content(self, path: str, accept: str) -> bytes:
        """Return the content at `path` in the media type `accept`. Raises RigError on an error."""
        async with self._session.get(path, headers={"Accept": accept}) as response:
            if response.status >= 400 or response.content_type != accept:
                await _checked(response)
                raise RigError(
                    f"the billing service sent {response.content_type} for {path}"
                )
            return await response.read()


async def _checked(response: aiohttp.ClientResponse) -> Any:
    if response.status >= 400:
        raise RigError(
            f"the billing service answered {response.status} to {response.url.path}: "
            f"{(await response.text())[:500]}"
        )
    return await response.json()
