"""The picture of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xltransfer.bench.sweep import AXES, Point
from xltransfer.utils.pictures import new_figure, save


def plot(points: list[Point], name: str, file: Path) -> None:
    """Seconds a step of each candidate over the varied thing, and times a joint step, as PNG, SVG or PDF.

    A machine's speed drifts from point to point; the ratio, taken in turns at each point, does not.
    """
    compared = points[0].steps[0].ratio is not None
    figure = new_figure(9 if compared else 5, 4)
    panels = figure.subplots(1, 2 if compared else 1, squeeze=False)[0]
    places: Any = [point.place for point in points]
    for index, first in enumerate(points[0].steps):
        steps = [point.steps[index] for point in points]
        (line,) = panels[0].plot(places, [step.seconds for step in steps], marker="o", label=first.name)
        low, high = zip(*(step.quartiles for step in steps), strict=True)
        panels[0].fill_between(places, low, high, alpha=0.2, color=line.get_color())
        if compared:
            panels[1].plot(places, [step.ratio for step in steps], marker="o", color=line.get_color())
    for axes, title in zip(panels, ("seconds a step (median, middle half)", "joint-training steps"), strict=False):
        axes.set(xlabel=AXES[name][1], ylabel=title, ylim=(0, None))
        axes.grid(alpha=0.3)
    panels[0].legend()
    save(figure, file)
