"""Telemetry from the broker into the store: acknowledged only after the commit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import aiomqtt
import structlog

from billing_service.adapters.mqtt.client import AcknowledgingClient, Broker
from billing_service.adapters.mqtt.rejections import SUMMARY_EVERY_S, RejectionLog
from billing_service.adapters.wire import (
    MAX_MESSAGE_BYTES,
    is_station_id,
    parse_backlog,
    parse_event,
    parse_frame,
)
from billing_service.adapters.wire_notes import parse_info, parse_state
from billing_service.domain.errors import FrameRejected, StoreUnavailable
from billing_service.domain.frame import to_ms
from billing_service.services.ingest import Batch, Ingest, News
from billing_service.services.ports import Clock, Rejected

log = structlog.get_logger(__name__)

BATCH = 500
BATCH_BYTES = 2 * 1024 * 1024
"""A backlog of 500 frames is one message: few of those are a batch."""

WINDOW = 4 * BATCH
"""Messages that wait for our acknowledgement: some are received while a batch is stored."""

LINGER_S = 0.005
BUSY_LINGER_S = 0.05
"""What a batch costs is paid by the statement more than by the row: with many messages under way
a larger batch is worth the wait."""

BUSY_FROM = 25
"""Messages in the batch before that tell of a burst."""

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between attempts, to reconnect or to store again; the last one goes on."""

ONCE = ("telemetry", "backlog", "event")
"""Kept for good, each once: workers share them out."""

NEWS = ("state", "info", "status")
"""Retained, and only the last counts. A shared subscription gets no retained message (MQTT 5,
4.8.2), so each worker hears all of them; they all end with the same last one."""

DRAINED_AFTER_S = 2.0
"""A broker that has been silent for so long has nothing left for us."""


class MqttIngest:
    """Reads the stations' topics and stores what they say, until it is cancelled.

    A batch that the store cannot take now is tried again; meanwhile nothing is acknowledged, and
    the broker keeps the rest. A single message that the store refuses for good is kept aside, so
    that it cannot stop all others.
    """

    def __init__(
        self,
        broker: Broker,
        ingest: Ingest,
        clock: Clock,
        *,
        identifier: str,
        default_station: str = "station",
        group: str | None = None,
        stored: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what it works with.

        ``identifier`` names our session at the broker and has to stay the same over restarts.
        Ingests of the same ``group`` share the load. ``stored`` is called after each commit that
        added something.
        """
        self._group = group
        self._broker = broker
        self._ingest = ingest
        self._clock = clock
        self._identifier = identifier
        self._default_station = default_station
        self._stored = stored
        self._rejections = RejectionLog()
        self._failures = 0
        self._client: AcknowledgingClient | None = None
        self._connections = 0
        self.frames = 0
        self.duplicates = 0
        self.rejected = 0

    @property
    def connected(self) -> bool:
        """Whether the broker sends us what it gets."""
        return self._client is not None

    async def run(self) -> None:
        """Read until cancelled; reconnect whenever the connection is lost."""
        summaries = asyncio.create_task(self._summaries())
        try:
            await self._kept_connected()
        finally:
            summaries.cancel()
            self._rejections.summarise(at_once=True)
            log.info(
                "ingest_ended",
                frames=self.frames,
                duplicates=self.duplicates,
                rejected=self.rejected,
            )

    async def _summaries(self) -> None:
        """Tell of what was rejected also when nothing more comes."""
        while True:
            await asyncio.sleep(SUMMARY_EVERY_S)
            self._rejections.summarise()

    async def _kept_connected(self) -> None:
        while True:
            try:
                await self._connected()
            except aiomqtt.MqttError as error:
                if self.connected or self._failures == 0:
                    log.warning("broker_lost", host=self._broker.host, error=str(error))
            finally:
                self._client = None
            await asyncio.sleep(_wait(self._failures))
            self._failures += 1

    async def _connected(self) -> None:
        async with self._broker.client(
            self._identifier, persistent=True, window=WINDOW
        ) as client:
            await client.subscribe(_at_least_once(self._topics()))
            self._client = client
            self._connections += 1
            self._failures = 0
            log.info("broker_connected", host=self._broker.host, port=self._broker.port)
            linger_s = LINGER_S
            while True:
                batch = await client.batch(BATCH, BATCH_BYTES, linger_s)
                await self._take(client, batch)
                linger_s = BUSY_LINGER_S if len(batch) >= BUSY_FROM else LINGER_S

    def _topics(self) -> list[str]:
        return [*self._once(), *(f"{self._broker.prefix}/+/{leaf}" for leaf in NEWS)]

    def _once(self) -> list[str]:
        prefix = self._broker.prefix
        topics = [f"{prefix}/telemetry", *(f"{prefix}/+/{leaf}" for leaf in ONCE)]
        if self._group is not None:
            return [f"$share/{self._group}/{topic}" for topic in topics]
        return topics

    async def subscribed(self) -> int:
        """Have the broker confirm that we are subscribed; return which connection of ours it is.

        As long as that stays the same, the broker has not restarted. Raises aiomqtt.MqttError when
        it cannot be reached.
        """
        client, connection = self._client, self._connections
        if client is None:
            raise aiomqtt.MqttError("not connected")
        await client.subscribe(_at_least_once(self._once()))
        return connection

    async def begin_anew(self) -> None:
        """Have the broker forget what it keeps for us, and keep what comes only once from now on.

        Nothing is read. Raises aiomqtt.MqttError when the broker cannot be reached.
        """
        await self._forgotten()
        # Not with a clean start: Mosquitto does not write down sessions that began with one.
        async with self._broker.client(
            self._identifier, persistent=True, window=1
        ) as client:
            await client.subscribe(_at_least_once(self._once()))

    async def retire(self) -> None:
        """Store what the broker still keeps for us, then have it keep nothing more.

        Raises aiomqtt.MqttError when the broker cannot be reached or goes meanwhile; what it had
        given out is stored then, and the rest is kept.
        """
        async with self._broker.client(
            self._identifier, persistent=True, window=WINDOW
        ) as client:
            await client.unsubscribe(self._topics())
            while True:
                try:
                    async with asyncio.timeout(DRAINED_AFTER_S):
                        batch = await client.batch(BATCH, BATCH_BYTES, LINGER_S)
                except TimeoutError:
                    break
                await self._take(client, batch)
        await self._forgotten()

    async def _forgotten(self) -> None:
        """End our session at the broker, with all that it holds."""
        async with self._broker.client(self._identifier, persistent=False, window=1):
            log.debug("session_ended", client_id=self._identifier)

    async def _take(
        self, client: AcknowledgingClient, messages: Sequence[aiomqtt.Message]
    ) -> None:
        await self._store(messages)
        for message in messages:
            client.acknowledge(message)

    async def _store(self, messages: Sequence[aiomqtt.Message]) -> None:
        try:
            await self._store_batch(self._batch(messages))
        except Exception as error:  # whatever it is, the others must go on
            if len(messages) == 1:
                await self._set_aside(messages[0], error)
                return
            log.exception("batch_refused", messages=len(messages))
            for message in messages:
                await self._store([message])

    async def _store_batch(self, batch: Batch) -> None:
        stored = await _until_available(lambda: self._ingest.store(batch))
        self.frames += stored.frames
        self.duplicates += stored.duplicates
        self.rejected += stored.rejected
        if stored.frames or stored.events:
            self._stored()

    async def _set_aside(self, message: aiomqtt.Message, error: Exception) -> None:
        log.error("message_refused", topic=str(message.topic), error=repr(error))
        batch = Batch()
        self._reject(batch, message, "not_stored", f"the store refused it: {error}")
        await self._store_batch(batch)

    # -- from messages to a batch ------------------------------------------------------------------

    def _batch(self, messages: Sequence[aiomqtt.Message]) -> Batch:
        batch = Batch()
        now_ms = to_ms(self._clock())
        for message in messages:
            try:
                self._sort(batch, message, now_ms)
            except FrameRejected as rejected:
                self._reject(batch, message, rejected.reason, rejected.message)
        return batch

    def _sort(self, batch: Batch, message: aiomqtt.Message, now_ms: int) -> None:
        """Put one message where it belongs in the batch. Raises FrameRejected."""
        levels = message.topic.value[len(self._broker.prefix) + 1 :].split("/")
        if levels == ["telemetry"]:
            self._frame(batch, message, None, now_ms)
            return
        station, leaf = levels
        if not is_station_id(station):
            raise FrameRejected("bad_value", f"{station[:40]!r} cannot name a station")
        match leaf:
            case "telemetry":
                self._frame(batch, message, station, now_ms)
            case "backlog":
                self._backlog(batch, message, station, now_ms)
            case "event":
                event = parse_event(
                    message.payload, topic_station=station, now_ms=now_ms
                )
                if event is not None:
                    batch.events.append(event)
            case _:
                _note(batch, station, leaf, message.payload)

    def _frame(
        self, batch: Batch, message: aiomqtt.Message, station: str | None, now_ms: int
    ) -> None:
        batch.frames.append(
            parse_frame(
                message.payload,
                topic_station=station,
                default_station=self._default_station,
                now_ms=now_ms,
            )
        )

    def _backlog(
        self, batch: Batch, message: aiomqtt.Message, station: str, now_ms: int
    ) -> None:
        for frame in parse_backlog(
            message.payload, topic_station=station, now_ms=now_ms
        ):
            if isinstance(frame, FrameRejected):
                self._reject(batch, message, frame.reason, frame.message)
            else:
                batch.frames.append(frame)

    def _reject(
        self, batch: Batch, message: aiomqtt.Message, reason: str, text: str
    ) -> None:
        topic = message.topic.value
        station = topic.removeprefix(f"{self._broker.prefix}/").rpartition("/")[0]
        self._rejections.note(station, reason, topic, text)
        batch.rejected.append(
            Rejected(
                received_at=self._clock(),
                topic=topic,
                reason=reason,
                message=text,
                payload=bytes(message.payload[:MAX_MESSAGE_BYTES]),
            )
        )


def _at_least_once(topics: Sequence[str]) -> list[tuple[str, int]]:
    """Return what to subscribe to, with QoS 1."""
    return [(topic, 1) for topic in topics]


def _note(batch: Batch, station: str, leaf: str, payload: bytes) -> None:
    """Take a station's info, state or status. Raises FrameRejected, and then notes nothing."""
    if not payload:
        # An empty message is how a retained one is deleted.
        return
    news = batch.news.get(station, News())
    match leaf:
        case "info":
            news.info = parse_info(payload, topic_station=station)
        case "state":
            news.state = parse_state(payload)
        case _:
            if payload not in (b"online", b"offline"):
                raise FrameRejected("bad_value", "status is neither online nor offline")
            news.online = payload == b"online"
    batch.news[station] = news


async def _until_available[T](attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again for as long as the store is away; nothing is given up."""
    failures = 0
    while True:
        try:
            return await attempt()
        except StoreUnavailable as error:
            log.warning("store_unavailable", error=str(error), attempt=failures + 1)
            await asyncio.sleep(_wait(failures))
            failures += 1


def _wait(failures: int) -> float:
    return RETRY_S[min(failures, len(RETRY_S) - 1)]
