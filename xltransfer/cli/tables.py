"""Tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from xltransfer.experiments.tables.sweep import Report

_WIDEST = 10_000


def print_whole(table: Table) -> None:
    """Print a table at the width it needs: a narrower terminal wraps its lines, and loses no digits."""
    needed = Console(width=_WIDEST).measure(table).maximum
    Console(width=max(Console().width, needed)).print(table)


def print_report(report: Report, format: str, folder: Path) -> None:
    """Print what a sweep, or a comparison on several targets, has found by now."""
    from xltransfer.experiments.tables.sweep import FORMATS, caption, headings, lines, verdicts

    if format in FORMATS:
        print(FORMATS[format](report), end="")
        return
    for matrix in report.matrices:
        print_table(headings(matrix), lines(matrix), caption(matrix), verdicts(matrix))
    print(f"runs: {folder}")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], title: str, below: Sequence[str]) -> None:
    """Print a table that has its title above and sentences below; what `bold` marked is bold."""
    from xltransfer.experiments.tables.comparison import as_markup

    table = Table(title=escape(title))
    for index, heading in enumerate(head):
        table.add_column(escape(heading), justify="right" if index else "left", no_wrap=True)
    for line in rows:
        table.add_row(*map(as_markup, line))
    console = Console()
    print_whole(table)
    for text in below:
        console.print(text, highlight=False, markup=False)
