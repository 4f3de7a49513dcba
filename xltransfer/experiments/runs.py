"""Name the run of a cell of a table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from xltransfer.config import RunConfig
from xltransfer.experiments.grid import Cell


def run_config(cell: Cell, seed: int, folder: Path) -> RunConfig:
    """Set a cell's seed and output folder inside `folder`."""
    return dataclasses.replace(cell.config, seed=seed, output=str(folder / cell.run_name(seed)))
