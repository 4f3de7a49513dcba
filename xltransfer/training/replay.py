"""Repeat a failed step from the state saved in its run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch

from xltransfer.config import RunConfig
from xltransfer.data.batching import Collator
from xltransfer.errors import ConfigError, NonFiniteError
from xltransfer.training.loop import step_batches
from xltransfer.training.preparation import prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.safety.failed_step import FOLDER, MOMENTS, PHI, STEP, THETA, THETA_MOMENTS, StepInputs
from xltransfer.training.state import build_trainee, compact_vocabulary


def replay(run_dir: str | Path, plugin: Sequence[str] = ()) -> dict[str, float]:
    """Compute the losses and gradient norms of the failed step again. Raises UserError.

    `plugin` names the Python files of the run's plugins; files named only in its config.yaml are not executed.
    """
    folder = Path(run_dir) / FOLDER
    try:
        saved = json.loads((folder / STEP).read_text(encoding="utf-8"))
        tensors = {name: safetensors.torch.load_file(folder / name) for name in (THETA, PHI, MOMENTS)}
        theta_moments = safetensors.torch.load_file(folder / THETA_MOMENTS) if (folder / THETA_MOMENTS).exists() else {}
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise ConfigError([f"replay: {str(folder)!r} holds no readable failed step: {error}."]) from error
    values: dict[str, Any] = {name: saved[name] for name in StepInputs.__dataclass_fields__}
    inputs = StepInputs(**{**values, "source": tuple(values["source"]), "target": tuple(values["target"])})
    run = prepare(RunConfig.from_yaml(Path(run_dir) / "config.yaml", {"plugin": tuple(plugin)}), Reporter())
    vocabulary = compact_vocabulary(run)
    for module, file in ((run.learner, THETA), (run.rtn, PHI)):
        module.load_state_dict(tensors[file])
        module.train()
    trainee = build_trainee(run, inputs.total)
    trainee.theta.load(theta_moments, {"done": inputs.step - 1, "decay": 1.0})
    trainee.phi.load(tensors[MOMENTS], saved["phi"])
    batches = step_batches(inputs, run, Collator(run.encoder.padding, run.config.pad_to), vocabulary)
    try:
        return run.method.step(trainee, *batches, inputs.seed)
    except NonFiniteError as error:
        return error.figures
