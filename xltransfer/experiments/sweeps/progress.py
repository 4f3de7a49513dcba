"""Report the progress of a sweep and estimate the remaining time."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from xltransfer.experiments.engines.worker import Job
from xltransfer.experiments.sweeps.index import epoch_of

_NAMED = 4
"""As many running ones are told by name."""


@dataclass
class Progress:
    """Of `total` runs, `todo` were left when this call began; `finished` and `failed` since then."""

    total: int
    todo: int
    began: float = field(default_factory=time.monotonic)
    finished: int = 0
    failed: int = 0

    def text(self, running: Collection[Job]) -> str:
        """One line, from the logs of what is running."""
        epochs = {job.name: epoch_of(Path(str(job.config.output))) for job in running}
        named = [f"{job.label} (epoch {min(epochs[job.name][0] + epochs[job.name][1] or 1, job.config.epochs)} of "
                 f"{job.config.epochs})" for job in list(running)[:_NAMED]]  # fmt: skip
        more = ", ..." if len(running) > _NAMED else ""
        parts = [f"{self.total - self.todo + self.finished} of {self.total} done"]
        parts += [f"{self.failed} failed"] if self.failed else []
        told = ", ".join(parts)
        if running:
            told += f"; {len(running)} running: {', '.join(named)}{more}"
        done = sum((epoch - (not scored)) / job.config.epochs
                   for job in running for epoch, scored in [epochs[job.name]] if epoch)  # fmt: skip
        return told + self._left(done + self.finished + self.failed)

    def _left(self, done: float) -> str:
        if done <= 0 or done >= self.todo:
            return ""
        seconds = (time.monotonic() - self.began) / done * (self.todo - done)
        return f"; about {seconds / 60:.0f} min left" if seconds >= 90 else f"; about {seconds:.0f} s left"
