"""The connection of one station to its broker (MQTT 5)."""

import asyncio
import logging
import socket
from dataclasses import dataclass

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from simulator.outbox import Kind, Message, Outbox
from simulator.outputs import Happening, Output, Reading, Snapshot
from simulator.protocol import messages
from simulator.protocol.commands import CommandDesk
from simulator.protocol.topics import Topics
from simulator.station import Station

_LOGGER = logging.getLogger(__name__)

BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 5.0)
KEEPALIVE_S = 15
# Mosquitto takes this many unacknowledged messages from one client unless told otherwise.
WINDOW = 20
# More live messages than this and the simulated time waits for the broker.
CONGESTED = 400
BACKLOG_PAUSE_S = 0.05
ACKNOWLEDGE_WITHIN_S = 30.0
# MQTT 5, 3.2.2.2: bad user name or password, not authorized, bad authentication method, banned.
_REFUSED_CREDENTIALS = {0x86, 0x87, 0x8A, 0x8C}


class CredentialsRefused(Exception):
    """The broker does not let this client in; trying again would not help."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where and as whom to connect."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Publisher:
    """Speaks for `station`: keeps the connection, delivers its outbox, hears its commands.

    `plain` publishes only the smallest frames on the plain topic, and hears nothing.
    """

    def __init__(
        self, station: Station, broker: Broker, prefix: str, *, plain: bool
    ) -> None:
        self.station = station
        self.outbox = Outbox()
        self.frames = 0
        self._broker = broker
        self._topics = Topics(prefix, station.config.station)
        self._plain = plain
        self._desk = CommandDesk(station)
        self._connected = asyncio.Event()
        self._work = asyncio.Event()
        self._drained = asyncio.Event()
        self._leave = asyncio.Event()
        self._part = asyncio.Event()
        self._last_words: Message | None = None
        self._lost_told = 0

    @property
    def name(self) -> str:
        """The station's id."""
        return self.station.config.station

    @property
    def congested(self) -> bool:
        """Whether the broker is connected and does not keep up."""
        return self.outbox.online and self.outbox.live > CONGESTED

    async def wait_connected(self) -> None:
        """Return once the first connection stands and the station is announced."""
        await self._connected.wait()

    def tell(self, outputs: list[Output]) -> None:
        """Say what the station has told, in its order."""
        for output in outputs:
            match output:
                case Reading():
                    self.frames += 1
                    self.outbox.put(self._frame(output))
                case Happening() if not self._plain:
                    self.outbox.put(Message(Kind.NOTE, "event", messages.event(output)))
                case Snapshot() if not self._plain:
                    self.outbox.put(self._state(output))
                case _:
                    pass
        if self.outbox.lost > self._lost_told:
            if not self._lost_told:
                _LOGGER.warning(
                    "%s: too much waits to be sent; giving up the oldest", self.name
                )
            self._lost_told = self.outbox.lost
        self._wake()

    def _frame(self, reading: Reading) -> Message:
        if self._plain:
            return Message(Kind.FRAME, "", messages.smallest_frame(reading))
        return Message(Kind.FRAME, "telemetry", messages.frame(self.name, reading))

    def _state(self, snapshot: Snapshot) -> Message:
        payload = messages.state(snapshot, self.outbox.waiting_frames)
        return Message(Kind.STATE, "state", payload, retain=True)

    def _wake(self) -> None:
        self._work.set()
        if self.outbox.empty:
            self._drained.set()
        else:
            self._drained.clear()

    async def drain(self) -> None:
        """Return once the broker has acknowledged everything."""
        self._wake()
        await self._drained.wait()

    def leave(self) -> None:
        """Say `offline` and disconnect."""
        self._leave.set()
        self._part.set()

    async def run(self) -> None:
        """Keep the station connected until `leave`. Raises CredentialsRefused."""
        failures = 0
        while not self._leave.is_set():
            try:
                async with self._client() as client:
                    failures = 0
                    _LOGGER.info("%s: connected to %s", self.name, self._broker)
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                if _refuses_credentials(error):
                    raise CredentialsRefused(
                        f"{self._broker} refused: {error}"
                    ) from None
                if failures == 0:
                    _LOGGER.warning(
                        "%s: no connection to %s (%s); trying again until it is back",
                        self.name,
                        self._broker,
                        error,
                    )
                await self._pause(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1
            finally:
                self.outbox.disconnected()

    def _client(self) -> aiomqtt.Client:
        will = aiomqtt.Will(self._topics.of("status"), messages.OFFLINE, 1, True)
        client = aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            username=self._broker.username,
            password=self._broker.password,
            identifier=f"solarrally-{self._topics.of('station').replace('/', '-')}",
            protocol=aiomqtt.ProtocolVersion.V5,
            will=None if self._plain else will,
            clean_start=True,
            keepalive=KEEPALIVE_S,
            max_inflight_messages=WINDOW,
            # Frames are small: Nagle's algorithm would hold each one back.
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        )
        # The window and the backlog wait at the same time; that is no reason for a warning.
        client.pending_calls_threshold = 2 * WINDOW
        return client

    async def _serve(self, client: aiomqtt.Client) -> None:
        """One connection: from the announcement to the farewell. Raises MqttError."""
        if not self._leave.is_set():
            self._part.clear()
        flaw: BaseExceptionGroup[aiomqtt.MqttError] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                # First of all, for it is who notices that the connection is lost.
                group.create_task(self._listen(client))
                await self._announce(client)
                self.outbox.connected()
                self._connected.set()
                talking = (
                    group.create_task(self._send(client)),
                    group.create_task(self._catch_up(client)),
                )
                await self._part.wait()
                for task in talking:
                    task.cancel()
                if not self._plain:
                    await self._publish(client, "status", messages.OFFLINE, retain=True)
                raise _Parting
        except* _Parting:
            pass
        except* aiomqtt.MqttError as error:
            flaw = error
        if flaw is not None:
            raise aiomqtt.MqttError(str(_first(flaw)))

    async def _announce(self, client: aiomqtt.Client) -> None:
        """The contract's sequence after connect."""
        if self._plain:
            return
        snapshot = self.station.current_state()
        state = messages.state(snapshot, self.outbox.waiting_frames)
        await self._publish(client, "info", messages.info(self.station), retain=True)
        await self._publish(client, "state", state, retain=True)
        await self._publish(client, "status", messages.ONLINE, retain=True)
        granted = await client.subscribe(self._topics.of("command"), qos=1)
        if any(_is_failure(code) for code in granted):
            _LOGGER.warning(
                "%s: %s does not let it hear commands", self.name, self._broker
            )

    async def _publish(
        self, client: aiomqtt.Client, topic: str, payload: str, *, retain: bool = False
    ) -> None:
        """Return once the broker has acknowledged."""
        await client.publish(
            self._topics.plain_telemetry if self._plain else self._topics.of(topic),
            payload,
            qos=1,
            retain=retain,
            timeout=ACKNOWLEDGE_WITHIN_S,
        )

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Obey commands; a lost connection ends this with MqttError."""
        async for message in client.messages:
            boot = self.station.boot
            answer = self._desk.handle(message.payload, retained=message.retain)
            if answer is not None:
                result = Message(Kind.NOTE, "result", answer)
                self.outbox.put(result, first=True)
                if self.station.boot != boot:
                    self._last_words = result
            self.tell(self.station.settle())

    async def _send(self, client: aiomqtt.Client) -> None:
        """Send what is live, in order, with at most a window of it unacknowledged."""
        window = asyncio.Semaphore(WINDOW)
        async with asyncio.TaskGroup() as group:
            while True:
                await window.acquire()
                while (message := self.outbox.take()) is None:
                    self._work.clear()
                    await self._work.wait()
                group.create_task(self._deliver(client, message, window))

    async def _deliver(
        self, client: aiomqtt.Client, message: Message, window: asyncio.Semaphore
    ) -> None:
        await self._publish(
            client, message.topic, message.payload, retain=message.retain
        )
        self.outbox.acknowledge(message)
        window.release()
        if message is self._last_words:
            # A station that reboots is gone for a moment.
            self._last_words = None
            self._part.set()
        if self.outbox.empty:
            self._drained.set()

    async def _catch_up(self, client: aiomqtt.Client) -> None:
        """Send the backlog, oldest first, paced, beside the live frames."""
        behind = False
        while chunk := self.outbox.take_chunk():
            behind = True
            if self._plain:
                for frame in chunk:
                    await self._publish(client, "", frame)
            else:
                await self._publish(client, "backlog", messages.backlog(chunk))
            self.outbox.acknowledge_chunk()
            await asyncio.sleep(BACKLOG_PAUSE_S)
        if behind and not self._plain:
            self.outbox.put(self._state(self.station.current_state()))
        self._wake()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond `leave`."""
        try:
            async with asyncio.timeout(seconds):
                await self._leave.wait()
        except TimeoutError:
            pass


class _Parting(Exception):
    """The station leaves by its own will."""


def _first(group: BaseExceptionGroup[aiomqtt.MqttError]) -> aiomqtt.MqttError:
    """Find the first error in nested groups."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _is_failure(code: int | ReasonCode) -> bool:
    return code.is_failure if isinstance(code, ReasonCode) else code >= 0x80


def _refuses_credentials(error: aiomqtt.MqttError) -> bool:
    return (
        isinstance(error, aiomqtt.MqttCodeError)
        and isinstance(error.rc, ReasonCode)
        and error.rc.value in _REFUSED_CREDENTIALS
    )
