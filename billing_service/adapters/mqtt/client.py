"""How the service connects, and the one place that reaches below aiomqtt's surface."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any, Self

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long the broker keeps what it could not deliver to a service that is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is and who we are there."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    prefix: str = "ev"
    tls: bool = False
    ca_file: str | None = None

    def client(
        self, identifier: str, *, persistent: bool, window: int
    ) -> AcknowledgingClient:
        """Return a client that is not connected yet.

        ``persistent`` keeps subscriptions and undelivered messages at the broker while we are
        away; ``window`` is how many messages may wait for our acknowledgement (MQTT 5 Receive
        Maximum).
        """
        connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho
        connect.ReceiveMaximum = window
        if persistent:
            connect.SessionExpiryInterval = SESSION_EXPIRY_S
        return AcknowledgingClient(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            identifier=identifier,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=not persistent,
            properties=connect,
            tls_context=ssl.create_default_context(cafile=self.ca_file)
            if self.tls
            else None,
            keepalive=30,
            window=window,
        )


class AcknowledgingClient(aiomqtt.Client):
    """A client that acknowledges a message when told to, not when it is read.

    aiomqtt leaves acknowledging to paho, which does it on receipt; a message that was read but
    not stored yet would be lost with the process. paho can leave it to its caller, and aiomqtt
    keeps paho's client in a private attribute: the reach below is tested against a real broker
    (``tests/adapters/test_mqtt_client.py``), so that a change of the library shows there.

    When more wait than the window allows nothing is read from the socket until they are fewer:
    Mosquitto 2.0.11 keeps to Receive Maximum only until something queues up at the broker, and
    then answers each acknowledgement with a whole window more.
    """

    def __init__(self, *arguments: Any, window: int, **more: Any) -> None:
        """Prepare as aiomqtt does; ``window`` is the Receive Maximum."""
        super().__init__(*arguments, **more)
        self._window = window
        self._paused = False

    async def __aenter__(self) -> Self:
        """Connect. Raises aiomqtt.MqttError."""
        self._client.manual_ack_set(True)
        self._paused = False
        return await super().__aenter__()

    def acknowledge(self, message: aiomqtt.Message) -> None:
        """Tell the broker that a message is stored. Raises aiomqtt.MqttError when disconnected."""
        if self._paused and self._queue.qsize() < self._window:
            self._read_on()
        if message.qos == 0:
            return
        code = self._client.ack(message.mid, message.qos)
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(code, "could not acknowledge")

    async def batch(
        self, most: int, most_bytes: int, linger_s: float
    ) -> list[aiomqtt.Message]:
        """Wait for a message and return it with those that came right behind it.

        At most ``most``, and no more once they have ``most_bytes``; after the first, none is
        waited for longer than ``linger_s``. Raises aiomqtt.MqttError when the connection is lost.
        """
        messages = [await anext(self.messages)]
        size = len(messages[0].payload)
        lingered = False
        while len(messages) < most and size < most_bytes:
            try:
                messages.append(self._queue.get_nowait())
                size += len(messages[-1].payload)
            except asyncio.QueueEmpty:
                if lingered:
                    break
                lingered = True
                await asyncio.sleep(linger_s)
        return messages

    def _on_message(
        self, client: paho.Client, userdata: Any, message: paho.MQTTMessage
    ) -> None:
        super()._on_message(client, userdata, message)
        sock = self._client.socket()
        if sock is not None and self._queue.qsize() > self._window:
            self._paused = True
            self._loop.remove_reader(sock.fileno())

    def _read_on(self) -> None:
        self._paused = False
        sock = self._client.socket()
        if sock is not None:
            self._loop.add_reader(sock.fileno(), self._read)
            # What TLS has decrypted already makes the socket readable no more.
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        """Read as aiomqtt does."""
        sock = self._client.socket()
        while sock is not None and not self._paused:
            try:
                self._client.loop_read()
            except Exception as error:  # noqa: BLE001 - as aiomqtt: the connection is gone
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)
                return
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                return
