"""Fixtures of the API tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.api.harness import Api, open_api


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """Yield an API with users ``admin``, ``driver`` and ``other``, and a station."""
    async with open_api(tmp_path) as made:
        yield made
