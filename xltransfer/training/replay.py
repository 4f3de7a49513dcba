"""A step that failed, repeated from the state that its run folder keeps."""

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
    """The losses and gradient norms of the step that failed, computed again. Raises UserError.

    `plugin` names the Python files of the run's parts; those that its config.yaml names are not run.
    """
    folder = Path(run_dir) / FOLDER
    try:
        described = json.loads((folder / STEP).read_text(encoding="utf-8"))
        states = {name: safetensors.torch.load_file(folder / name) for name in (THETA, PHI, MOMENTS)}
        theta_moments = safetensors.torch.load_file(folder / THETA_MOMENTS) if (folder / THETA_MOMENTS).exists() else {}
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise ConfigError([f"replay: {str(folder)!r} holds no step that failed: {error}."]) from error
    values: dict[str, Any] = {name: described[name] for name in StepInputs.__dataclass_fields__}
    draw = StepInputs(**{**values, "source": tuple(values["source"]), "target": tuple(values["target"])})
    run = prepare(RunConfig.from_yaml(Path(run_dir) / "config.yaml", {"plugin": tuple(plugin)}), Reporter())
    vocabulary = compact_vocabulary(run)
    for module, file in ((run.learner, THETA), (run.rtn, PHI)):
        module.load_state_dict(states[file])
        module.train()
    trainee = build_trainee(run, draw.total)
    trainee.theta.load(theta_moments, {"done": draw.step - 1, "decay": 1.0})
    trainee.phi.load(states[MOMENTS], described["phi"])
    batches = step_batches(draw, run, Collator(run.encoder.padding, run.config.pad_to), vocabulary)
    try:
        return run.method.step(trainee, *batches, draw.seed)
    except NonFiniteError as error:
        return error.figures
