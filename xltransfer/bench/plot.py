"""The picture of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xltransfer.bench.sweep import AXES, Point
from xltransfer.errors import DataError


def plot(points: list[Point], name: str, file: Path) -> None:
    """Seconds a step of each candidate over the varied thing, as PNG, SVG or PDF. Raises DataError."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DataError("plot: needs matplotlib; run: pip install 'xltransfer[report]'.") from error
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for index, first in enumerate(points[0].steps):
        steps = [point.steps[index] for point in points]
        places: Any = [point.place for point in points]
        (line,) = axes.plot(places, [step.seconds for step in steps], marker="o", label=first.name)
        low, high = zip(*(step.quartiles for step in steps), strict=True)
        axes.fill_between(places, low, high, alpha=0.2, color=line.get_color())
    axes.set(xlabel=AXES[name][1], ylabel="seconds a step (median, middle half)", ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
