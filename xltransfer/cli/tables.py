"""Tables in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

_WIDEST = 10_000


def print_whole(table: Table) -> None:
    """Print a table at the width it needs: a narrower terminal wraps its lines, and loses no digits."""
    needed = Console(width=_WIDEST).measure(table).maximum
    Console(width=max(Console().width, needed)).print(table)
