"""Fixtures of the tests of adapters."""

import pytest

from tests.databases import KINDS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name each kind of database in turn."""
    name: str = request.param
    return name


@pytest.fixture(params=("sqlite", "postgresql"))
def relational_kind(request: pytest.FixtureRequest) -> str:
    """Name the two whose SQL differs: TimescaleDB changes nothing but frames."""
    name: str = request.param
    return name
