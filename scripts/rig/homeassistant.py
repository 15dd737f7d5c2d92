"""A real Home Assistant of the site's own, set up as an owner would, by its public interfaces."""

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from scripts.rig.broker import Broker, Login
from scripts.rig.place import Place
from scripts.rig.ports import HOST
from scripts.rig.process import Program, RigError

DOMAIN = "solarrally"
ROOT = Path(__file__).resolve().parents[2]
START_WITHIN_S = 300.0
_DISCOVERY_WITHIN_S = 60.0

# `http:` in YAML is taken over once, on trial, until it is promoted (`_keep_http_settings`).
_CONFIGURATION = """\
frontend:
config:
history:
logbook:
energy:
recorder:
logger:
  default: warning
  logs:
    custom_components.{domain}: info
    # Cameras and speech want programs that this site has no use for.
    haffmpeg: critical
    homeassistant.components.camera: critical
http:
  server_host: {host}
  server_port: {port}
"""

# The steps of the first visit that are skipped, by having been done. `core_config` would add
# integrations that ask servers on the internet (weather, radio, speech). `user` is left to do.
_ONBOARDING = {
    "version": 4,
    "minor_version": 1,
    "key": "onboarding",
    "data": {"done": ["core_config", "analytics", "integration"]},
}


class HomeAssistant:
    """Home Assistant on 127.0.0.1:`port` with its configuration in `folder`."""

    def __init__(self, folder: Path, log: Path, port: int, place: Place) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self.owner = Login("owner")
        self.folder = folder
        self._place = place
        self.program = Program(
            "Home Assistant",
            # What it needs is installed: --skip-pip fetches and compiles nothing.
            [sys.executable, "-m", "homeassistant", "--skip-pip", "-c", str(folder)],
            log=log,
            env={"SETUP_PORT": str(port)},
        )
        self.tokens: dict[str, Any] = {}

    async def start(self) -> None:
        """Write the configuration, with the integration in it, and start."""
        storage = self.folder / ".storage"
        storage.mkdir(parents=True, exist_ok=True)
        (storage / "onboarding").write_text(json.dumps(_ONBOARDING))
        (self.folder / "configuration.yaml").write_text(
            _CONFIGURATION.format(domain=DOMAIN, host=HOST, port=self.port)
        )
        shutil.copytree(
            ROOT / "custom_components" / DOMAIN,
            self.folder / "custom_components" / DOMAIN,
            ignore=shutil.ignore_patterns("__pycache__", "node_modules"),
            dirs_exist_ok=True,
        )
        await self.program.start()

    async def stop(self) -> None:
        """End it; it writes its states to disk first."""
        await self.program.stop(grace_s=40)

    async def sign_up(self) -> None:
        """Make the owner and sign in. Raises RigError when it does not start in time."""
        await self.program.until_listening(self.port, START_WITHIN_S)
        client_id = f"{self.url}/"
        async with aiohttp.ClientSession(self.url) as session:
            created = await self._when_ready(
                session,
                "/api/onboarding/users",
                {
                    "client_id": client_id,
                    "name": "Owner",
                    "username": self.owner.username,
                    "password": self.owner.password,
                    "language": "en",
                },
            )
            async with session.post(
                "/auth/token",
                data={
                    "client_id": client_id,
                    "grant_type": "authorization_code",
                    "code": created["auth_code"],
                },
            ) as response:
                self.tokens = await _content(response, "sign in")
        # What the frontend keeps of a sign-in, beside the tokens.
        self.tokens |= {"hassUrl": self.url, "clientId": client_id}

    async def _when_ready(
        self, session: aiohttp.ClientSession, path: str, body: Mapping[str, Any]
    ) -> Any:
        """Post as soon as the path exists: the server answers before all parts have started."""
        try:
            async with asyncio.timeout(START_WITHIN_S):
                while self.program.running:
                    async with session.post(path, json=body) as response:
                        if response.status not in (404, 503):
                            return await _content(response, path)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise RigError(
                f"Home Assistant did not offer {path}; its log is {self.program.log}"
            ) from None
        raise self.program.ended()

    def connect(self) -> Connection:
        """Return a connection of the owner's, to be used as a context."""
        return Connection(self.url, self.tokens["access_token"])

    async def configure(self, broker: Broker) -> None:
        """Set place and time, keep the address, and add the MQTT integration."""
        async with self.connect() as hass:
            await self._until_running(hass)
            await self._keep_http_settings(hass)
            await hass.call(
                "config/core/update",
                location_name="SolarRally",
                time_zone=self._place.time_zone,
                latitude=self._place.latitude,
                longitude=self._place.longitude,
                country=self._place.country,
                currency="EUR",
                unit_system="metric",
            )
            login = broker.logins["homeassistant"]
            await hass.add(
                "mqtt",
                {
                    "broker": HOST,
                    "port": broker.port,
                    "protocol": "5",
                    "username": login.username,
                    "password": login.password,
                    "other_settings": {
                        "set_client_cert": False,
                        "set_ca_cert": "off",
                        "transport": "tcp",
                    },
                },
            )

    async def add_discovered(self) -> None:
        """Add the SolarRally site that Home Assistant has found on the broker.

        Returns once its station is a device. Raises RigError when none is found.
        """
        async with self.connect() as hass:
            try:
                async with asyncio.timeout(_DISCOVERY_WITHIN_S):
                    while not (found := await hass.discovered(DOMAIN)):
                        await asyncio.sleep(0.1)
                    await hass.finish(found[0], {})
                    while not await hass.devices():
                        await asyncio.sleep(0.1)
            except TimeoutError:
                raise RigError(
                    "Home Assistant discovered no SolarRally station on the broker; "
                    f"its log is {self.program.log}"
                ) from None

    async def _until_running(self, hass: Connection) -> None:
        try:
            async with asyncio.timeout(START_WITHIN_S):
                while (await hass.get("/api/config"))["state"] != "RUNNING":
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise RigError(
                f"Home Assistant did not finish its start; its log is {self.program.log}"
            ) from None

    async def _keep_http_settings(self, hass: Connection) -> None:
        """Confirm address and port, or they are taken back after five minutes."""
        await hass.call("http/config/promote")
        # It is right that YAML is no longer the place for it, and nothing to repair here.
        await hass.call(
            "repairs/ignore_issue",
            domain="http",
            issue_id="deprecated_yaml",
            ignore=True,
        )


class Connection:
    """The owner's REST and WebSocket access to a running Home Assistant."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._session: aiohttp.ClientSession
        self._socket: aiohttp.ClientWebSocketResponse
        self._last_id = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self._url, headers={"Authorization": f"Bearer {self._token}"}
        )
        try:
            self._socket = await self._session.ws_connect(
                "/api/websocket", max_msg_size=0
            )
            await self._socket.receive_json()
            await self._socket.send_json({"type": "auth", "access_token": self._token})
            if (answer := await self._socket.receive_json())["type"] != "auth_ok":
                raise RigError(
                    f"Home Assistant refused the owner: {answer.get('message')}"
                )
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._socket.close()
        await self._session.close()

    async def call(self, kind: str, **arguments: Any) -> Any:
        """Send one WebSocket command; return its result. Raises RigError when it is refused."""
        self._last_id += 1
        await self._socket.send_json({"id": self._last_id, "type": kind, **arguments})
        while (answer := await self._socket.receive_json()).get("id") != self._last_id:
            pass
        if not answer["success"]:
            raise RigError(
                f"Home Assistant refused {kind}: {answer['error']['message']}"
            )
        return answer["result"]

    async def get(self, path: str) -> Any:
        """Return the JSON at `path`. Raises RigError on an error."""
        async with self._session.get(path) as response:
            return await _content(response, path)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post JSON to `path`, return the JSON answer. Raises RigError on an error."""
        async with self._session.post(path, json=body) as response:
            return await _content(response, path)

    async def add(self, domain: str, answers: Mapping[str, Any]) -> None:
        """Add an integration by its form."""
        flow = await self.post("/api/config/config_entries/flow", {"handler": domain})
        await self.finish(flow["flow_id"], answers)

    async def finish(self, flow_id: str, answers: Mapping[str, Any]) -> None:
        """Answer the last form of a config flow. Raises RigError unless that makes an entry."""
        result = await self.post(f"/api/config/config_entries/flow/{flow_id}", answers)
        if result["type"] != "create_entry":
            why = result.get("errors") or result.get("reason") or result["type"]
            raise RigError(f"Home Assistant did not add {result['handler']}: {why}")

    async def discovered(self, domain: str) -> list[str]:
        """Return the ids of the flows that wait for the owner's word, of one integration."""
        flows = await self.call("config_entries/flow/progress")
        return [it["flow_id"] for it in flows if it["handler"] == domain]

    async def entities(self, domain: str = DOMAIN) -> list[dict[str, Any]]:
        """Return an integration's entities: their registry entries, each with its `state`.

        A disabled entity has no state: None.
        """
        registry = await self.call("config/entity_registry/list")
        states = {it["entity_id"]: it for it in await self.get("/api/states")}
        return [
            {**entry, "state": states.get(entry["entity_id"])}
            for entry in sorted(registry, key=lambda it: str(it["entity_id"]))
            if entry["platform"] == domain
        ]

    async def state(self, entity_id: str) -> str:
        """Return the state of one entity."""
        return str((await self.get(f"/api/states/{entity_id}"))["state"])

    async def devices(self, domain: str = DOMAIN) -> list[dict[str, Any]]:
        """Return an integration's devices."""
        registry = await self.call("config/device_registry/list")
        return [
            it
            for it in registry
            if any(known[0] == domain for known in it["identifiers"])
        ]


async def _content(response: aiohttp.ClientResponse, what: str) -> Any:
    if response.status >= 400:
        raise RigError(
            f"Home Assistant answered {response.status} to {what}: {(await response.text())[:300]}"
        )
    return await response.json()
