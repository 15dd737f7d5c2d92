"""The demo's site lies where the sun shines."""

from datetime import UTC, datetime, timedelta

import pytest

from scripts.rig.place import place_of_midday


@pytest.mark.parametrize("month", [1, 4, 7, 10])
def test_somewhere_it_is_always_midday(month: int) -> None:
    """At any minute of the day, in any season, the place is within two hours of one o'clock."""
    start = datetime(2026, month, 15, tzinfo=UTC)
    times = [start + timedelta(minutes=it) for it in range(0, 24 * 60, 5)]
    assert all(place_of_midday(it).hours_from_midday(it) <= 2 for it in times)
