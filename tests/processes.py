"""AccelerateProcesses processes of one run on this machine, and what some cases of training come to in them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from tests.resuming import tiny
from xltransfer.backends.base import Backend, MetaStep
from xltransfer.data.batching import Collator
from xltransfer.training.distributed import AccelerateProcesses
from xltransfer.training.loop import step_batches
from xltransfer.training.preparation import prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.safety.failed_step import StepInputs
from xltransfer.training.state import TrainingState
from xltransfer.utils.processes import ALONE, Processes

STEPS = 3
CASES: dict[str, dict[str, Any]] = {
    "metaxl, func": {"method": "metaxl"},
    "metaxl, forward": {"method": "metaxl", "backend_options": {"mode": "forward"}},
    "metaxl, two inner steps": {"method": "metaxl", "backend_options": {"inner_steps": 2}, "layer": (1, 3)},
    "metaxl, mixed layers": {"method": "metaxl", "rtn": "multi", "rtn_options": {"mix": "softmax"}, "layer": (1, 2)},
    "metaxl, per language": {"method": "metaxl", "rtn": "per-language", "source": ("base", "near")},
    "metaxl, weights": {
        "method": "metaxl",
        "rtn": "weights",
        "rtn_options": {"by": "both", "inner": "mlp"},
        "layer": (1, 3),
    },
    "metaxl, weights of texts": {
        "method": "metaxl",
        "task": "sentiment",
        "rtn": "weights",
        "rtn_options": {"by": "loss"},
        "backend": "fd",
    },
    "metaxl, released": {"method": "metaxl", "method_options": {"order": "released", "theta_batch": "whole"}},
    "metaxl, Adam's step": {  # not from the first step on, where the entries with least gradient weigh most
        "method": "metaxl",
        "method_options": {"inner_step": "adam", "start": 0.2, "support_share": 0.4, "normalised": True},
    },
    "metaxl, fd": {"method": "metaxl", "backend": "fd"},
    "metaxl, sentiment": {"method": "metaxl", "task": "sentiment"},
    "joint": {"method": "joint"},
    "joint-rtn": {"method": "joint-rtn", "layer": (1, 3)},
    "target-only": {"method": "target-only"},
}


LAUNCHED = [*((case, 1) for case in CASES), ("metaxl, func", 2), ("joint", 2)]
"""What is tried in two processes: the case, and the pieces in each."""


def after_steps(case: str, accumulate: int, processes: Processes = ALONE) -> dict[str, Tensor]:
    """θ, φ and the last meta-gradient after three steps in float64, without dropout.

    The pieces of a batch are of different sizes; in the last step, with one source sentence, most are empty.
    """
    config = tiny(Path("unused"), batch_size=7, accumulate=accumulate, lr=1e-3, **CASES[case])
    run = replace(prepare(config, Reporter()), processes=processes)
    run.learner.double().eval()
    run.rtn.double().eval()
    state, last = TrainingState(run), _recorded(run.backend)
    for step in range(STEPS):
        source = range(3 * step, 3 * step + (1 if step == STEPS - 1 else 7))
        draw = StepInputs(step + 1, STEPS, 1, tuple(source), tuple(range(step, step + 5)), 10 * step, 0.0, 0.0)
        batches = step_batches(draw, run, Collator(run.encoder.padding), state.vocabulary)
        run.method.step(state.trainee, *batches, draw.seed)
    found = {f"theta.{name}": value.detach() for name, value in run.learner.named_parameters()}
    found |= {f"phi.{name}": value.detach() for name, value in run.rtn.named_parameters()}
    return found | {f"meta.{name}": value for meta in last[-1:] for name, value in meta.meta_grads.items()}


def _recorded(backend: Backend) -> list[MetaStep]:
    """What the backend returns from now on."""
    steps: list[MetaStep] = []

    def recording(method: Callable[..., MetaStep]) -> Callable[..., MetaStep]:
        def called(*arguments: Any) -> MetaStep:
            steps.append(method(*arguments))
            return steps[-1]

        return called

    for name in ("step", "step_in_pieces"):
        setattr(backend, name, recording(getattr(backend, name)))
    return steps


def started(command: Sequence[str], count: int = 2, **environment: str) -> list[subprocess.Popen[str]]:
    """`python COMMAND` in `count` processes that know of one another, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {**os.environ, "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
              "OMP_NUM_THREADS": "1", **environment}  # fmt: skip
    return [
        subprocess.Popen([sys.executable, *command], env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in range(count)
    ]  # fmt: skip


def ended(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Status, output and errors of each, in order."""
    outputs = [process.communicate(timeout=300) for process in processes]
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


def _main(folder: Path) -> None:
    """The first process writes what comes out."""
    torch.set_num_threads(1)
    processes = AccelerateProcesses(cpu=True)
    for case, accumulate in LAUNCHED:
        found = after_steps(case, accumulate, processes)
        if processes.number == 0:
            safetensors.torch.save_file(found, _file(folder, case, accumulate))


def saved(folder: Path, case: str, accumulate: int) -> Mapping[str, Tensor]:
    """What `_main` wrote."""
    found: dict[str, Tensor] = safetensors.torch.load_file(_file(folder, case, accumulate))
    return found


def _file(folder: Path, case: str, accumulate: int) -> Path:
    return folder / f"{case} {accumulate}.safetensors"


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
