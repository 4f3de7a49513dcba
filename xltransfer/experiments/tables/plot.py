"""Draw how far each row of a comparison is from the baseline, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xltransfer.experiments.tables.formats import METRICS
from xltransfer.experiments.tables.matrix import Matrix
from xltransfer.utils.pictures import save

if TYPE_CHECKING:
    from altair import FacetChart, LayerChart


def plot(matrices: Sequence[Matrix], file: Path) -> None:
    """Draw differences of test scores in points, a panel a task, with 95 % intervals where two seeds allow them.

    PNG, SVG or PDF.
    """
    import altair as alt

    save(alt.hconcat(*map(_panel, matrices)).resolve_scale(color="independent"), file)


def _panel(matrix: Matrix) -> LayerChart | FacetChart:
    """A mark and an interval for each row and column; rows stand side by side in a column."""
    import altair as alt

    others = [row for row in matrix.rows if row != matrix.baseline]
    values = [
        {"row": row, "column": column, "mean": found[0], "low": found[1], "high": found[2]}
        for row in others
        for column in matrix.columns
        if (found := difference(matrix, row, column)) is not None
    ]
    title = f"test {METRICS[matrix.metric]} minus that of {matrix.baseline}, points"
    seeds = f"{len(matrix.seeds)} seed{'s' * (len(matrix.seeds) != 1)}"
    colour = alt.Color("row:N", scale=alt.Scale(domain=others))
    base = alt.Chart(alt.InlineData(values=values)).encode(
        alt.X("column:N", scale=alt.Scale(domain=matrix.columns), title=None, axis=alt.Axis(labelAngle=0)),
        alt.XOffset("row:N", scale=alt.Scale(domain=others, paddingOuter=0.6)),
    )
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule().encode(alt.Y("zero:Q", title=title))
    intervals = base.mark_rule(strokeWidth=1.5).encode(alt.Y("low:Q", title=title), alt.Y2("high:Q"), colour)
    marks = base.mark_point(filled=True, size=50, opacity=1).encode(alt.Y("mean:Q", title=title), colour)
    return alt.layer(
        zero, intervals, marks, title=f"{matrix.task}, {seeds}" + ", 95 % intervals" * bool(matrix.comparisons),
        width=max(180, 80 * len(matrix.columns)), height=260,
    )  # fmt: skip


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
