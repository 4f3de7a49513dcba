"""One run of a table: taken if it is finished, continued if it was interrupted, else begun."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from xltransfer.config import RunConfig
from xltransfer.experiments.grid import Cell
from xltransfer.registry.trusted_code import code_of
from xltransfer.training.progress import Reporter
from xltransfer.training.run import RunResult, load_result, resume, run
from xltransfer.training.run_folder import METRICS_FILE


def config_of(cell: Cell, seed: int, folder: Path) -> RunConfig:
    """With a seed, and with a folder of its own inside `folder`."""
    return dataclasses.replace(cell.config, seed=seed, output=str(folder / cell.run_name(seed)))


def finished_or_run(config: RunConfig, reporter: Reporter) -> RunResult:
    """The result of the run in the folder that `config` names. Raises as `run` and `resume` do."""
    path = Path(str(config.output))
    if (path / METRICS_FILE).is_file():
        return load_result(path)
    if not path.exists():
        return run(config, reporter)
    given = {**code_of(config.to_dict()), "skip_nonfinite": config.skip_nonfinite}
    return resume(path, RunConfig.from_yaml(path / "config.yaml", given), reporter)
