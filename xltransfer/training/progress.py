"""Report the progress of a run to the user."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text


class Reporter:
    """Prints nothing; the base class of all reporters."""

    def stage(self, message: str) -> None:
        """A stage that takes a while begins."""

    def note(self, message: str) -> None:
        """Print one line of information."""

    def warn(self, message: str) -> None:
        """Print a warning; the run continues."""

    def start(self, steps: int, epochs: int) -> None:
        """Training begins, with this total of steps and epochs."""

    def step(self, step: int, losses: Mapping[str, float]) -> None:
        """A step is complete."""

    def epoch(self, epoch: int, metric: str, dev: float, best: bool) -> None:
        """An epoch is scored on dev (between 0 and 1)."""

    def stop(self) -> None:
        """The run has ended, with or without an error."""


class WarningReporter(Reporter):
    """Prints warnings only, on standard error."""

    def warn(self, message: str) -> None:
        print(f"warning: {message}", file=sys.stderr)


class ConsoleReporter(Reporter):
    """Shows losses, dev score, speed and remaining time on standard error; without a terminal, one line per epoch."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("[bold]training"), BarColumn(bar_width=30), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), console=self.console,
        )  # fmt: skip
        self._live: Live | None = None
        self._status = self.console.status("")
        self._losses = self._dev = ""
        self._epochs = 0
        self._resumed_at: int | None = None

    def stage(self, message: str) -> None:
        """See `Reporter.stage`; shown until the next message."""
        if self._live:
            self._live.stop()
        if self.console.is_terminal:
            self._status.update(message)
            self._status.start()

    def note(self, message: str) -> None:
        self._status.stop()
        self.console.print(message, style="dim", highlight=False, soft_wrap=True, markup=False)

    def warn(self, message: str) -> None:
        self.console.print(f"warning: {message}", style="yellow", highlight=False, soft_wrap=True, markup=False)

    def start(self, steps: int, epochs: int) -> None:
        self._epochs, self._resumed_at = epochs, None
        for task in self._bar.task_ids:  # of a run before it, such as a teacher
            self._bar.remove_task(task)
        self._task = self._bar.add_task("train", total=steps, rate="")
        if self.console.is_terminal:
            self._live = Live(self._panel(), console=self.console, refresh_per_second=4, transient=True)
            self._live.start()

    def step(self, step: int, losses: Mapping[str, float]) -> None:
        self._losses = "  ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in losses.items())
        if self._resumed_at is None:  # a resumed run does not start at 0
            self._resumed_at = step - 1
            self._bar.reset(self._task, completed=self._resumed_at)
        task = self._bar.tasks[0]
        rate = f"{(step - self._resumed_at) / task.elapsed:.1f} steps/s" if task.elapsed else ""
        self._bar.update(self._task, completed=step, rate=rate)
        if self._live:
            self._live.update(self._panel())

    def epoch(self, epoch: int, metric: str, dev: float, best: bool) -> None:
        self._dev = f"epoch {epoch}/{self._epochs}: dev {metric} {100 * dev:.2f}{'  (best so far)' if best else ''}"
        self.console.print(f"{self._dev}   {self._losses}", highlight=False, soft_wrap=True, markup=False)

    def stop(self) -> None:
        self._status.stop()
        if self._live:
            self._live.stop()

    def _panel(self) -> Any:
        return Group(self._bar, Text(self._losses), Text(self._dev))
