"""What a command of the checkout has ``scripts/setup`` get before it begins."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.mark.parametrize(
    ("command", "profile"),
    [
        (["demo"], "demo"),
        (["demo", "--once"], "demo"),
        (["demo", "--once", "--twin"], "twin"),
        (["twin", "--scenario", "sunny"], "twin"),
    ],
)
def test_the_twin_needs_esphome(
    tmp_path: Path, command: list[str], profile: str
) -> None:
    """On a fresh checkout too: nothing is there that another command has left."""
    name, *arguments = command
    scripts, python = tmp_path / "scripts", tmp_path / ".venv" / "bin" / "python"
    scripts.mkdir()
    python.parent.mkdir(parents=True)
    shutil.copy(SCRIPTS / name, scripts)
    for stand_in, text in ((scripts / "setup", 'echo "$@"'), (python, "")):
        stand_in.write_text(f"#!/bin/sh\n{text}\n")
        stand_in.chmod(0o755)
    done = subprocess.run(
        [scripts / name, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{profile}\n"
