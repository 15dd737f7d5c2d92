"""Publishes each line of standard input with QoS 1 and ends when the broker has them all."""

import sys

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


def main(port: int, username: str, password: str, topic: str) -> None:
    """Publish. Raises RuntimeError when the connection is lost."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(username, password)
    # More than the broker takes at once costs more than it saves.
    client.max_inflight_messages_set(200)
    client.connect("127.0.0.1", port)
    client.loop_start()
    last = None
    for line in sys.stdin.buffer:
        last = client.publish(topic, line.rstrip(b"\n"), qos=1)
    if last is not None:
        last.wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4])
