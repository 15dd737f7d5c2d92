"""Charging power over local time, stacked by source."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from reportlab.graphics.shapes import Drawing, Line, Polygon, Rect, String
from reportlab.lib.colors import Color
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth

from billing_service.adapters.pdf import style
from billing_service.adapters.pdf.formats import Formats
from billing_service.domain.cdr import Estimate
from billing_service.domain.proof import ChartPoint

_HEIGHT = 44 * mm
_LEFT, _RIGHT, _TOP, _BOTTOM = 10 * mm, 3 * mm, 6 * mm, 9 * mm
_FONT = 6.5
_MAX_TICKS = 9
_STEPS_KW = (0.1, 0.2, 0.5, 1, 2, 2.5, 5, 10, 20, 25, 50, 100, 200, 500)
_STEPS = [
    timedelta(minutes=m)
    for m in (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 7200, 14400)
]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the data lie on the paper."""

    started_at: datetime
    ended_at: datetime
    top_w: float

    @property
    def width(self) -> float:
        return style.WIDTH - _LEFT - _RIGHT

    @property
    def height(self) -> float:
        return _HEIGHT - _TOP - _BOTTOM

    def x(self, at: datetime) -> float:
        share = (at - self.started_at) / (self.ended_at - self.started_at)
        return _LEFT + min(max(share, 0.0), 1.0) * self.width

    def y(self, power_w: float) -> float:
        return _BOTTOM + power_w / self.top_w * self.height


def power_chart(
    points: Sequence[ChartPoint],
    estimates: Sequence[Estimate],
    zone: str,
    formats: Formats,
    started_at: datetime,
    ended_at: datetime,
) -> Drawing:
    """Draw the mean powers as steps: solar at the bottom, grid upon it, gaps left white.

    Each point stands for the stretch to halfway to its neighbours. Estimated stretches are shaded.
    """
    drawing = Drawing(style.WIDTH, _HEIGHT)
    step_kw = _step_kw(max((p.solar_w + p.grid_w for p in points), default=0.0) / 1000)
    most_kw = max((p.solar_w + p.grid_w for p in points), default=0.0) / 1000
    rows = max(1, -int(-most_kw // step_kw))
    frame = _Frame(
        started_at,
        max(ended_at, started_at + timedelta(seconds=1)),
        rows * step_kw * 1000,
    )
    for estimate in estimates:
        left, right = frame.x(estimate.started_at), frame.x(estimate.ended_at)
        width = max(right - left, 0.6)
        drawing.add(box(left, _BOTTOM, width, frame.height, style.ESTIMATED))
    _power_axis(drawing, frame, rows, step_kw, formats)
    _areas(drawing, frame, points)
    _time_axis(drawing, frame, zone, formats)
    _legend(drawing, formats, estimated=bool(estimates))
    if not any(p.solar_w or p.grid_w for p in points):
        drawing.add(
            _text(
                _LEFT + frame.width / 2,
                _BOTTOM + frame.height / 2 - 2,
                formats.words.no_power,
                anchor="middle",
            )
        )
    return drawing


def _areas(drawing: Drawing, frame: _Frame, points: Sequence[ChartPoint]) -> None:
    edges = _edges(frame, points)
    for fill, low, high in (
        (style.SOLAR, [0.0] * len(points), [p.solar_w for p in points]),
        (
            style.GRID,
            [p.solar_w for p in points],
            [p.solar_w + p.grid_w for p in points],
        ),
    ):
        steps = list(zip(edges, edges[1:], low, high, strict=False))
        for filled, run in groupby(steps, key=lambda step: step[3] > step[2]):
            if filled:
                drawing.add(_area(frame, list(run), fill))


def _area(
    frame: _Frame, run: Sequence[tuple[float, float, float, float]], fill: Color
) -> Polygon:
    upper: list[float] = []
    lower: list[float] = []
    for left, right, _, high in run:
        upper += [left, frame.y(high), right, frame.y(high)]
    for left, right, low, _ in reversed(run):
        lower += [right, frame.y(low), left, frame.y(low)]
    # A hair of outline in the same colour closes the seams that viewers draw between areas.
    return Polygon(
        upper + lower,
        fillColor=fill,
        strokeColor=fill,
        strokeWidth=0.15,
        strokeLineJoin=1,
    )


def _edges(frame: _Frame, points: Sequence[ChartPoint]) -> list[float]:
    if not points:
        return []
    times = [p.at for p in points]
    halves = [a + (b - a) / 2 for a, b in pairwise(times)]
    return [frame.x(at) for at in (frame.started_at, *halves, frame.ended_at)]


def _power_axis(
    drawing: Drawing, frame: _Frame, rows: int, step_kw: float, formats: Formats
) -> None:
    for row in range(rows + 1):
        y = frame.y(row * step_kw * 1000)
        drawing.add(
            Line(
                _LEFT,
                y,
                _LEFT + frame.width,
                y,
                strokeColor=style.LINE,
                strokeWidth=0.8 if row == 0 else 0.4,
            )
        )
        label = formats.plain_number(round(row * step_kw, 3))
        drawing.add(_text(_LEFT - 4, y - _FONT * 0.35, label, anchor="end"))
    drawing.add(_text(_LEFT - 4, _HEIGHT - _FONT, "kW", anchor="end"))


def _time_axis(drawing: Drawing, frame: _Frame, zone: str, formats: Formats) -> None:
    day = None
    for at in _ticks(frame.started_at, frame.ended_at, ZoneInfo(zone)):
        x = frame.x(at)
        local = at.astimezone(ZoneInfo(zone))
        drawing.add(
            Line(x, _BOTTOM, x, _BOTTOM - 2.5, strokeColor=style.MUTED, strokeWidth=0.5)
        )
        drawing.add(
            _text(x, _BOTTOM - 3.5 - _FONT, formats.clock(at, zone), anchor="middle")
        )
        if local.date() != day:
            day = local.date()
            drawing.add(
                _text(
                    x,
                    _BOTTOM - 4.5 - 2 * _FONT,
                    formats.day_and_month(at, zone),
                    anchor="middle",
                )
            )


def _ticks(started_at: datetime, ended_at: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return round local times, a handful of them."""
    length = ended_at - started_at
    step = next((s for s in _STEPS if length / s <= _MAX_TICKS), _STEPS[-1])
    local = started_at.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    offset = midnight.utcoffset() or timedelta(0)
    found = []
    at = midnight.astimezone(started_at.tzinfo)
    while at <= ended_at:
        # After a change of clocks the steps follow the wall clock, so that labels stay round.
        moved = at - ((at.astimezone(zone).utcoffset() or timedelta(0)) - offset)
        if step < timedelta(hours=2):
            moved = at
        if started_at <= moved <= ended_at:
            found.append(moved)
        at += step
    return found


def _step_kw(most_kw: float) -> float:
    """Return a round distance of grid lines that makes at most four of them."""
    return next((s for s in _STEPS_KW if most_kw / s <= 4), most_kw / 4 or 1.0)


def _legend(drawing: Drawing, formats: Formats, *, estimated: bool) -> None:
    words = formats.words
    entries: list[tuple[str, Color]] = [
        (words.solar, style.SOLAR),
        (words.grid, style.GRID),
    ]
    if estimated:
        entries.append((words.estimated, style.ESTIMATED))
    x = style.WIDTH - _RIGHT
    for label, fill in reversed(entries):
        x -= stringWidth(label, style.REGULAR, _FONT)
        drawing.add(_text(x, _HEIGHT - _FONT, label))
        x -= 9
        drawing.add(box(x, _HEIGHT - _FONT, 6, 5, fill))
        x -= 9


def box(x: float, y: float, width: float, height: float, fill: Color) -> Rect:
    """Return a filled rectangle without a border."""
    rect = Rect(x, y, width, height)
    rect.fillColor = fill
    rect.strokeColor = None
    return rect


def _text(
    x: float, y: float, text: str, anchor: Literal["start", "middle", "end"] = "start"
) -> String:
    return String(
        x,
        y,
        text,
        fontName=style.REGULAR,
        fontSize=_FONT,
        fillColor=style.MUTED,
        textAnchor=anchor,
    )
