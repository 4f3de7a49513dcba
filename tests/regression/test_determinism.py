"""The same configuration gives the same bits: in one process, in another, with one thread and with two.

Stated for a CPU of one kind: other kernels (another CPU, another number of threads, another torch) round differently.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError, UserError
from xltransfer.testing.runs import log_of
from xltransfer.training import loop
from xltransfer.training.device import deterministic, supports_bf16
from xltransfer.training.run import run

SHORT: dict[str, Any] = {"epochs": 1, "source_size": 12, "target_size": 6, "batch_size": 6, "max_length": 32,
                         "data_options": {"train": 20, "dev": 4, "test": 4}}  # fmt: skip
COMBINATIONS: dict[str, dict[str, Any]] = {
    "func": {"deterministic": True},
    "func-forward": {"backend_options": {"mode": "forward"}, "activations": "recompute"},
    "higher": {"backend": "higher"},
    "fd": {"backend": "fd", "task": "sentiment"},
    "bf16": {"precision": "bf16", "deterministic": True},
    "mixed languages": {"source": ["base", "near"], "mixing": "temperature", "bucket": True, "rtn": "per-language"},
    "bandit": {"source": ["base", "near"], "mixing": "bandit"},
    "joint-rtn": {"method": "joint-rtn", "rtn": "transformer", "layer": [1, 3]},
}
if not supports_bf16(torch.device("cpu")):
    del COMBINATIONS["bf16"]
TWO_THREADS = [name for name in ("func", "bf16") if name in COMBINATIONS]


def digest(folder: Path, changes: dict[str, Any]) -> str:
    """Of θ, φ, the losses of every step, and the predictions."""
    result = run(RunConfig.from_mapping({**SHORT, **changes, "output": str(folder)}))
    found = hashlib.sha256()
    for file in sorted(folder.glob("*/*.safetensors")):
        for name, tensor in sorted(safetensors.torch.load_file(file).items()):
            found.update(name.encode() + tensor.numpy().tobytes())
    found.update(log_of(folder).encode())
    for name in ("predictions.test.tsv", "samples.json"):
        found.update((folder / name).read_bytes())
    return found.hexdigest() + json.dumps(result.metrics["test"])


def digests(folder: Path) -> dict[str, str]:
    """Of every combination with one thread, and of some with two."""
    found = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for name in COMBINATIONS if threads == 1 else TWO_THREADS:
            changes = COMBINATIONS[name]
            found[f"{name}, threads {threads}"] = digest(folder / f"{name}-{threads}", changes)
    return found


@contextmanager
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_again_in_this_process_and_in_another(tmp_path: Path) -> None:
    with threads_as_before():
        here = digests(tmp_path / "here")
        torch.set_num_threads(1)
        for name in ("func-forward", "bandit"):
            assert digest(tmp_path / "again" / name, COMBINATIONS[name]) == here[f"{name}, threads 1"]
    assert len(set(here.values())) >= len(COMBINATIONS)  # they are not all one run
    code = ("import json, pathlib, sys; from tests.regression.test_determinism import digests; "
            "print(json.dumps(digests(pathlib.Path(sys.argv[1]))))")  # fmt: skip
    environment = {**os.environ, "PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2"}
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "other")], cwd=root, env=environment, text=True,
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == here


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"backend": "auto"}, "backend auto chooses by time, which differs from run to run; name the mode"),
        ({"compile": True}, "with compile: yes nothing is promised"),
    ],
)
def test_what_cannot_be_promised_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=f"deterministic: .*{expected}"):
        RunConfig(deterministic=True, **changes).validated()


def test_an_operation_that_torch_cannot_repeat_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a CPU the one such operation at hand is `put_` without accumulation."""

    def unrepeatable(*_: Any) -> Any:
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False)

    monkeypatch.setattr(loop, "step_batches", unrepeatable)
    with pytest.raises(UserError, match=r"cannot repeat a step of this run bit for bit .*Drop --deterministic"):
        run(RunConfig.from_mapping({**SHORT, "deterministic": True, "output": str(tmp_path / "run")}))
    assert not (tmp_path / "run").exists()


def test_torch_is_left_as_it_was() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with deterministic(True):
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    with deterministic(False):
        assert not torch.are_deterministic_algorithms_enabled()


def test_cuda_that_runs_already_without_a_workspace_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with pytest.raises(ConfigError, match="set it to :4096:8"), deterministic(True):
        pass
