"""Render the result of a search for a terminal, Markdown, LaTeX (booktabs), CSV or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from xltransfer.experiments.search.search import SearchResult
from xltransfer.experiments.tables.formats import csv_table, latex_table, markdown_table

HEADINGS = ["", "dev score", "trials", "failed", "values"]
CAPTION = "Chosen by the mean dev score over columns and seeds."


def lines(found: Sequence[SearchResult]) -> list[list[str]]:
    """Format one line per row: name, dev score, trials, failed trials and values."""
    return [[one.row, "-" if one.dev is None else f"{100 * one.dev:.1f}", str(one.trials), str(one.failed),
             ", ".join(f"{name}={_short(value)}" for name, value in one.values.items())] for one in found]  # fmt: skip


def markdown(found: Sequence[SearchResult]) -> str:
    """Format as Markdown."""
    return f"{markdown_table(HEADINGS, lines(found))}\n{CAPTION}\n"


def latex(found: Sequence[SearchResult]) -> str:
    """Format for the booktabs package."""
    return latex_table(HEADINGS, lines(found), CAPTION)


def as_csv(found: Sequence[SearchResult]) -> str:
    """Format as CSV, one line per row, with the values as JSON."""
    rows = ([one.row, one.dev, one.trials, one.failed, json.dumps(one.values)] for one in found)
    return csv_table(["row", "dev", "trials", "failed", "values"], rows)


def as_json(found: Sequence[SearchResult]) -> str:
    """Format as one JSON object with a key per row."""
    return json.dumps({one.row: {"dev": one.dev, "trials": one.trials, "failed": one.failed, "values": one.values}
                       for one in found}) + "\n"  # fmt: skip


FORMATS: dict[str, Callable[[Sequence[SearchResult]], str]] = {
    "markdown": markdown, "latex": latex, "csv": as_csv, "json": as_json,
}  # fmt: skip


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
