"""Index of a sweep's runs, rebuilt from their run folders; `index.json` is a cache for other tools.

A run that failed leaves a note beside its folder, `NAME.failed.json`, until it has finished.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from xltransfer.errors import ConfigError
from xltransfer.experiments.engines.worker import Outcome
from xltransfer.experiments.grid import Cell
from xltransfer.training.run import RunResult, load_result
from xltransfer.training.run_folder import METRICS_FILE
from xltransfer.utils.files import write_json

INDEX = "index.json"
LOCK = ".index.lock"
_TAIL = 8192
"""Bytes at the end of a log that hold its last line."""


@dataclass(frozen=True)
class PlannedRun:
    """A planned run: one cell with one seed. Two may share a folder if they are the same run."""

    cell: Cell
    seed: int

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.cell.run_name(self.seed)

    @property
    def label(self) -> str:
        """Name for messages."""
        return f"{self.cell.name}, {self.cell.column}, seed {self.seed}"


@dataclass(frozen=True)
class State:
    """The state of a run: `waiting` (nothing yet), `begun` (running or interrupted), finished or failed."""

    kind: Literal["finished", "failed", "begun", "waiting"]
    result: RunResult | None = None
    error: str = ""
    attempts: int = 0
    """Failed attempts."""


def plan_runs(cells: Sequence[Cell], seeds: Sequence[int]) -> list[PlannedRun]:
    """Plan the runs seed by seed, so that every row has results early."""
    return [PlannedRun(cell, seed) for seed in seeds for cell in cells]


def state_of(folder: Path, name: str) -> State:
    """Read the state of a run from its folder."""
    path = folder / name
    if (path / METRICS_FILE).is_file():
        try:
            return State("finished", load_result(path))
        except ConfigError as error:
            return State("failed", error=hide_paths(folder, str(error)))
    note = _note(folder, name)
    if note:
        return State("failed", error=str(note.get("error")), attempts=int(note.get("attempts", 1)))
    return State("begun" if path.is_dir() else "waiting")


def states_of(folder: Path, runs: Sequence[PlannedRun]) -> dict[str, State]:
    """Read the states of runs, by name."""
    return {name: state_of(folder, name) for name in dict.fromkeys(run.name for run in runs)}


def write_index(folder: Path, sweep: str, runs: Sequence[PlannedRun], states: dict[str, State]) -> None:
    """Rewrite `index.json`, and remove failure notes of runs that have finished since."""
    found: dict[str, Any] = {}
    for run in runs:
        state, result = states[run.name], states[run.name].result
        entry = found.setdefault(run.name, {"state": state.kind, "cells": []})
        place = {"task": run.cell.config.task, "row": run.cell.name, "column": run.cell.column, "seed": run.seed}
        entry["cells"] += [place] if place not in entry["cells"] else []
        if result is not None:
            _note_file(folder, run.name).unlink(missing_ok=True)
            entry |= {"dev": result.dev.to_dict(), "test": result.test.to_dict(), "seconds": result.metrics["seconds"]}
        if state.error:
            entry |= {"error": state.error, "attempts": state.attempts}
    with FileLock(folder / LOCK):  # --status may write it at the same time as the sweep
        write_json(folder / INDEX, {"sweep": sweep, "runs": found})


def record_failure(folder: Path, name: str, outcome: Outcome) -> None:
    """Write the note of a run that has failed."""
    attempts = int((_note(folder, name) or {}).get("attempts", 0)) + 1
    write_json(_note_file(folder, name), {"error": hide_paths(folder, outcome.error), "traceback": outcome.traceback,
                                          "attempts": attempts})  # fmt: skip


def hide_paths(folder: Path, text: str) -> str:
    """Replace this machine's paths by run names."""
    return text.replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "").replace(f"{Path.cwd()}/", "")


def epoch_of(path: Path) -> tuple[int, bool]:
    """Read a run's current epoch from its log, and whether it is scored; 0 before the first."""
    try:
        with (path / "log.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            last = json.loads(file.read().splitlines()[-1])
        return int(last["epoch"]), "dev" in last
    except (OSError, ValueError, LookupError, TypeError):  # none yet, or half a line
        return 0, False


def _note_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.failed.json"


def _note(folder: Path, name: str) -> dict[str, Any] | None:
    """Read a failure note; None if it is missing or unreadable, since the run is retried in any case."""
    try:
        found = json.loads(_note_file(folder, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
