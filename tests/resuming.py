"""Small runs, and ways to interrupt them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.training.progress import Reporter

TINY: dict[str, Any] = {
    "method": "joint-rtn",
    "epochs": 2,
    "source_size": 20,
    "target_size": 10,
    "batch_size": 8,
    "data_options": {"train": 40, "dev": 8, "test": 8},
    "max_length": 32,
}
"""A run of six steps."""
FAULTY = """
import torch
from xltransfer import RTN, register_rtn

@register_rtn("mine")
class Mine(RTN):
    def __init__(self, dim):
        super().__init__()
        self.project = torch.nn.Linear(dim, dim)
    def forward(self, hidden, mask, layer):
        return self.project(hidden) * (float("nan") if int(mask.sum()) % 2 else 0.1)  # of about every second batch
"""
"""A plugin whose change is NaN in about every second step."""


def tiny(output: Path, **changes: Any) -> RunConfig:
    """The configuration of a run of six steps that is saved after each."""
    return RunConfig.from_mapping({**TINY, "checkpoint_steps": 1, "output": str(output), **changes})


class Signalled(Reporter):
    """Sends this process a signal, once, after a step (or at the scoring of test, where `step` is None)."""

    def __init__(self, step: int | None, number: signal.Signals = signal.SIGTERM, times: int = 1) -> None:
        self.warnings: list[str] = []
        self._wanted = step
        self._number = number
        self._times = times

    def step(self, step: int, losses: Mapping[str, float]) -> None:
        """See `Reporter.step`."""
        if step == self._wanted:
            for _ in range(self._times):
                os.kill(os.getpid(), self._number)

    def stage(self, message: str) -> None:
        """See `Reporter.stage`."""
        if self._wanted is None and message == "scoring the test set":
            os.kill(os.getpid(), self._number)

    def warn(self, message: str) -> None:
        """See `Reporter.warn`."""
        self.warnings.append(message)


class FileEvents:
    """Counts what is done to files below a folder, and kills this process at the event of a given number.

    Python tells of every opening, renaming and removal before it happens. A hook cannot be taken away again: only for
    a process that ends soon.
    """

    KINDS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")

    def __init__(self, below: Path, fatal: int | None = None) -> None:
        self.count = 0
        self._below = str(below)
        self._fatal = fatal
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in self.KINDS or not str(arguments[0]).startswith(self._below):
            return
        self.count += 1
        if self.count == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(action: Callable[[], int | None]) -> int:
    """`action` in a forked process; its exit status, or less the number of the signal that killed it.

    The status is what `action` returns (0 for None), 1 if it raises.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = action() or 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
