"""Format rows of cells as a Markdown, LaTeX (booktabs), CSV or terminal table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from rich.markup import escape

_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
          "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}  # fmt: skip
METRICS = {"f1": "F1", "accuracy": "accuracy"}
"""Metric names in headings."""
_BOLD, _PLAIN = "\x02", "\x03"
_PIPE = r"\|"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table in Markdown, with the cells marked by `bold` in bold."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    text = "\n".join(f"| {' | '.join(cell.replace('|', _PIPE) for cell in line)} |" for line in lines)
    return text.replace(_BOLD, "**").replace(_PLAIN, "**") + "\n"


def latex_table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Format a table for the booktabs package, with the cells marked by `bold` in bold."""
    body = [" & ".join(map(_escaped, line)) + r" \\" for line in (head, *rows)]
    columns = "l" + "r" * (len(head) - 1)
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule",
             *body[1:], r"\bottomrule", r"\end{tabular}", rf"\caption{{{_escaped(caption)}}}",
             r"\end{table}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def bold(text: str) -> str:
    """Mark text as bold for every table format."""
    return f"{_BOLD}{text}{_PLAIN}"


def as_markup(text: str) -> str:
    """Convert a cell to Rich markup for a terminal."""
    return escape(text).replace(_BOLD, "[bold]").replace(_PLAIN, "[/bold]")


def csv_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Format a table as CSV."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([head, *rows])
    return file.getvalue()


def count_seeds(seeds: Sequence[int]) -> str:
    """Return the number of seeds with its noun, for captions."""
    return f"{len(seeds)} seed{'s' * (len(seeds) != 1)}"


def mean_and_deviation(mean: float, deviation: float | None) -> str:
    """Format a score between 0 and 1, and its standard deviation, in points."""
    return f"{100 * mean:.1f}" + ("" if deviation is None else f" ± {100 * deviation:.1f}")


def _escaped(text: str) -> str:
    plain = "".join(_LATEX.get(letter, letter) for letter in text)
    return plain.replace("±", r"$\pm$").replace(_BOLD, r"\textbf{").replace(_PLAIN, "}")
