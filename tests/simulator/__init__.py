"""The station in software: physics, control, protocol, publisher."""
