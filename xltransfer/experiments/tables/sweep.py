"""Render the tables of a sweep for a terminal, Markdown, LaTeX (booktabs), CSV or JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xltransfer.experiments.sweeps.index import PlannedRun, State
from xltransfer.experiments.tables.formats import (
    METRICS,
    bold,
    count_seeds,
    csv_table,
    latex_table,
    markdown_table,
    mean_and_deviation,
)
from xltransfer.experiments.tables.matrix import Matrix, matrices_of


@dataclass(frozen=True)
class Report:
    """The state and tables of a sweep."""

    name: str
    seeds: tuple[int, ...]
    runs: tuple[PlannedRun, ...]
    states: Mapping[str, State]
    matrices: tuple[Matrix, ...]

    def of_kind(self, kind: str) -> list[str]:
        """Return the names of the runs in a state."""
        return [name for name, state in self.states.items() if state.kind == kind]

    def failed(self) -> list[dict[str, Any]]:
        """List the failed runs, each once, with errors and attempts."""
        found = {run.name: run for run in reversed(self.runs) if self.states[run.name].kind == "failed"}
        return [{"run": name, "row": run.cell.name, "column": run.cell.column, "seed": run.seed,
                 "error": self.states[name].error, "attempts": self.states[name].attempts}
                for name, run in reversed(found.items())]  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Convert for JSON, with run names instead of paths."""
        counts = {kind: len(self.of_kind(kind)) for kind in ("finished", "failed", "begun", "waiting")}
        return {"sweep": self.name, "seeds": list(self.seeds), "runs": {"total": len(self.states), **counts},
                "tables": [matrix.to_dict() for matrix in self.matrices], "failed": self.failed()}  # fmt: skip


def report_of(
    name: str, seeds: Sequence[int], runs: Sequence[PlannedRun], states: Mapping[str, State], baseline: str | None
) -> Report:
    """Build the tables of a sweep. Raises ConfigError if runs of a column were scored on different sentences."""
    return Report(name, tuple(seeds), tuple(runs), states, tuple(matrices_of(runs, states, seeds, baseline)))


def headings(matrix: Matrix) -> list[str]:
    """Return the headings of the columns of `lines`."""
    return ["", *matrix.columns, *(["mean"] if len(matrix.columns) > 1 else []), "seconds"]


def lines(matrix: Matrix) -> list[list[str]]:
    """Format each row: name, score per column, their mean, and seconds per run; the best is marked by `bold`."""
    found = []
    for row in matrix.rows:
        over, seconds = matrix.mean_over_columns(row), matrix.seconds(row)
        mean = [_points(over)] if len(matrix.columns) > 1 else []
        found.append([row, *(_cell(matrix, row, column) for column in matrix.columns), *mean,
                      "-" if seconds is None else f"{seconds:.0f}"])  # fmt: skip
    return found


def caption(matrix: Matrix) -> str:
    """Return the caption: task, metric and seeds."""
    return (
        f"{matrix.task}: test {METRICS[matrix.metric]}, mean and standard deviation over {count_seeds(matrix.seeds)}."
    )


def verdicts(matrix: Matrix) -> list[str]:
    """State per column what the tests support."""
    several = len(matrix.columns) > 1
    return [f"{f'{column}: ' if several else ''}{comparison.verdict()}"
            for column, comparison in matrix.comparisons.items()]  # fmt: skip


def markdown(report: Report) -> str:
    """Format as Markdown, with the verdicts below each table."""
    return "\n".join(
        f"{markdown_table(headings(matrix), lines(matrix))}\n{' '.join([caption(matrix), *verdicts(matrix)])}\n"
        for matrix in report.matrices
    )


def latex(report: Report) -> str:
    """Format for the booktabs package."""
    return "\n".join(
        latex_table(headings(matrix), lines(matrix), " ".join([caption(matrix), *verdicts(matrix)]))
        for matrix in report.matrices
    )


def as_csv(report: Report) -> str:
    """Format as CSV, one line per run; unfinished runs have no scores."""
    rows = []
    for matrix in report.matrices:
        for run in report.runs:
            place = run.cell.name, run.cell.column
            if run.cell.config.task == matrix.task and place in matrix.results:
                result = matrix.results[place].get(run.seed)
                scores = ["", "", ""] if result is None else [
                    matrix.scores(*place)[run.seed], matrix.scores(*place, "dev")[run.seed], result.metrics["seconds"]
                ]  # fmt: skip
                rows.append([matrix.task, *place, run.seed, report.states[run.name].kind, matrix.metric, *scores,
                                 run.name])  # fmt: skip
    head = ["task", "row", "column", "seed", "state", "metric", "test", "dev", "seconds", "run"]
    return csv_table(head, rows)


def as_json(report: Report) -> str:
    """Format as one JSON object."""
    return json.dumps(report.to_dict()) + "\n"


FORMATS: dict[str, Callable[[Report], str]] = {"markdown": markdown, "latex": latex, "csv": as_csv, "json": as_json}


def _cell(matrix: Matrix, row: str, column: str) -> str:
    scores, mean = list(matrix.scores(row, column).values()), matrix.mean(row, column)
    if mean is None:
        return "-"
    text = mean_and_deviation(mean, statistics.stdev(scores) if len(scores) > 1 else None)
    if not matrix.complete(row, column):
        return f"{text} ({len(scores)} of {len(matrix.seeds)})"
    return bold(text) if mean == matrix.best(column) else text


def _points(mean: float | None) -> str:
    return "-" if mean is None else mean_and_deviation(mean, None)
