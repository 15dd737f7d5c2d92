"""The reach below aiomqtt's surface: acknowledging by hand, against a real broker."""

import asyncio
from pathlib import Path

import aiomqtt
import paho.mqtt.client
import pytest

from billing_service.adapters.mqtt.client import AcknowledgingClient, Broker
from tests.adapters.mosquitto import billing_at, mosquitto, station_at

pytestmark = pytest.mark.asyncio

TOPIC = "ev/garage/telemetry"


def reader(broker_at: object) -> AcknowledgingClient:
    """Return the persistent client that the ingest uses."""
    return billing_at(broker_at).client("test", persistent=True, window=10)  # type: ignore[arg-type]  # the rig's


async def read(client: AcknowledgingClient, count: int) -> list[aiomqtt.Message]:
    """Read that many messages."""
    messages: list[aiomqtt.Message] = []
    async with asyncio.timeout(10):
        while len(messages) < count:
            messages += await client.batch(count, 10**6, 0.01)
    return messages


async def test_what_was_not_acknowledged_comes_again(tmp_path: Path) -> None:
    """Read but not acknowledged: the broker sends it to the next connection, and only that."""
    async with mosquitto(tmp_path) as broker:
        async with reader(broker) as client:
            await client.subscribe(TOPIC, qos=1)
            async with station_at(broker) as station:
                for number in range(4):
                    await station.publish(TOPIC, str(number), qos=1)
            messages = await read(client, 4)
            for message in messages[:2]:
                client.acknowledge(message)
        async with reader(broker) as client:
            again = await read(client, 2)
            assert [message.payload for message in again] == [b"2", b"3"]
            for message in again:
                client.acknowledge(message)
        async with reader(broker) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await client.batch(1, 10**6, 0.01)


async def test_no_more_than_the_window_waits_for_us(tmp_path: Path) -> None:
    """Unacknowledged messages hold the broker back: memory here stays bounded."""
    async with mosquitto(tmp_path) as broker, reader(broker) as client:
        await client.subscribe(TOPIC, qos=1)
        async with station_at(broker) as station:
            for number in range(30):
                await station.publish(TOPIC, str(number), qos=1)
        first = await read(client, 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await client.batch(1, 10**6, 0.01)
        for message in first:
            client.acknowledge(message)
        rest = await read(client, 10)
        assert [message.payload for message in rest[:10]] == [
            b"%d" % n for n in range(10, 20)
        ]


async def test_the_window_holds_when_much_has_queued_up(tmp_path: Path) -> None:
    """A broker that answers one acknowledgement with a flood is read as fast as it is taken."""
    async with mosquitto(tmp_path) as broker, reader(broker) as client:
        await client.subscribe(TOPIC, qos=1)
        async with station_at(broker) as station:
            await asyncio.gather(
                *(station.publish(TOPIC, str(n), qos=1) for n in range(500))
            )
        taken: list[bytes | None] = []
        most = 0
        while len(taken) < 500:
            batch = await read(client, 5)
            for message in batch:
                client.acknowledge(message)
                taken.append(message.payload)
            # The broker has time for what it must not do.
            await asyncio.sleep(0.02)
            most = max(most, client._queue.qsize())
        assert taken == [b"%d" % n for n in range(500)]
        assert most <= 11


async def test_who_reads_one_by_one_gets_all_of_a_flood(tmp_path: Path) -> None:
    """Results of commands are read without batches: reading goes on for them, too."""
    async with mosquitto(tmp_path) as broker, reader(broker) as client:
        await client.subscribe(TOPIC, qos=1)
        async with station_at(broker) as station:
            await asyncio.gather(
                *(station.publish(TOPIC, str(n), qos=1) for n in range(500))
            )
        taken: list[object] = []
        async with asyncio.timeout(20):
            async for message in client.messages:
                client.acknowledge(message)
                taken.append(message.payload)
                if len(taken) == 500:
                    break
                if len(taken) % 50 == 0:
                    # The flood comes in while something else is done.
                    await asyncio.sleep(0.05)
        assert taken == [b"%d" % n for n in range(500)]


async def test_a_batch_ends_with_its_bytes(tmp_path: Path) -> None:
    """Backlogs are large: a few of them are a batch, and none is left behind."""
    async with mosquitto(tmp_path) as broker, reader(broker) as client:
        await client.subscribe(TOPIC, qos=1)
        async with station_at(broker) as station:
            for _ in range(6):
                await station.publish(TOPIC, b"x" * 1000, qos=1)
        sizes: list[int] = []
        while sum(sizes) < 6:
            batch = await client.batch(100, 2500, 0.05)
            sizes.append(len(batch))
            for message in batch:
                client.acknowledge(message)
        assert max(sizes) <= 3


async def test_the_private_parts_of_the_library_are_where_we_reach_for_them() -> None:
    """An upgrade that moves them is told here, by name."""
    client = Broker().client("x", persistent=False, window=1)
    assert isinstance(client._client, paho.mqtt.client.Client)
    assert callable(client._client.manual_ack_set)
    assert callable(client._client.ack)
    assert isinstance(client._queue, asyncio.Queue)
    assert client._queue.maxsize == 0, "a bounded queue throws messages away"
