"""Execute one run of a table: load it if finished, resume it if interrupted, else start it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from xltransfer.config import RunConfig
from xltransfer.experiments.grid import Cell
from xltransfer.registry.trusted_code import named_code
from xltransfer.training.progress import Reporter
from xltransfer.training.run import RunResult, load_result, resume, run
from xltransfer.training.run_folder import METRICS_FILE


def run_config(cell: Cell, seed: int, folder: Path) -> RunConfig:
    """Set a cell's seed and output folder inside `folder`."""
    return dataclasses.replace(cell.config, seed=seed, output=str(folder / cell.run_name(seed)))


def load_or_run(config: RunConfig, reporter: Reporter) -> RunResult:
    """Return the result of the run in `config.output`, running it if needed. Raises as `run` and `resume`."""
    path = Path(str(config.output))
    if (path / METRICS_FILE).is_file():
        return load_result(path)
    if not path.exists():
        return run(config, reporter)
    given = {**named_code(config.to_dict()), "skip_nonfinite": config.skip_nonfinite}
    return resume(path, RunConfig.from_yaml(path / "config.yaml", given), reporter)
