"""Power over time, thinned out for a chart. Nothing is billed from this: floats will do."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from billing_service.domain.frame import Frame, to_ms
from billing_service.domain.period import Source
from billing_service.domain.proof import ChartPoint

MAX_GAP_MS = 60_000
"""Power is taken to last until the next frame, but no longer than this."""


async def power_chart(
    frames: AsyncIterator[Frame],
    started_at: datetime,
    ended_at: datetime,
    *,
    points: int = 240,
) -> tuple[ChartPoint, ...]:
    """Return the mean power by source in equal parts of a session, each at its middle."""
    start_ms, end_ms = to_ms(started_at), to_ms(ended_at)
    width_ms = max(1_000, -(-(end_ms - start_ms) // points))
    count = max(1, -(-(end_ms - start_ms) // width_ms))
    mean: dict[Source, list[float]] = {source: [0.0] * count for source in Source}
    previous: Frame | None = None
    async for frame in frames:
        if previous is not None:
            until = min(frame.at_ms, previous.at_ms + MAX_GAP_MS)
            _spread(mean[previous.source], previous, until, start_ms, width_ms)
        previous = frame
    return tuple(
        ChartPoint(
            at=started_at + timedelta(milliseconds=(index + 0.5) * width_ms),
            solar_w=mean[Source.SOLAR][index],
            grid_w=mean[Source.GRID][index],
        )
        for index in range(count)
    )


def _spread(
    mean: list[float], frame: Frame, until_ms: int, start_ms: int, width_ms: int
) -> None:
    """Add a frame's power to each part it lasts in, by its share of that part."""
    at_ms = frame.at_ms
    while at_ms < until_ms:
        index = (at_ms - start_ms) // width_ms
        edge_ms = min(until_ms, start_ms + (index + 1) * width_ms)
        if 0 <= index < len(mean):
            mean[index] += frame.power_mw / 1000 * (edge_ms - at_ms) / width_ms
        at_ms = edge_ms
