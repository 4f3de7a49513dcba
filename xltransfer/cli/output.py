"""Print tables on standard output, and the current status on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from xltransfer.experiments.tables.sweep import Report

EVERY = 20.0
"""Seconds between status lines where standard error is no terminal."""
_WIDEST = 10_000


@contextmanager
def status(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Context with a function that shows the latest status: a changing line in a terminal, else a line now and then."""
    console = Console(stderr=True, quiet=quiet)
    if console.is_terminal:
        with console.status("") as line:
            yield line.update
        return
    last = time.monotonic()

    def show(message: str) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            console.print(message, highlight=False, markup=False, soft_wrap=True)

    yield show


def print_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], title: str, *, left: int = 1, caption: str | None = None
) -> None:
    """Print a table of Rich markup as wide as it needs: a narrower terminal wraps its lines, and loses no digits.

    The first `left` columns are aligned to the left, the others to the right.
    """
    table = Table(title=title, caption=caption)
    for index, heading in enumerate(head):
        table.add_column(heading, justify="left" if index < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    needed = Console(width=_WIDEST).measure(table).maximum
    Console(width=max(Console().width, needed)).print(table)


def print_line(text: str) -> None:
    """Print a line as it is."""
    Console().print(text, soft_wrap=True, highlight=False, markup=False)


def print_comparison(head: Sequence[str], rows: Sequence[Sequence[str]], title: str, below: Sequence[str]) -> None:
    """Print a table of scores and the sentences below it; what `bold` marked is bold."""
    from xltransfer.experiments.tables.formats import as_markup

    print_table([escape(one) for one in head], [[as_markup(cell) for cell in row] for row in rows], escape(title))
    console = Console()
    for text in below:
        console.print(text, highlight=False, markup=False)


def print_report(report: Report, format: str, folder: Path) -> None:
    """Print the tables of a sweep, or of a comparison on several targets."""
    from xltransfer.experiments.tables.sweep import FORMATS, caption, headings, lines, verdicts

    if format in FORMATS:
        print(FORMATS[format](report), end="")
        return
    for matrix in report.matrices:
        print_comparison(headings(matrix), lines(matrix), caption(matrix), verdicts(matrix))
    print(f"runs: {folder}")
