"""Shared fixtures. Real corpora and encoders lie beside the checkout; tests that need them skip where they do not."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from xltransfer.config import RunConfig
from xltransfer.registry import REGISTRIES
from xltransfer.training.run import RunResult, run

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["XLT_CACHE"] = tempfile.mkdtemp(prefix="xltransfer-tests-")
torch.set_num_threads(1)  # the suite runs one process a core

SHARED = Path(__file__).parents[2] / "shared"


def shared(path: str) -> Path:
    """A path below the shared folder; skips the test where it is absent."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"{path} is not beside this checkout (../shared/{path})")
    return found


SHORT = {
    "epochs": 1,
    "source_size": 48,
    "target_size": 16,
    "data_options": {"train": 200, "dev": 20, "test": 60},
    "max_length": 64,
}
"""Settings of a run that takes a second or two."""


def short_run(output: Path, **changes: object) -> RunResult:
    """A small run on the embedded default."""
    return run(RunConfig.from_mapping({**SHORT, "output": str(output), **changes}))


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunResult]:
    """One finished run of each of three tasks."""
    folder = tmp_path_factory.mktemp("finished")
    return {task: short_run(folder / task, task=task) for task in ("ner", "sentiment", "pos")}


def work_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `folder` the working directory, and forget afterwards what plugins register."""
    monkeypatch.chdir(folder)
    for registry in REGISTRIES.values():
        monkeypatch.setattr(registry, "_entries", {**registry._entries})
        monkeypatch.setattr(registry, "_classes", {**registry._classes})


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory is an empty one, and what a plugin registers is forgotten afterwards."""
    work_in(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where the suite runs in a shell's background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
