#!/usr/bin/env python3
"""Simulate SolarRally stations on an MQTT broker; `--help` tells all options."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    from simulator.cli import main
except ModuleNotFoundError as missing:
    sys.exit(
        f"{missing.name} is not installed here: run scripts/setup, then use .venv/bin/python"
    )

if __name__ == "__main__":
    sys.exit(main())
