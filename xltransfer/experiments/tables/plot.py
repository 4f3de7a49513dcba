"""The picture of tables: how far each row is from the baseline, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xltransfer.experiments.tables.comparison import METRICS
from xltransfer.experiments.tables.matrix import Matrix
from xltransfer.utils.pictures import new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_APART = 0.08
"""Of a column's width, between the marks of two rows."""


def plot(matrices: Sequence[Matrix], file: Path) -> None:
    """Draw differences of test scores in points, a panel a task, with 95 % intervals where two seeds allow them.

    PNG, SVG or PDF.
    """
    widths = [1.2 * len(matrix.columns) + 3.5 for matrix in matrices]
    figure = new_figure(sum(widths), 4)
    panels = figure.subplots(1, len(matrices), squeeze=False, width_ratios=widths)[0]
    for matrix, axes in zip(matrices, panels, strict=True):
        _panel(matrix, axes)
    save(figure, file)


def _panel(matrix: Matrix, axes: Axes) -> None:
    others = [row for row in matrix.rows if row != matrix.baseline]
    for index, row in enumerate(others):
        shift = _APART * (index - (len(others) - 1) / 2)
        found = {place + shift: difference(matrix, row, column) for place, column in enumerate(matrix.columns)}
        marks = [(place, *ends) for place, ends in found.items() if ends is not None]
        if marks:
            places, means, lows, highs = zip(*marks, strict=True)
            errors = [[mean - low for mean, low in zip(means, lows, strict=True)],
                      [high - mean for mean, high in zip(means, highs, strict=True)]]  # fmt: skip
            axes.errorbar(places, means, errors, marker="o", capsize=3, label=row)
    seeds = f"{len(matrix.seeds)} seed{'s' * (len(matrix.seeds) != 1)}"
    axes.axhline(0, color="grey", linewidth=1)
    axes.set_xticks(range(len(matrix.columns)), matrix.columns)
    axes.set(title=f"{matrix.task}, {seeds}" + ", 95 % intervals" * bool(matrix.comparisons),
             ylabel=f"test {METRICS[matrix.metric]} minus that of {matrix.baseline}, points")  # fmt: skip
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def difference(matrix: Matrix, row: str, column: str) -> tuple[float, float, float] | None:
    """A row's mean test score minus the baseline's, and the ends of its interval, in points.

    The ends are the mean itself where there is nothing to estimate an error from; None where one of the two is missing.
    """
    if column in matrix.comparisons:
        found = {one.name: one.difference for one in matrix.comparisons[column].rows}.get(row)
        if found is not None and found.low is not None and found.high is not None:
            return 100 * found.mean, 100 * found.low, 100 * found.high
    own, other = matrix.mean(row, column), matrix.mean(matrix.baseline, column)
    return None if own is None or other is None else (100 * (own - other),) * 3
