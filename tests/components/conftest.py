"""What holds for all tests that run inside Home Assistant."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Tolerate the one warning that Home Assistant itself lives with."""
    # Home Assistant keeps string keys in its aiohttp application on purpose.
    config.addinivalue_line(
        "filterwarnings", "ignore::aiohttp.web_exceptions.NotAppKeyWarning"
    )
