"""The command ``solarrally`` as a process."""

import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from billing_service.settings import PREFIX
from scripts.rig.process import Program

_REPOSITORY = Path(__file__).parent.parent
_numbers = count()


def solarrally(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Program:
    """Return a program, not started yet, that works and logs in a folder."""
    name = f"{arguments[0]}-{next(_numbers)}"
    return Program(
        name,
        [sys.executable, "-m", "billing_service", *arguments],
        log=folder / f"{name}.log",
        cwd=folder,
        env={
            "PYTHONPATH": str(_REPOSITORY),
            f"{PREFIX}DATA_DIR": str(folder),
            **(env or {}),
        },
    )
