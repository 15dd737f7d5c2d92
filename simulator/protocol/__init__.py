"""The wire contract of docs/protocol/mqtt.md as the station speaks it. Pure."""
