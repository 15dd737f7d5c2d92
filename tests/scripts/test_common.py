"""What the shell scripts share."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_ASK = """
. "$0/scripts/lib/common.sh"
system_python() { echo "$HOME/bin/python3"; }
find_uv
echo "${SSL_CERT_FILE:-}"
"""


def _certificates(home: Path, *, pip_says: Path | None = None, **env: str) -> str:
    """Return the file of certificates that uv is told to believe."""
    tools = home / "bin"
    tools.mkdir()
    for name, script in (
        ("uv", "echo uv 0.13.8"),
        ("python3", f'[ "$*" = "-m pip config get global.cert" ] && echo {pip_says}'),
    ):
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    told = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _ASK, str(ROOT)],
        env={"HOME": str(home), "PATH": f"{tools}:{os.environ['PATH']}", **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.strip()


def test_uv_believes_whom_all_programs_believe(tmp_path: Path) -> None:
    """What is set for all programs is left alone."""
    pip = tmp_path / "pip.pem"
    pip.touch()
    assert (
        _certificates(tmp_path, pip_says=pip, SSL_CERT_FILE="/mine.pem") == "/mine.pem"
    )


def test_uv_believes_whom_pip_believes(tmp_path: Path) -> None:
    """A certificate that pip's file names, as behind a proxy, is uv's too; its environment goes before."""
    in_file, in_environment = tmp_path / "file.pem", tmp_path / "environment.pem"
    in_file.touch()
    in_environment.touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert _certificates(tmp_path / "a", pip_says=in_file) == str(in_file)
    assert _certificates(
        tmp_path / "b", pip_says=in_file, PIP_CERT=str(in_environment)
    ) == str(in_environment)
