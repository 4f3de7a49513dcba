"""What a command is doing: one line that changes in a terminal, a line now and then where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

EVERY = 20.0
"""Seconds between lines where standard error is no terminal."""


@contextmanager
def status(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Gives a function that takes the latest message; on standard error, unless `quiet`."""
    console = Console(stderr=True, quiet=quiet)
    if console.is_terminal:
        with console.status("") as line:
            yield line.update
        return
    last = time.monotonic()

    def tell(message: str) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            console.print(message, highlight=False, markup=False, soft_wrap=True)

    yield tell
