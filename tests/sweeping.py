"""Small sweeps, an engine without processes, and a plugin that brings processes down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from xltransfer.cli import sweep as command
from xltransfer.cli.main import status_of
from xltransfer.experiments.engines.local import Engine
from xltransfer.experiments.engines.worker import Job, Outcome, execute

VALUES: dict[str, Any] = {
    "epochs": 1, "source_size": 24, "target_size": 8, "batch_size": 8, "lr": 0.005,
    "data_options": {"train": 40, "dev": 12, "test": 30},
}  # fmt: skip
"""Of runs of three steps."""
FOUR: dict[str, Any] = {"values": VALUES, "grid": {"method": ["joint", "metaxl"]}, "seeds": [1, 2]}
"""Four runs."""

CUT = """
import os, select, signal
from pathlib import Path

import torch
from xltransfer import RTN, register_rtn


@register_rtn("cut")
class Cut(RTN):
    def __init__(self, dim):
        super().__init__()
        self.map = torch.nn.Linear(dim, dim)
        self.calls = 0

    def forward(self, hidden, mask, layer):
        self.calls += 1
        if self.calls == 3 and Path("broken").exists():
            raise ValueError("broken on purpose")
        if self.calls == 3 and Path("signal").exists():
            self.bring_down(*Path("signal").read_text().split())
        return 0.1 * self.map(hidden)

    def bring_down(self, whom, number):
        Path("signal").rename("pid")
        Path("pid").write_text(str(os.getpid()))
        if whom == "worker":
            os.kill(os.getpid(), int(number))
        read, written = os.pipe()
        os.set_blocking(written, False)
        signal.set_wakeup_fd(written)
        os.kill(os.getppid() if whom == "parent" else int(whom), int(number))
        select.select([read], [], [], 60)  # until this process is told to stop
        signal.set_wakeup_fd(-1)
"""
"""An RTN that sends a signal, once, as the file `signal` says: to its own process (worker), its parent, or a number."""
CUT_RUNS: dict[str, Any] = {
    "values": {**VALUES, "epochs": 2, "rtn": "cut", "method": "joint-rtn", "checkpoint_steps": 1}, "seeds": [1, 2],
}  # fmt: skip


class Inline(Engine):
    """Does a job when it is submitted, by `action`, which may raise ConnectionError: then the worker is lost."""

    lost = (ConnectionError,)

    def __init__(self, action: Callable[[Job], Outcome] = execute) -> None:
        super().__init__(2)
        self.done: list[str] = []
        self.stopped = False
        self._action = action

    def __exit__(self, *error: object) -> None:
        """Nothing to end."""

    def submit(self, job: Job) -> Future[Outcome]:
        """See `Engine.submit`."""
        self.done.append(job.label)
        future: Future[Outcome] = Future()
        try:
            future.set_result(self._action(job))
        except Exception as error:
            future.set_exception(error)
        return future

    def stop(self) -> None:
        """See `Engine.stop`."""
        self.stopped = True


@contextmanager
def without_processes() -> Iterator[None]:
    """Within: `xlt sweep` does its runs in this process."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(command, "_engine", lambda *arguments: Inline)
        yield


def write(content: dict[str, Any], name: str = "s.yaml") -> str:
    """A sweep file in this folder."""
    Path(name).write_text(yaml.safe_dump(content, sort_keys=False))
    return name


def swept(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[dict[str, Any], str]:
    """What `xlt sweep s.yaml` prints as JSON, and what it tells on standard error."""
    capsys.readouterr()
    found = status_of(["sweep", "s.yaml", "--quiet", "--json", *arguments])
    printed = capsys.readouterr()
    assert found == status, printed.err
    return json.loads(printed.out or "null"), printed.err


def scores(report: dict[str, Any]) -> dict[str, float]:
    """Test scores by run."""
    cells = [cell for table in report["tables"] for cell in table["cells"]]
    return {run["run"]: run["test"] for cell in cells for run in cell["seeds"].values()}
