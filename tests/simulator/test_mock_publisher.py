"""The script that starts the simulator, by whatever Python it is called."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "mock_publisher.py"


@pytest.mark.parametrize("python", [sys.executable, sys._base_executable])  # type: ignore[attr-defined]  # without the environment
def test_it_finds_the_environment_by_itself(python: str, tmp_path: Path) -> None:
    """A Python that lacks what it needs hands over to the checkout's, arguments and all."""
    ended = subprocess.run(  # ours
        [python, SCRIPT, "--rate", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert (
        ended.stderr
        == "mock_publisher.py: error: argument --rate: '0' is outside 0.01 to 50 Hz\n"
    )
