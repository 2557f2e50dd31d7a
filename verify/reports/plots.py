"""Plots of evidence as inline SVG: shares with their confidence intervals, the claimed region and theory's exact values.

Colours are those of the page (CSS classes), so that one drawing serves light, dark and paper. Each has a title and a description in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 14, 40
MARKS = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True)
class Point:
    """A share with its interval, from 0 to 1; `series` numbers the group that it belongs to."""

    column: str
    share: float
    low: float
    high: float
    label: str
    series: int = 0


def accuracy_plot(
    title: str, points: Sequence[Point], regions: Mapping[str, tuple[float, float]], exact: Mapping[str, float]
) -> str:
    """Shares by column (a length): the region that the claim allows as a band, theory's exact value as a line, networks as marks."""
    columns = list(dict.fromkeys([*(point.column for point in points), *regions, *exact]))
    step = (WIDTH - LEFT - RIGHT) / max(len(columns), 1)
    left = {name: LEFT + index * step for index, name in enumerate(columns)}
    parts = [_grid(), *(_tick(left[name] + step / 2, name) for name in columns)]
    for name, (low, high) in regions.items():
        top, bottom = _y(min(high, 1.0)), _y(max(low, 0.0))
        height = max(bottom - top, 2)
        parts.append(f'<rect class="region" x="{left[name] + 3:.1f}" y="{top:.1f}" width="{step - 6:.1f}" height="{height:.1f}"/>')
    for name, value in exact.items():
        y, x = _y(value), left[name]
        line = f'<line class="exact" x1="{x + 3:.1f}" x2="{x + step - 3:.1f}" y1="{y:.1f}" y2="{y:.1f}">'
        parts.append(f"{line}<title>{escape(f'theory at {name}: {_percent(value)}')}</title></line>")
    for name in columns:
        mine = [point for point in points if point.column == name]
        for index, point in enumerate(mine):
            parts.append(_mark(left[name] + step * (index + 1) / (len(mine) + 1), point))
    words = "; ".join(f"{point.label}: {_percent(point.share)} ({_percent(point.low)} to {_percent(point.high)})" for point in points)
    return _svg(title, words or "no measurement yet", parts)


def calibration_plot(title: str, points: Sequence[tuple[float, Point]]) -> str:
    """Observed shares against those predicted exactly; on the diagonal the two agree."""
    side = WIDTH - LEFT - RIGHT
    diagonal = f'<line class="exact" x1="{LEFT}" y1="{_y(0):.1f}" x2="{WIDTH - RIGHT}" y2="{_y(1):.1f}"/>'
    parts = [_grid(), *(_tick(LEFT + side * share / 4, f"{25 * share} %") for share in range(5)), diagonal]
    parts += [_mark(LEFT + side * predicted, point) for predicted, point in points]
    words = "; ".join(f"{point.label}: predicted {_percent(predicted)}, observed {_percent(point.share)}" for predicted, point in points)
    return _svg(title, words or "nothing predicted exactly was measured yet", parts)


def _svg(title: str, words: str, parts: Sequence[str]) -> str:
    head = f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg">'
    return f"{head}<title>{escape(title)}</title><desc>{escape(words)}</desc>{''.join(parts)}</svg>"


def _y(share: float) -> float:
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _grid() -> str:
    lines = []
    for quarter in range(5):
        y = _y(quarter / 4)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{25 * quarter} %</text>')
    return "".join(lines)


def _tick(x: float, name: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(name)}</text>'


def _mark(x: float, point: Point) -> str:
    y, low, high = _y(point.share), _y(point.low), _y(point.high)
    hint = f"{point.label}: {_percent(point.share)} ({_percent(point.low)} to {_percent(point.high)})"
    bar = f'<line class="interval" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
    shape = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>',
        "square": f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>',
        "diamond": f'<path d="M{x:.1f} {y - 5:.1f}l5 5-5 5-5-5z"/>',
        "triangle": f'<path d="M{x:.1f} {y - 5:.1f}l5 9h-10z"/>',
    }[MARKS[point.series % len(MARKS)]]
    return f'<g class="series{point.series % len(MARKS)}"><title>{escape(hint)}</title>{bar}{shape}</g>'


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
