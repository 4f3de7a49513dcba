"""Training in several processes, and in several pieces of a batch, is training on the whole batch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.processes import CASES, LAUNCHED, after_steps, ended, saved, started
from tests.resuming import TINY, tiny
from tests.tiers import first_quick
from xltransfer.cli.main import status_of
from xltransfer.data.batching import IGNORED, Batch, split_into_pieces
from xltransfer.errors import ConfigError
from xltransfer.testing.runs import log_of
from xltransfer.training import distributed
from xltransfer.training.run import VARYING_METRICS, run

pytest.importorskip("accelerate")
LIMIT = {"metaxl, fd": 1e-6, "metaxl, weights of texts": 1e-6}
"""Differences of gradients magnify the rounding of what they are differences of."""


def compared(case: str, found: Mapping[str, Tensor]) -> None:
    whole = after_steps(case, 1)
    assert found.keys() == whole.keys()
    for name, value in whole.items():
        error = (found[name] - value).abs().max() / value.abs().max().clamp_min(1e-3)
        assert error < LIMIT.get(case, 1e-9), f"{case}, {name}: {error:.1e}"


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    for status, _, told in ended(started(["-m", "tests.processes", str(tmp_path)])):
        assert status == 0, told
    for case, accumulate in LAUNCHED:
        compared(case, saved(tmp_path, case, accumulate))


@pytest.mark.parametrize(
    "case, accumulate", first_quick([*((case, 3) for case in CASES), ("metaxl, func", 2), ("joint", 2)])
)
def test_accumulated_pieces_train_as_the_whole_batch(case: str, accumulate: int) -> None:
    compared(case, after_steps(case, accumulate))


RTN = """
import os, signal
import torch
from xltransfer import RTN, register_rtn

@register_rtn("told")
class Told(RTN):
    calls = 0

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.map = torch.nn.Linear(dim, dim)
        if os.environ.get("FAULTY") == os.environ.get("RANK", "none"):
            raise ValueError("this one is faulty")

    def forward(self, hidden, mask, layer):
        Told.calls += 1
        if Told.calls == 4 and os.environ.get("STOPPED") == os.environ.get("RANK", "none"):
            os.kill(os.getpid(), signal.SIGTERM)
        return 0.1 * self.map(hidden)
"""
"""Sends SIGTERM to one of the processes, or raises in it, as the environment says."""


def arguments(output: str, **changes: Any) -> list[str]:
    """Those of a run of six steps, saved after each."""
    values = {**TINY, "method": "metaxl", "rtn": "told", "checkpoint_steps": 1, "output": output, **changes}
    data = [word for name, value in values.pop("data_options").items() for word in ("--data-opt", f"{name}={value}")]
    options = [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return ["run", "--quiet", "--json", "--plugin", "told.py", *options, *data]


@pytest.fixture
def plugin(empty_folder: Path) -> Path:
    """The working directory, with the plugin in it."""
    (empty_folder / "told.py").write_text(RTN)
    return empty_folder


def files_of(folder: Path) -> dict[str, Any]:
    """What a run wrote, but for times."""
    metrics = json.loads((folder / "metrics.json").read_text())
    found = {name: (folder / name).read_text() for name in ("predictions.test.tsv", "samples.json")}
    names = ("rtn/rtn.safetensors", "model/model.safetensors")
    weights = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    return {
        **found,
        **weights,
        "log": log_of(folder),
        "metrics": {name: value for name, value in metrics.items() if name not in VARYING_METRICS},
    }


@pytest.mark.slow
def test_two_processes_write_one_run_and_one_continues_it(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Dropout is that of the pieces, whoever has them: 2 processes are `--accumulate 2`, bit for bit."""
    assert status_of(arguments("alone", accumulate=2)) == 0
    alone = files_of(plugin / "alone")

    (first, told, _), (second, silent, errors) = ended(started(["-m", "xltransfer", *arguments("two")]))
    assert (first, second, silent, errors) == (0, 0, "", "")
    assert json.loads(told)["run_dir"] == "two"
    assert files_of(plugin / "two") == alone
    assert not list(plugin.glob("two/checkpoint")) + list(plugin.glob("two/.lock"))

    stopped = ended(started(["-m", "xltransfer", *arguments("stopped")], STOPPED="1"))
    assert [status for status, *_ in stopped] == [130, 130]
    assert "xlt run --resume stopped --plugin told.py" in stopped[0][2]
    assert "xlt" not in stopped[1][2]
    assert list(plugin.glob("stopped/checkpoint/step-*"))
    capsys.readouterr()
    assert status_of(["run", "--resume", "stopped", "--plugin", "told.py", "--accumulate", "2", "--quiet"]) == 0
    assert "pieces of a batch" not in capsys.readouterr().err
    assert files_of(plugin / "stopped") == alone


@pytest.mark.slow
def test_all_processes_draw_the_same_languages(plugin: Path) -> None:
    several = ["--source", "base", "--source", "near", "--mixing", "bandit"]
    assert status_of([*arguments("alone", accumulate=2), *several]) == 0
    results = ended(started(["-m", "xltransfer", *arguments("two"), *several]))
    assert [status for status, *_ in results] == [0, 0], results
    assert files_of(plugin / "two") == files_of(plugin / "alone")
    assert '"mixture": {"base": 0.5, "near": 0.5}' in files_of(plugin / "two")["log"]


@pytest.mark.slow
def test_a_fault_of_one_process_ends_all_in_one_line(plugin: Path) -> None:
    results = ended(started(["-m", "xltransfer", *arguments("faulty")], FAULTY="1"))
    assert [status for status, *_ in results] == [2, 2]
    *warnings, line = results[0][2].strip().splitlines()
    assert line == "xlt: error: process 1: rtn told: this one is faulty"
    assert all(one.startswith("warning: ") for one in warnings)
    assert not results[1][2]
    assert not (plugin / "faulty").exists()


REFUSED: list[tuple[dict[str, str], dict[str, Any], str]] = [
    ({"ACCELERATE_USE_FSDP": "true"}, {}, "received FSDP"),
    ({"ACCELERATE_USE_DEEPSPEED": "true"}, {}, "received DeepSpeed"),
    ({"ACCELERATE_MIXED_PRECISION": "bf16"}, {}, "--precision bf16"),
    ({"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"}, {}, "--accumulate 4"),
    ({"MASTER_ADDR": "127.0.0.1", "ACCELERATE_USE_CPU": "true"}, {}, "torchrun"),
    ({"WORLD_SIZE": "2"}, {"method": "metaxl", "backend": "higher"}, "backends that work with pieces: auto, fd, func"),
    ({"WORLD_SIZE": "2"}, {"accumulate": 5}, "5 in each of 2 processes cuts a batch of 8 sentences into 10 pieces"),
    ({}, {"accumulate": 9}, "accumulate: 9 cuts a batch of 8 sentences into 9 pieces"),
    ({}, {"accumulate": 2, "method": "metaxl", "backend": "higher"}, "backend higher needs it whole"),
]


@pytest.mark.parametrize("environment, changes, expected", REFUSED)
def test_what_cannot_be_is_refused(
    environment: dict[str, str], changes: dict[str, Any], expected: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=re.escape(expected)):
        run(tiny(tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_tensors_go_in_messages_of_one_kind_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "_BUCKET", 10)
    tensors = {f"{kind}.{size}": torch.zeros(size, dtype=kind) for kind in (torch.float32, torch.float64)
               for size in (4, 5, 6, 20, 1)}  # fmt: skip
    messages = list(distributed._buckets(tensors))
    assert [[tensors[name].numel() for name in names] for names in messages] == 2 * [[4, 5, 6], [20], [1]]
    assert sorted(name for names in messages for name in names) == sorted(tensors)
    assert all(len({tensors[name].dtype for name in names}) == 1 for names in messages)


def test_a_command_for_one_process_is_refused_in_several(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert status_of(["compare", "--method", "joint"]) == 2
    assert "2 were started for 'xlt compare', which is for one" in capsys.readouterr().err


def test_a_batch_without_labels_is_not_a_loss_of_zero(tmp_path: Path) -> None:
    """Cut into pieces or not, a mean over no labels is NaN, which the guards tell of."""
    batch = Batch({"input_ids": torch.ones(4, 3, dtype=torch.long), "attention_mask": torch.ones(4, 3)},
                  torch.full((4, 3), IGNORED), torch.zeros(4))  # fmt: skip
    assert [piece.share for piece in split_into_pieces(batch, 2)] == [1.0, 1.0]
    some = replace(batch, labels=torch.tensor([[1, 1, 1], [IGNORED] * 3, [1, IGNORED, IGNORED], [IGNORED] * 3]))
    assert [piece.share for piece in split_into_pieces(some, 5)] == [0.0, 0.75, 0.0, 0.25, 0.0]
    assert sum(len(piece.batch) for piece in split_into_pieces(some, 3)) == 4
