"""The SolarRally integration."""
