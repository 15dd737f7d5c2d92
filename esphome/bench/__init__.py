"""A lab bench for the twin: simulated contactors, meters, sources and a car, around the real firmware."""
