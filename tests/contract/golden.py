"""The golden messages as test parameters."""

from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

type Case = ParameterSet
GOLDEN = Path(__file__).parent / "golden"


def valid(kind: str) -> list[Case]:
    """Return the payloads of a kind that every receiver must accept."""
    return [
        pytest.param(path.read_bytes(), id=path.stem) for path in _files(kind, "valid")
    ]


def invalid(kind: str) -> list[Case]:
    """Return (payload, reason) of a kind that every receiver must refuse."""
    return [
        pytest.param(path.read_bytes(), path.name.split("--")[0], id=path.stem)
        for path in _files(kind, "invalid")
    ]


def golden_bytes(kind: str, name: str) -> bytes:
    """Return the payload of one valid message."""
    return (GOLDEN / kind / "valid" / f"{name}.json").read_bytes()


def _files(kind: str, verdict: str) -> list[Path]:
    files = sorted((GOLDEN / kind / verdict).iterdir())
    assert files, f"no golden messages for {kind}/{verdict}"
    return files
