"""The broker: telemetry in, commands out."""

from billing_service.adapters.mqtt.client import Broker
from billing_service.adapters.mqtt.commands import MqttCommands
from billing_service.adapters.mqtt.ingest import MqttIngest
from billing_service.adapters.mqtt.keeper import Keeper

__all__ = ["Broker", "Keeper", "MqttCommands", "MqttIngest"]
