#!/usr/bin/env python3
"""Simulate SolarRally stations on an MQTT broker; `--help` tells all options."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"

sys.path.insert(0, str(ROOT))

try:
    from simulator.cli import main
except ImportError as missing:
    # What it needs is in the checkout's environment, which also has the right Python.
    if PYTHON.exists() and Path(sys.prefix) != PYTHON.parents[1]:
        os.execv(PYTHON, [str(PYTHON), __file__, *sys.argv[1:]])  # noqa: S606  # no shell wanted
    sys.exit(f"{missing}: run scripts/setup demo first")

if __name__ == "__main__":
    sys.exit(main())
