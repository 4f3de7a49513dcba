"""Render a comparison for a terminal, Markdown, LaTeX (booktabs), CSV or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

from xltransfer.experiments.compare import Comparison, Row
from xltransfer.experiments.tables.formats import (
    METRICS,
    bold,
    count_seeds,
    csv_table,
    latex_table,
    markdown_table,
    mean_and_deviation,
)


def cells(row: Row, comparison: Comparison) -> list[str]:
    """Format a row in points: name, test mean and deviation, dev, difference, interval, p-value and seconds."""
    found = row.difference
    interval = "" if found is None or found.low is None else f"{100 * found.low:+.1f} to {100 * (found.high or 0):+.1f}"
    return [
        row.name,
        mean_and_deviation(row.mean, row.deviation),
        f"{100 * sum(row.dev) / len(row.dev):.1f}",
        "baseline" if found is None else f"{100 * found.mean:+.1f}",
        interval,
        "" if row.p is None else f"{row.p:.3f}",
        f"{sum(row.seconds) / len(row.seconds):.0f}",
    ]


def headings(comparison: Comparison) -> list[str]:
    """Return the headings of the columns of `cells`."""
    metric = METRICS[comparison.metric]
    return [
        "",
        f"test {metric}",
        f"dev {metric}",
        f"vs {comparison.baseline}",
        "95 % interval",
        "p (Holm)",
        "seconds",
    ]


def lines(comparison: Comparison) -> list[list[str]]:
    """Format every row by `cells`, with the best score marked by `bold`."""
    return [_marked(row, comparison) for row in comparison.rows]


def markdown(comparison: Comparison) -> str:
    """Format as Markdown, with the best score in bold and the verdict below."""
    return f"{markdown_table(headings(comparison), lines(comparison))}\n{caption(comparison)} {comparison.verdict()}\n"


def latex(comparison: Comparison) -> str:
    """Format for the booktabs package, with the best score in bold."""
    return latex_table(headings(comparison), lines(comparison), f"{caption(comparison)} {comparison.verdict()}")


def as_csv(comparison: Comparison) -> str:
    """Format as CSV, one line per run: name, seed, test and dev score, seconds, folder."""
    head = ["name", "seed", f"test {comparison.metric}", f"dev {comparison.metric}", "seconds", "run"]
    return csv_table(head, (
        [row.name, *one] for row in comparison.rows
        for one in zip(comparison.seeds, row.test, row.dev, row.seconds, row.run_dirs, strict=True)
    ))  # fmt: skip


def as_json(comparison: Comparison) -> str:
    """Format as one JSON object."""
    return json.dumps(comparison.to_dict()) + "\n"


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "markdown": markdown, "latex": latex, "csv": as_csv, "json": as_json,
}  # fmt: skip


def caption(comparison: Comparison) -> str:
    """Return the caption: task, languages, seeds and test sentences."""
    source = " and ".join(comparison.source)
    return (
        f"{comparison.task}, {source} to {comparison.target}: mean and standard deviation over "
        f"{count_seeds(comparison.seeds)}, {comparison.sentences} test sentences."
    )


def _marked(row: Row, comparison: Comparison) -> list[str]:
    found = cells(row, comparison)
    return [found[0], bold(found[1]) if row.mean == comparison.best else found[1], *found[2:]]
