"""aiomqtt that only receives and acknowledges: the limit of every ingest that is built on it."""

import asyncio
import sys

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


async def main(port: int, username: str, password: str, frames: int) -> None:
    """Receive so many messages and print how many a second; with 0, only make the session."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = 1000
    loop = asyncio.get_running_loop()
    async with aiomqtt.Client(
        "127.0.0.1",
        port,
        username=username,
        password=password,
        identifier="bare",
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
    ) as client:
        if not frames:
            await client.subscribe("ev/telemetry", qos=1)
            return
        messages = aiter(client.messages)
        await anext(messages)
        began = loop.time()
        for _ in range(frames - 1):
            await anext(messages)
        print((frames - 1) / (loop.time() - began))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
