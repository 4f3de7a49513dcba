"""Save a failed step in the run folder: its inputs, and the parameters before it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch

from xltransfer.errors import ConfigError
from xltransfer.methods.base import Trainee
from xltransfer.training.checkpointing.checkpoint import untied_on_cpu
from xltransfer.training.preparation import EncodedSet, PreparedRun
from xltransfer.utils.files import atomic_folder, write_json

FOLDER = "failure"
STEP, THETA, PHI, MOMENTS = "step.json", "theta.safetensors", "phi.safetensors", "phi_optimizer.safetensors"
THETA_MOMENTS = "theta_optimizer.safetensors"
"""Written only if the method's step depends on it: it is twice as large as θ."""


@dataclass(frozen=True)
class StepInputs:
    """Everything besides θ and φ that determines a step.

    `step` counts from 1 to `total`. `source` and `target` are rows of the encoded sets, `seed` is that of the losses,
    `lr` and `meta_lr` are the learning rates of θ and φ in this step.
    """

    step: int
    total: int
    epoch: int
    source: tuple[int, ...]
    target: tuple[int, ...]
    seed: int
    lr: float
    meta_lr: float


def save_failed_step(
    run_dir: Path,
    run: PreparedRun,
    trainee: Trainee,
    inputs: StepInputs,
    ids: Mapping[str, Sequence[str]],
    figures: Mapping[str, float],
) -> str:
    """Write `failure/`: θ, φ, φ's moments (and θ's, if the method uses them) as safetensors, the rest as JSON.

    Return a sentence that names the folder. If writing fails, as on a full disk, the sentence says so: no exception
    may hide the failed step itself.
    """
    folder = run_dir / FOLDER
    moments, schedule = trainee.phi.state()
    states = {THETA: run.learner.state_dict(), PHI: run.rtn.state_dict(), MOMENTS: moments}
    if run.method.uses_moments:
        states[THETA_MOMENTS] = trainee.theta.state()[0]
    described = {
        **asdict(inputs),
        "phi": schedule,
        "ids": ids,
        "figures": {name: _json_value(value) for name, value in figures.items()},
    }
    try:
        with atomic_folder(folder) as partial:
            for name, tensors in states.items():
                safetensors.torch.save_file(untied_on_cpu(tensors), partial / name)
            write_json(partial / STEP, described)
    except (OSError, safetensors.SafetensorError, ConfigError) as error:
        return f"The state before the step could not be saved in {folder} ({' '.join(str(error).split())})."
    return f"The state before the step is in {folder}; xltransfer.training.replay repeats it."


def sentence_ids(part: EncodedSet, rows: Sequence[int]) -> list[str]:
    """Return the sentence ids of rows of an encoded set; several rows may be pieces of one sentence."""
    examples = iter(part.examples)
    ids: list[str] = []
    for sentence in part.encoded:
        ids.append(ids[-1] if sentence.continues else next(examples).id)
    return [ids[row] for row in rows]


def _json_value(value: float) -> float | str:
    """Return NaN and infinities as strings, which JSON lacks as numbers."""
    return value if math.isfinite(value) else str(value)
