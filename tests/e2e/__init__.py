"""The whole site as a newcomer runs it: ``scripts/demo`` and a browser."""
