"""The SolarRally station in software.

`physics` and `station` are pure: they do no input or output, own no clock and draw their
randomness from a seed, so the same seed and start give the same frames. `protocol` turns what
happens into the messages of docs/protocol/mqtt.md. `publisher`, `runner` and `cli` bring them
to a broker. Nothing here is shared with the other parts of SolarRally.
"""
