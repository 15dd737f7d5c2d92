"""Commands to stations, each with its result."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC
from uuid import uuid4

import aiomqtt
import structlog

from billing_service.adapters.mqtt.client import Broker
from billing_service.adapters.mqtt.ingest import RETRY_S
from billing_service.adapters.wire_notes import parse_result
from billing_service.domain.errors import (
    CommandRefused,
    FrameRejected,
    StationSilent,
    StoreUnavailable,
)
from billing_service.services.ports import Clock

log = structlog.get_logger(__name__)

RESULT_WITHIN_S = 5.0
"""The contract's time for a result."""

MAX_COMMAND_BYTES = 4096
"""The contract's bound: a station ignores what is larger, and nobody would learn why."""

_SENTENCES = {
    "malformed": "The station could not read the command.",
    "unknown_command": "The station does not know this command.",
    "out_of_range": "The value is outside what the station allows.",
    "duplicate": "The station has seen this command before.",
    "stale": "The command reached the station too late.",
    "not_supported": "The station cannot do this.",
    "no_vehicle": "No vehicle is connected to the station.",
    "fault_active": "The station has a fault that must be cleared first.",
    "busy": "The station is busy; try again in a moment.",
    "failed": "The station tried and failed.",
}


type Outcome = Callable[[str, str, str | None, str], Awaitable[None]]
"""Takes (station, command id, error or None, message)."""


class MqttCommands:
    """Sends commands over a connection of its own and matches results by id."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        """Take what it works with; ``run`` has to be running for ``send`` to work."""
        self._broker = broker
        self._clock = clock
        self._client: aiomqtt.Client | None = None
        self._ready = asyncio.Event()
        self.outcome: Outcome | None = None
        """Told of each second result: what became of a command that took long."""
        self._telling: set[asyncio.Task[None]] = set()
        self._waiting: dict[tuple[str, str], asyncio.Future[dict[str, object]]] = {}

    @property
    def connected(self) -> bool:
        """Whether the broker can be reached now."""
        return self._client is not None

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        failures = 0
        while True:
            try:
                # Results only matter to who waits now: nothing is kept while we are away.
                async with self._broker.client(
                    f"solarrally-commands-{uuid4().hex[:12]}",
                    persistent=False,
                    window=100,
                ) as client:
                    await client.subscribe(f"{self._broker.prefix}/+/result", qos=1)
                    self._client, failures = client, 0
                    self._ready.set()
                    async for message in client.messages:
                        client.acknowledge(message)
                        self._result(message)
            except aiomqtt.MqttError as error:
                log.debug("commands_broker_lost", error=str(error))
            finally:
                self._client = None
                self._ready.clear()
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1

    async def send(
        self,
        station_id: str,
        command: str,
        value: object = None,
        *,
        command_id: str | None = None,
    ) -> None:
        """Send a command and wait for its result; ``command_id`` must not have been used before.

        Raises CommandRefused when the station refuses or could not read it, and StationSilent when nothing came within
        the contract's five seconds or the broker is away.
        """
        request = {
            "id": command_id or uuid4().hex,
            "command": command,
            "value": value,
            "timestamp": self._clock()
            .astimezone(UTC)
            .isoformat(timespec="milliseconds"),
        }
        payload = json.dumps(request, separators=(",", ":"))
        if len(payload) > MAX_COMMAND_BYTES:
            raise CommandRefused(
                "malformed",
                f"The command has {len(payload)} bytes; a station reads {MAX_COMMAND_BYTES}.",
            )
        key = (station_id, str(request["id"]))
        answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(RESULT_WITHIN_S):
                await self._ready.wait()
                client = self._client
                if client is None:
                    raise StationSilent("The connection to the broker was lost.")
                await client.publish(
                    f"{self._broker.prefix}/{station_id}/command",
                    payload,
                    qos=1,
                    retain=False,
                )
                result = await answer
        except TimeoutError as error:
            reason = (
                f"The station {station_id} did not answer within {RESULT_WITHIN_S:g} s."
                if self._client
                else "The broker cannot be reached."
            )
            raise StationSilent(reason) from error
        except aiomqtt.MqttError as error:
            raise StationSilent("The connection to the broker was lost.") from error
        finally:
            del self._waiting[key]
        if result.get("ok") is not True:
            code = str(result.get("error", "failed"))
            sentence = _SENTENCES.get(code, "The station refused the command.")
            detail = str(result.get("message") or "").strip()
            # Stations often say just what the sentence says already.
            if detail and detail.rstrip(".").lower() not in sentence.lower():
                sentence = f"{sentence} ({detail})"
            raise CommandRefused(code, sentence)

    def _result(self, message: aiomqtt.Message) -> None:
        try:
            result = parse_result(message.payload)
        except FrameRejected as rejected:
            log.warning(
                "result_rejected", topic=message.topic.value, reason=rejected.reason
            )
            return
        station = message.topic.value.split("/")[-2]
        waiting = self._waiting.get((station, str(result.get("id"))))
        if waiting is not None and not waiting.done():
            waiting.set_result(result)
        if result.get("done") is True and self.outcome is not None:
            # Storing it takes time that other results do not have.
            telling = asyncio.create_task(self._tell(station, result))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def _tell(self, station: str, result: dict[str, object]) -> None:
        assert self.outcome is not None
        error = None
        if result.get("ok") is not True:
            error = str(result.get("error") or "failed")[:64]
        try:
            await self.outcome(
                station,
                str(result.get("id"))[:64],
                error,
                str(result.get("message") or "")[:500],
            )
        except StoreUnavailable as away:
            log.warning("outcome_not_stored", station=station, error=away.message)
