"""Where the lines, ticks and marks of a chart lie, in the units of an SVG's viewBox. The templates draw them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xltransfer.report.curves import Curves
from xltransfer.report.formats import number

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 408, 10, 184
_FEW = 12
"""Up to so many points, each is marked."""
STYLES = 8
"""Kinds of line: colour and dashes."""


@dataclass(frozen=True)
class Tick:
    """A place on an axis and what is written there."""

    place: float
    label: str


@dataclass(frozen=True)
class Line:
    """One curve: an SVG path, and its points if they are few; else those that have no neighbour to draw a line to."""

    name: str
    path: str
    dots: tuple[tuple[float, float], ...]
    style: int


@dataclass(frozen=True)
class Chart:
    """A line chart and, as `rows`, its data."""

    curves: Curves
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[float, ...]
    places: tuple[float, ...]
    rows: tuple[tuple[str, ...], ...]


def chart(curves: Curves) -> Chart:
    """Lay out some curves."""
    values = [value for line in curves.lines.values() for value in line if value is not None]
    x_ticks = _whole_ticks(min(curves.x), max(curves.x))
    across = _scale(min(curves.x), max(curves.x), LEFT, RIGHT)
    y_ticks = _log_ticks(min(values), max(values)) if curves.log_scale else ticks(*_limits(values))
    height = math.log10 if curves.log_scale else float
    low, high = (height(found(*values, *y_ticks)) for found in (min, max)) if values else (0.0, 1.0)
    up = _scale(low, high, BOTTOM, TOP)

    def place(x: float, y: float) -> tuple[float, float]:
        return round(across(x), 1), round(up(height(y)), 1)

    lines = tuple(
        _line(name, [None if y is None else place(x, y) for x, y in zip(curves.x, line, strict=True)], index)
        for index, (name, line) in enumerate(curves.lines.items())
    )
    columns = zip(curves.x, *curves.lines.values(), strict=True)
    return Chart(
        curves,
        lines,
        tuple(Tick(round(across(x), 1), number(x)) for x in x_ticks),
        tuple(Tick(round(up(height(y)), 1), number(y)) for y in y_ticks),
        tuple(round(across(x), 1) for x in curves.marks if min(curves.x) <= x <= max(curves.x)),
        tuple(round(across(x), 1) for x in curves.x),
        tuple(tuple(map(number, row)) for row in columns),
    )


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from below `low` to above `high`."""
    if not high > low:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    rough = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * place, 12) for place in range(first, last + 1)]


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """From 0 where all are on one side of it and not far from it."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (0.0, high) if 0 < low < 0.7 * high else (low, high)


def _whole_ticks(low: float, high: float) -> list[float]:
    """Steps and epochs are whole numbers; none is outside of the data."""
    return sorted({*(x for x in ticks(low, high) if low <= x <= high and x == int(x)), *([low] if low == high else [])})


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = -(-len(powers) // 6)
    found = [10.0**power for power in powers[::every]]
    return found if found[-1] >= high else [*found, 10.0 ** (powers[-1] + every - 1)]


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """From values to places; the middle if there is one value only."""
    if high == low:
        return lambda value: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _line(name: str, points: Sequence[tuple[float, float] | None], index: int) -> Line:
    parts, pen = [], "M"
    for point in points:
        if point is not None:
            parts.append(f"{pen}{point[0]:g} {point[1]:g}")
        pen = "M" if point is None else "L"
    alone = [None, *points, None]
    dots = tuple(
        point
        for before, point, after in zip(alone, points, alone[2:], strict=False)
        if point is not None and (len(points) <= _FEW or before is after is None)
    )
    return Line(name, "".join(parts), dots, index % STYLES)
