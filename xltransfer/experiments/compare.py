"""Compare configurations over several seeds on the same test data."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xltransfer.errors import ConfigError, UserError, unknown
from xltransfer.experiments.grid import Cell
from xltransfer.experiments.runs import run_config
from xltransfer.experiments.statistics import LEVEL, Array, Difference, difference, holm, pseudovalues
from xltransfer.registry import TASKS
from xltransfer.tasks.base import Task
from xltransfer.training.progress import Reporter
from xltransfer.training.run import RunResult, load_or_run
from xltransfer.training.run_folder import read_predictions

PREFERRED_BASELINE = "joint"


@dataclass(frozen=True)
class Row:
    """One compared configuration. Scores are shares of `Comparison.metric`, one per seed."""

    name: str
    test: tuple[float, ...]
    dev: tuple[float, ...]
    seconds: tuple[float, ...]
    run_dirs: tuple[str, ...]
    difference: Difference | None
    """Difference from the baseline on test; None for the baseline itself."""
    p: float | None
    """p-value of `difference`, adjusted for the number of comparisons (Holm)."""

    @property
    def mean(self) -> float:
        """Mean test score."""
        return statistics.mean(self.test)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the test scores; None with one seed."""
        return statistics.stdev(self.test) if len(self.test) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Convert for JSON."""
        return {**dataclasses.asdict(self), "mean": self.mean, "sd": self.deviation}


@dataclass(frozen=True)
class Comparison:
    """A comparison table: `rows` in the order given, each compared with the row `baseline`."""

    task: str
    metric: str
    source: tuple[str, ...]
    target: str
    seeds: tuple[int, ...]
    sentences: int
    baseline: str
    rows: tuple[Row, ...]

    @property
    def best(self) -> float:
        """Highest mean test score."""
        return max(row.mean for row in self.rows)

    def verdict(self) -> str:
        """State in a sentence what the tests support."""
        others = [row for row in self.rows if row.difference is not None]
        if not others:
            return "One configuration: there is nothing to compare."
        if self.sentences < 2:
            return "No difference can be tested on one test sentence."
        if len(self.seeds) < 2:
            return "No difference can be tested with one seed: it says nothing of how seeds differ. Give --seed again."
        sentences = [_found(row, self) for row in others if row.p is not None and row.p < LEVEL]
        alike = [row for row in others if row.p is not None and row.p >= LEVEL]
        if untold := [row.name for row in others if row.p is None]:
            sentences.append(
                f"No error can be estimated for {', '.join(untold)}: the difference from {self.baseline} is the same "
                "with every seed."
            )
        if alike:
            furthest = max(_furthest(row) for row in alike)
            sentences.append(
                f"No difference from {self.baseline} is detectable with {len(self.seeds)} seeds and {self.sentences} "
                f"test sentences for {', '.join(row.name for row in alike)}; up to {100 * furthest:.1f} points are not "
                "ruled out."
            )
        return " ".join(sentences)

    def to_dict(self) -> dict[str, Any]:
        """Convert for JSON."""
        plain = dataclasses.asdict(self)
        return {**plain, "rows": [row.to_dict() for row in self.rows], "verdict": self.verdict()}


def compare(
    cells: Sequence[Cell], seeds: Sequence[int], folder: Path, baseline: str | None = None,
    reporter: Callable[[str], Reporter] = lambda label: Reporter(),
) -> Comparison:  # fmt: skip
    """Execute the missing runs in `folder` and compare test scores.

    Finished runs are reused and interrupted ones resumed. `reporter` makes a run's reporter from its label. Raises
    UserError; finished runs are kept.
    """
    chosen = choose_baseline(cells, baseline)
    found = run_all(cells, seeds, folder, reporter)
    results = {cell.name: [found[cell.run_name(seed)] for seed in seeds] for cell in cells}
    return compared(cells[0].config.task, task_of(cells[0]), results, seeds, chosen)


def run_all(
    cells: Sequence[Cell], seeds: Sequence[int], folder: Path, reporter: Callable[[str], Reporter]
) -> dict[str, RunResult]:
    """Execute the runs of all cells, seed by seed; returns results by folder name."""
    columns = {cell.column for cell in cells}
    wanted = [(cell, seed) for seed in seeds for cell in cells]
    found = {}
    for number, (cell, seed) in enumerate(wanted, 1):
        target = f", {cell.column}" if len(columns) > 1 else ""
        label = f"{number} of {len(wanted)}: {cell.name}{target}, seed {seed}"
        found[cell.run_name(seed)] = _result(cell, seed, folder, reporter(label))
    return found


def choose_baseline(cells: Sequence[Cell], wanted: str | None) -> str:
    """Choose the baseline: the first row with method `joint`, or the first. Raises ConfigError."""
    names = list(dict.fromkeys(cell.name for cell in cells))
    preferred = [cell.name for cell in cells if cell.config.method == PREFERRED_BASELINE]
    chosen = wanted or (preferred or names)[0]
    if chosen not in names:
        raise ConfigError([unknown("baseline", chosen, names)])
    return chosen


def _result(cell: Cell, seed: int, folder: Path, reporter: Reporter) -> RunResult:
    try:
        return load_or_run(run_config(cell, seed, folder), reporter)
    except UserError as error:
        error.args = (f"{cell.name}, seed {seed}: {error}",)
        raise


def task_of(cell: Cell) -> Task:
    """Load the task that scores a cell."""
    task: Task = TASKS.load(cell.config.task)(**cell.config.task_options)
    return task


def compared(
    name: str, task: Task, results: Mapping[str, Sequence[RunResult]], seeds: Sequence[int], baseline: str
) -> Comparison:
    """Compare finished runs: `results` by row, in the order of `seeds`.

    Raises ConfigError if they were not scored on the same test sentences.
    """
    read = {cell: [read_predictions(one.run_dir, "test", task.kind) for one in runs] for cell, runs in results.items()}
    gold = read[baseline][0][0]
    for cell, runs in results.items():
        _require_sentences(gold, runs, [own for own, _ in read[cell]])
    testable = len(results) > 1 and len(seeds) > 1 and len(gold) > 1
    values = {
        cell: np.stack([_pseudovalues(task, gold, guessed) if testable else np.zeros(1) for _, guessed in found])
        for cell, found in read.items()
    }
    means = {cell: statistics.mean(getattr(one.test, task.metric) for one in found) for cell, found in results.items()}
    differences = {
        cell: difference(values[cell], values[baseline], means[cell] - means[baseline])
        for cell in results
        if cell != baseline
    }
    adjusted = dict(zip(differences, holm([one.p for one in differences.values()]), strict=True))
    rows = tuple(
        Row(
            cell,
            tuple(getattr(one.test, task.metric) for one in found),
            tuple(getattr(one.dev, task.metric) for one in found),
            tuple(one.metrics["seconds"] for one in found),
            tuple(str(one.run_dir) for one in found),
            differences.get(cell),
            adjusted.get(cell),
        )
        for cell, found in results.items()
    )
    meta = results[baseline][0].metrics["meta"]
    return Comparison(name, task.metric, tuple(meta["source"]), meta["target"], tuple(seeds), len(gold), baseline, rows)


def _require_sentences(gold: list[Any], runs: Sequence[RunResult], found: Sequence[list[Any]]) -> None:
    for one, own in zip(runs, found, strict=True):
        if own != gold:
            raise ConfigError([f"run: {str(one.run_dir)!r} was scored on other test sentences than the baseline; its "
                               "data have changed since. Move it away, and it is run again."])  # fmt: skip


def _pseudovalues(task: Task, gold: list[Any], predicted: list[Any]) -> Array:
    def score(rows: list[int]) -> float:
        found = task.score([gold[row] for row in rows], [predicted[row] for row in rows])
        return float(getattr(found, task.metric))

    return pseudovalues(score, len(gold))


def _found(row: Row, comparison: Comparison) -> str:
    assert row.difference is not None
    assert row.difference.low is not None
    assert row.difference.high is not None
    better = "better" if row.difference.mean > 0 else "worse"
    return (
        f"{row.name} is {better} than {comparison.baseline}: {100 * row.difference.mean:+.1f} points "
        f"(95 % interval {100 * row.difference.low:.1f} to {100 * row.difference.high:.1f}, adjusted p = {row.p:.2g})."
    )


def _furthest(row: Row) -> float:
    """Return the largest absolute difference in the interval."""
    assert row.difference is not None
    assert row.difference.low is not None
    assert row.difference.high is not None
    return max(abs(row.difference.low), abs(row.difference.high))
