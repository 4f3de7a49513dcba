"""The table of a sweep: rows × columns of finished scores, with tests against the baseline."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xltransfer.experiments.compare import Comparison, choose_baseline, compared, task_of
from xltransfer.experiments.grid import Cell
from xltransfer.experiments.sweeps.index import PlannedRun, State
from xltransfer.training.run import RunResult

Results = Mapping[int, RunResult]
"""Results by seed."""


@dataclass(frozen=True)
class Matrix:
    """A table for one task and metric. `results` holds finished runs by row and column; a row may lack columns."""

    task: str
    metric: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    seeds: tuple[int, ...]
    baseline: str
    results: Mapping[tuple[str, str], Results]
    comparisons: Mapping[str, Comparison]
    """Comparison with the baseline, by column, where at least two rows share two seeds."""

    def scores(self, row: str, column: str, split: str = "test") -> dict[int, float]:
        """Return scores between 0 and 1, by seed."""
        return {seed: float(getattr(getattr(result, split), self.metric))
                for seed, result in self.results.get((row, column), {}).items()}  # fmt: skip

    def mean(self, row: str, column: str) -> float | None:
        """Return the mean of the finished test scores, or None."""
        scores = self.scores(row, column)
        return statistics.mean(scores.values()) if scores else None

    def complete(self, row: str, column: str) -> bool:
        """Whether all seeds are finished."""
        return len(self.results.get((row, column), {})) == len(self.seeds)

    def mean_over_columns(self, row: str) -> float | None:
        """Return the mean over columns, or None unless all columns are complete."""
        means = [self.mean(row, column) for column in self.columns if self.complete(row, column)]
        known = [mean for mean in means if mean is not None]
        return statistics.mean(known) if len(known) == len(self.columns) else None

    def seconds(self, row: str) -> float | None:
        """Return the mean time of a run in seconds."""
        found = [result.metrics["seconds"] for column in self.columns
                 for result in self.results.get((row, column), {}).values()]  # fmt: skip
        return statistics.mean(found) if found else None

    def best(self, column: str) -> float | None:
        """Return the highest mean among complete rows."""
        means = [self.mean(row, column) for row in self.rows if self.complete(row, column)]
        return max((mean for mean in means if mean is not None), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Convert for JSON, with the names of run folders instead of paths."""
        cells = []
        for (row, column), results in self.results.items():
            if results:
                test, dev = self.scores(row, column), self.scores(row, column, "dev")
                by_seed = {str(seed): {"run": result.run_dir.name, "test": test[seed], "dev": dev[seed],
                                       "seconds": result.metrics["seconds"]}
                           for seed, result in results.items()}  # fmt: skip
                cells.append({"row": row, "column": column, "mean": self.mean(row, column), "seeds": by_seed})
        comparisons = {column: _with_names(comparison) for column, comparison in self.comparisons.items()}
        return {"task": self.task, "metric": self.metric, "rows": list(self.rows), "columns": list(self.columns),
                "cells": cells, "comparisons": comparisons}  # fmt: skip


def matrices_of(
    runs: Sequence[PlannedRun], states: Mapping[str, State], seeds: Sequence[int], baseline: str | None
) -> list[Matrix]:
    """Build a table for each task and metric. Raises ConfigError if runs of a column were scored on other sentences."""
    cells = list({(run.cell.config.task, run.cell.column, run.cell.name): run.cell for run in runs}.values())
    kinds = [(cell.config.task, task_of(cell).metric) for cell in cells]
    return [
        _matrix(kind, [cell for cell, own in zip(cells, kinds, strict=True) if own == kind], states, seeds, baseline)
        for kind in dict.fromkeys(kinds)
    ]


def _matrix(
    kind: tuple[str, str],
    cells: Sequence[Cell],
    states: Mapping[str, State],
    seeds: Sequence[int],
    baseline: str | None,
) -> Matrix:
    results = {(cell.name, cell.column): _finished(cell, states, seeds) for cell in cells}
    columns = tuple(dict.fromkeys(cell.column for cell in cells))
    comparisons = {}
    for column in columns:
        own = [cell for cell in cells if cell.column == column and results[cell.name, column]]
        found = _comparison(own, {cell.name: results[cell.name, column] for cell in own}, baseline)
        if found is not None:
            comparisons[column] = found
    rows = tuple(dict.fromkeys(cell.name for cell in cells))
    chosen = choose_baseline(cells, baseline if baseline in rows else None)
    return Matrix(*kind, rows, columns, tuple(seeds), chosen, results, comparisons)


def _finished(cell: Cell, states: Mapping[str, State], seeds: Sequence[int]) -> dict[int, RunResult]:
    found = {seed: states[cell.run_name(seed)].result for seed in seeds}
    return {seed: result for seed, result in found.items() if result is not None}


def _comparison(cells: Sequence[Cell], results: Mapping[str, Results], baseline: str | None) -> Comparison | None:
    """Compare on the seeds that all rows share; None with fewer than two, or without the baseline among the rows."""
    if len(cells) < 2 or (baseline is not None and baseline not in results):
        return None
    shared = [seed for seed in next(iter(results.values())) if all(seed in found for found in results.values())]
    if len(shared) < 2:
        return None
    chosen = {name: [found[seed] for seed in shared] for name, found in results.items()}
    return compared(cells[0].config.task, task_of(cells[0]), chosen, shared, choose_baseline(cells, baseline))


def _with_names(comparison: Comparison) -> dict[str, Any]:
    found = comparison.to_dict()
    for row in found["rows"]:
        row["run_dirs"] = [Path(run).name for run in row["run_dirs"]]
    return found
