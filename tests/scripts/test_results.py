"""What the demo says of a session."""

from scripts.rig.results import Results


def test_times_are_written_for_people() -> None:
    """In UTC, to the second."""
    energies = {"solar_wh": "2000.000", "grid_wh": "1000.000"}
    times = {
        "started_at": "2026-11-23T08:02:11.123456+01:00",
        "ended_at": "2026-11-23T09:30:00.5Z",
    }
    bill = {"number": "SR-1", "issued_on": "2026-11-23", "currency": "EUR"}
    sums = {"net": "1.00", "vat": "0.20", "total": "1.20"}
    results = Results(
        session={"energy_wh": "3000.000"},
        bill={**bill, **sums, "sessions": [{**times, **energies, "lines": []}]},
        homeassistant={"entities": []},
    )
    assert "2026-11-23 07:02:11 UTC to 2026-11-23 09:30:00 UTC" in str(results)
