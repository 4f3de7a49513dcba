"""A step that failed: what decided it, and the state before it, kept in the run folder."""

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
from xltransfer.utils.files import whole_folder, write_json

FOLDER = "failure"
STEP, THETA, PHI, MOMENTS = "step.json", "theta.safetensors", "phi.safetensors", "phi_optimizer.safetensors"
THETA_MOMENTS = "theta_optimizer.safetensors"
"""There where the method's step depends on them: they are twice as large as θ."""


@dataclass(frozen=True)
class StepInputs:
    """What decides a step besides θ and φ: its number (from 1, of `total`) and epoch, rows of the encoded source and
    target sets, the seed of its losses, and the learning rates."""

    step: int
    total: int
    epoch: int
    source: tuple[int, ...]
    target: tuple[int, ...]
    seed: int
    lr: float
    meta_lr: float


def save(
    run_dir: Path,
    run: PreparedRun,
    trainee: Trainee,
    draw: StepInputs,
    ids: Mapping[str, Sequence[str]],
    figures: Mapping[str, float],
) -> str:
    """Write `failure/`: θ, φ and φ's moments (and θ's, if the method uses them) as safetensors, the rest as JSON.

    Returns a sentence that says where.

    A full disk must not hide what happened: then the sentence says that nothing was kept.
    """
    folder = run_dir / FOLDER
    moments, place = trainee.phi.state()
    states = {THETA: run.learner.state_dict(), PHI: run.rtn.state_dict(), MOMENTS: moments}
    if run.method.uses_moments:
        states[THETA_MOMENTS] = trainee.theta.state()[0]
    described = {
        **asdict(draw),
        "phi": place,
        "ids": ids,
        "figures": {name: _plain(value) for name, value in figures.items()},
    }
    try:
        with whole_folder(folder) as partial:
            for name, tensors in states.items():
                safetensors.torch.save_file(untied_on_cpu(tensors), partial / name)
            write_json(partial / STEP, described)
    except (OSError, safetensors.SafetensorError, ConfigError) as error:
        return f"The state before it could not be kept in {folder} ({' '.join(str(error).split())})."
    return f"The state before it is in {folder}; xltransfer.training.replay repeats the step."


def sentence_ids(part: EncodedSet, rows: Sequence[int]) -> list[str]:
    """The ids of the sentences that rows of an encoded set are, or are pieces of."""
    examples = iter(part.examples)
    ids: list[str] = []
    for sentence in part.encoded:
        ids.append(ids[-1] if sentence.continues else next(examples).id)
    return [ids[row] for row in rows]


def _plain(value: float) -> float | str:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else str(value)
