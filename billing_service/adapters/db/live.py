"""Live updates from any process to the WebSockets of any other, by PostgreSQL's LISTEN and NOTIFY.

Who listens to a session says so (``wanted``), again and again, so that no process works for
nobody. An update is its JSON, compressed and cut into parts, for a payload has to stay below
8,000 bytes (postgresql.org/docs/current/sql-notify.html). What is lost while a connection is made
again is made up for by the listener, who reads the session anew now and then.
"""

import asyncio
import base64
import binascii
import json
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from billing_service.adapters.live import InProcessLiveBus
from billing_service.services.ports import LiveUpdate

log = structlog.get_logger(__name__)

CHANNEL = "solarrally"
PART_CHARS = 7_000
"""A payload's size without its frame, which is short."""

WANTED_FOR_S = 45.0
WANTED_AGAIN_S = 15.0
RECONNECT_AFTER_S = 1.0
_WAITING_AT_MOST = 2_000
_UPDATES_IN_PARTS_AT_MOST = 200
_UPDATE = TypeAdapter(LiveUpdate)


class PostgresLiveBus:
    """The ``LiveBus`` port across processes that share a PostgreSQL. ``run`` has to be running."""

    def __init__(
        self, engine: AsyncEngine, stored: Callable[[], None] = lambda: None
    ) -> None:
        """Take the database; ``stored`` is called when any process has stored something."""
        self._engine = engine
        self._stored = stored
        self._me = uuid4().hex
        self._local = InProcessLiveBus()
        self._mine: dict[str, int] = {}
        self._wanted_until: dict[str, float] = {}
        self._outgoing: asyncio.Queue[str] = asyncio.Queue(_WAITING_AT_MOST)
        self._parts: OrderedDict[str, list[str]] = OrderedDict()
        self.connected = asyncio.Event()

    # -- the port ----------------------------------------------------------------------------

    def wanted(self, session_id: str) -> bool:
        """Return whether anyone listens to the session, here or elsewhere."""
        return (
            self._local.wanted(session_id)
            or self._wanted_until.get(session_id, 0.0) > _now()
        )

    def publish(self, update: LiveUpdate) -> None:
        """Queue the update for listeners everywhere."""
        self._local.publish(update)
        if self._wanted_until.get(update.session.id, 0.0) <= _now():
            return
        text = base64.b64encode(zlib.compress(_UPDATE.dump_json(update), 1)).decode()
        name = uuid4().hex
        count = -(-len(text) // PART_CHARS)
        for part in range(count):
            piece = text[part * PART_CHARS : (part + 1) * PART_CHARS]
            self._say("update", id=name, part=part, of=count, data=piece)

    @asynccontextmanager
    async def listen(self, session_id: str) -> AsyncIterator[AsyncIterator[LiveUpdate]]:
        """Yield an endless iterator of the session's updates from now on."""
        async with self._local.listen(session_id) as updates:
            self._mine[session_id] = self._mine.get(session_id, 0) + 1
            self._say("wanted", sessions=[session_id])
            try:
                yield updates
            finally:
                self._mine[session_id] -= 1
                if not self._mine[session_id]:
                    del self._mine[session_id]

    def stored(self) -> None:
        """Tell all processes, this one too, that something waits to be metered."""
        self._stored()
        self._say("stored")

    # -- the connections ---------------------------------------------------------------------

    async def run(self) -> None:
        """Listen and send until cancelled; connect again whenever a connection is lost."""
        told = False
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._listen())
                    group.create_task(self._send())
                    group.create_task(self._remind())
            except* (psycopg.Error, OSError) as errors:
                if self.connected.is_set() or not told:
                    log.warning("live_bus_lost", error=str(errors.exceptions[0]))
                told = True
            finally:
                self.connected.clear()
            await asyncio.sleep(RECONNECT_AFTER_S)

    async def _listen(self) -> None:
        async with await self._connect() as connection:
            await connection.execute(f"LISTEN {CHANNEL}".encode())
            self.connected.set()
            # Others tell whom they serve; so do we, for they may have missed it.
            self._say("who")
            self._announce()
            # Something may have been stored while nobody could tell us.
            self._stored()
            async for notification in connection.notifies():
                self._hear(notification.payload)

    async def _send(self) -> None:
        async with await self._connect() as connection:
            while True:
                payloads = [await self._outgoing.get()]
                while not self._outgoing.empty() and len(payloads) < 100:
                    payloads.append(self._outgoing.get_nowait())
                await connection.execute(
                    "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload",
                    (CHANNEL, payloads),
                )

    async def _remind(self) -> None:
        while True:
            await asyncio.sleep(WANTED_AGAIN_S)
            self._announce()
            now = _now()
            for session_id, until in [*self._wanted_until.items()]:
                if until <= now:
                    del self._wanted_until[session_id]

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        _, options = self._engine.dialect.create_connect_args(self._engine.url)
        return await psycopg.AsyncConnection.connect(
            **options, autocommit=True, connect_timeout=10
        )

    # -- messages ----------------------------------------------------------------------------

    def _announce(self) -> None:
        sessions = [*self._mine]
        for at in range(0, len(sessions), 50):
            self._say("wanted", sessions=sessions[at : at + 50])

    def _say(self, kind: str, **more: object) -> None:
        if self._outgoing.full():
            # Live updates are worth nothing later; what must not be lost is in the database.
            self._outgoing.get_nowait()
        said = {"from": self._me, "kind": kind, **more}
        self._outgoing.put_nowait(json.dumps(said, separators=(",", ":")))

    def _hear(self, payload: str) -> None:
        """Take one message; anything that is none of ours is ignored."""
        try:
            said = json.loads(payload)
            if said["from"] == self._me:
                return
            match said["kind"]:
                case "stored":
                    self._stored()
                case "who":
                    self._announce()
                case "wanted":
                    until = _now() + WANTED_FOR_S
                    self._wanted_until.update(
                        {str(each): until for each in said["sessions"]}
                    )
                case "update":
                    self._take_part(said)
        except (KeyError, TypeError, ValueError, binascii.Error, zlib.error) as error:
            log.warning("live_message_ignored", error=repr(error))

    def _take_part(self, said: dict[str, Any]) -> None:
        name, part, of = said["id"], int(said["part"]), int(said["of"])
        parts = self._parts.pop(name, [])
        if part != len(parts):
            # A part got lost: the rest of it is of no use.
            return
        parts.append(said["data"])
        if len(parts) < of:
            self._parts[name] = parts
            if len(self._parts) > _UPDATES_IN_PARTS_AT_MOST:
                self._parts.popitem(last=False)
            return
        data = zlib.decompress(base64.b64decode("".join(parts)))
        try:
            update = _UPDATE.validate_json(data)
        except ValidationError as error:
            # A process of another version.
            log.warning("live_update_ignored", error=str(error))
            return
        self._local.publish(update)


def _now() -> float:
    return asyncio.get_running_loop().time()
