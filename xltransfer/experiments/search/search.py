"""Search hyperparameters per row by validation scores, with Optuna's TPE sampler.

Proposals depend only on the sweep file and on the scores so far. An interrupted search therefore resumes by starting
again: the runs that it proposes first are already finished.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from xltransfer.errors import ConfigError, UserError
from xltransfer.experiments.compare import task_of
from xltransfer.experiments.grid import Cell, with_changes
from xltransfer.experiments.search.space import Range
from xltransfer.experiments.sweeps.file import RowStart, Sweep
from xltransfer.experiments.sweeps.index import LOCK, PlannedRun, State, plan_runs
from xltransfer.utils.files import write_text

BEST = "best.yaml"

Do = Callable[[Sequence[PlannedRun]], Mapping[str, State]]
"""Executes runs, or reads their states."""


@dataclass
class SearchResult:
    """Result of a row: finished and failed trials, best mean dev score and its values."""

    row: str
    trials: int = 0
    failed: int = 0
    dev: float | None = None
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, score: float | None, values: Mapping[str, Any]) -> None:
        """Record a trial's score, None if it failed. The first of equals is the best."""
        self.trials += score is not None
        self.failed += score is None
        if score is not None and (self.dev is None or score > self.dev):
            self.dev, self.values = score, dict(values)


def search(sweep: Sweep, do: Do) -> list[SearchResult]:
    """Run the trials, one of every row at a time; stops early if runs are missing.

    Raises ConfigError if Optuna is not installed, or for a value that a row cannot have.
    """
    assert sweep.search is not None
    optuna = _optuna()
    space = {row: _used(sweep, row) for row in sweep.rows}
    studies = {row: optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
               for row, ranges in space.items() if ranges}  # fmt: skip
    if not studies:
        raise ConfigError([f"{sweep.where}: search: no row uses any of {', '.join(sweep.search.ranges)}."])
    found = {row: SearchResult(row) for row in studies}
    for _ in range(sweep.search.trials):
        trials = {row: study.ask() for row, study in studies.items()}
        chosen = {row: _proposed(trial, space[row]) for row, trial in trials.items()}
        cells = [cell for cell in sweep.cells(chosen) if cell.row in studies]
        states = do(plan_runs(cells, sweep.search.seeds))
        if any(state.kind not in ("finished", "failed") for state in states.values()):
            break
        for row, trial in trials.items():
            score = _score([cell for cell in cells if cell.row == row], sweep.search.seeds, states)
            failed = optuna.trial.TrialState.FAIL if score is None else None
            studies[row].tell(trial, score, state=failed)
            found[row].add(score, chosen[row])
    return list(found.values())


def write_best(sweep: Sweep, found: Sequence[SearchResult], folder: Path) -> Path:
    """Write `best.yaml`, the sweep of the final runs with the chosen values."""
    chosen = {one.row: one.values for one in found if one.dev is not None}
    content: dict[str, Any] = {"values": with_changes(sweep.values, chosen.get("", {}))}
    if "" not in sweep.rows:
        content["rows"] = {
            row: [_with_values(start, chosen.get(row, {}), sweep) for start in starts]
            for row, starts in sweep.rows.items()
        }
    content |= {"grid": dict(sweep.grid), "seeds": list(sweep.seeds)}
    content |= {"baseline": sweep.baseline} if sweep.baseline else {}
    path = folder / BEST
    with FileLock(folder / LOCK):
        write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return path


def _with_values(start: RowStart, chosen: Mapping[str, Any], sweep: Sweep) -> dict[str, Any] | str:
    """Return a row with its chosen values; a recipe is written out, since a row is either values or a recipe."""
    if start.recipe is None:
        return with_changes(start.drop_values(chosen).values, chosen)
    if not chosen:
        return start.recipe.name
    given = with_changes({name: value for name, value in sweep.values.items() if name != "plugin"}, chosen)
    full = start.recipe.with_options(given)
    return dict(RowStart(full).drop_values({**sweep.grid, "seed": None}).values)


def _used(sweep: Sweep, row: str) -> dict[str, Range]:
    """Return the ranges that affect a row."""
    assert sweep.search is not None
    return {name: one for name, one in sweep.search.ranges.items()
            if len({tuple(cell.key for cell in _cells(sweep, row, {name: end})) for end in one.ends}) > 1}  # fmt: skip


def _cells(sweep: Sweep, row: str, chosen: Mapping[str, Any]) -> list[Cell]:
    return [cell for cell in sweep.cells({row: chosen}) if cell.row == row]


def _proposed(trial: Any, ranges: Mapping[str, Range]) -> dict[str, Any]:
    return {name: _suggested(trial, name, one) for name, one in ranges.items()}


def _suggested(trial: Any, name: str, one: Range) -> Any:
    if one.choices:
        choice = one.choices[trial.suggest_categorical(name, list(range(len(one.choices))))]
        return list(choice) if isinstance(choice, tuple) else choice
    if isinstance(one.low, int) and isinstance(one.high, int):
        return trial.suggest_int(name, one.low, one.high, log=one.log)
    return trial.suggest_float(name, one.low, one.high, log=one.log)


def _score(cells: Sequence[Cell], seeds: Sequence[int], states: Mapping[str, State]) -> float | None:
    """Return the mean dev score over columns, alternatives and seeds; None if a run failed."""
    scores = []
    for cell in cells:
        metric = task_of(cell).metric
        for seed in seeds:
            result = states[cell.run_name(seed)].result
            if result is None:
                return None
            scores.append(float(getattr(result.dev, metric)))
    return statistics.mean(scores)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UserError("search: Optuna is not installed; pip install 'xltransfer[search]'.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
