"""The broker: telemetry in, commands out."""

from billing_service.adapters.mqtt.client import Broker
from billing_service.adapters.mqtt.commands import MqttCommands
from billing_service.adapters.mqtt.ingest import MqttIngest

__all__ = ["Broker", "MqttCommands", "MqttIngest"]
