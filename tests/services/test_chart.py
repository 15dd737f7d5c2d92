"""Power over time, thinned out."""

from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

import pytest

from billing_service.domain.frame import Frame
from billing_service.domain.period import Source
from billing_service.services.chart import power_chart
from tests.services.site import T0, T0_MS


def frame(second: int, watts: int, source: Source = Source.SOLAR) -> Frame:
    """Make a frame."""
    return Frame("garage", 1, second, T0_MS + second * 1000, 0, 0, watts * 1000, source)


async def _stream(frames: Iterable[Frame]) -> AsyncIterator[Frame]:
    for each in frames:
        yield each


async def test_the_mean_keeps_the_energy() -> None:
    """However frames fall into the parts, Σ mean · width = Σ P · Δt of each source."""
    frames = [
        frame(n * 7, 1000 + n, Source.SOLAR if n % 3 else Source.GRID)
        for n in range(500)
    ]
    end = T0 + timedelta(seconds=499 * 7)
    points = await power_chart(_stream(frames), T0, end, points=33)
    width_s = (points[1].at - points[0].at).total_seconds()
    for source, values in (
        (Source.SOLAR, [point.solar_w for point in points]),
        (Source.GRID, [point.grid_w for point in points]),
    ):
        energy = sum(
            each.power_mw / 1000 * 7 for each in frames[:-1] if each.source is source
        )
        assert sum(values) * width_s == pytest.approx(energy)
    assert len(points) <= 33
    assert points[0].at > T0


async def test_a_gap_is_empty() -> None:
    """Power lasts a minute at most without another frame."""
    frames = [frame(0, 3600), frame(600, 3600), frame(610, 0)]
    end = T0 + timedelta(seconds=610)
    points = await power_chart(_stream(frames), T0, end, points=61)
    powered = [point.solar_w > 0 for point in points]
    assert powered[:6] == [True] * 6
    assert not any(powered[6:60])
    assert powered[60]


async def test_a_session_without_frames_or_length() -> None:
    """There is a point, and no power."""
    (point,) = await power_chart(_stream([]), T0, T0)
    assert (point.solar_w, point.grid_w) == (0, 0)
    (point,) = await power_chart(_stream([frame(0, 5), frame(99, 5)]), T0, T0)
    assert point.grid_w == 0
