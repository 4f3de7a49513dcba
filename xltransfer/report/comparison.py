"""Compare several runs: their different settings, their scores, and means over runs that differ only in the seed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xltransfer.report.curves import Curves, dev_scores
from xltransfer.report.formats import MISSING, duration, mean_and_deviation, points, setting, size
from xltransfer.report.runs import SCORE_NAMES, FinishedRun

_IMMATERIAL = ("output", "device", "plugin", "checkpoint_steps", "checkpoint_minutes", "skip_nonfinite", "track")
"""Fields that do not distinguish two configurations."""
_ABSENT = object()
MOST_LINES = 8
"""Lines of a chart that a reader can tell apart."""

Groups = dict[tuple[str, ...], dict[str, FinishedRun]]
"""Runs by configuration, then by seed."""


@dataclass(frozen=True)
class Cell:
    """A cell of a sortable table: its text and its sort key."""

    text: str
    key: str | float
    link: str = ""


@dataclass(frozen=True)
class Table:
    """Headings, and rows of as many cells; the first `left` columns are text, the others are numbers."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left: int


@dataclass(frozen=True)
class Comparison:
    """The tables and the chart of several runs; `means` is None where no two runs differ only in the seed."""

    runs: Table
    means: Table | None
    curves: Curves | None
    warning: str


def compare_runs(runs: Sequence[FinishedRun], names: Sequence[str]) -> Comparison:
    """Compare runs; `names` are those that the page shows."""
    differing = [name for name in _fields(runs) if len({_setting_of(run, name) for run in runs} - {MISSING}) > 1]
    kept = [name for name in differing if name != "seed"]
    groups: dict[tuple[str, ...], dict[str, FinishedRun]] = {}
    for run in runs:
        groups.setdefault(tuple(_setting_of(run, name) for name in kept), {})[_setting_of(run, "seed")] = run
    return Comparison(
        _runs(runs, names, differing), _means(groups, kept), _curves(runs, names, groups), _warning(runs)
    )  # fmt: skip


def _fields(runs: Sequence[FinishedRun]) -> list[str]:
    return [name for name in dict.fromkeys(key for run in runs for key in run.config) if name not in _IMMATERIAL]


def _setting_of(run: FinishedRun, name: str) -> str:
    """Return a setting as text, or MISSING where the run lacks it or its method does not use it."""
    part = name.removesuffix("_options")
    if part in ("rtn", "backend", "layer", "meta_lr") and not run.meta.get("backend" if part == "backend" else "rtn"):
        return MISSING
    value: Any = run.config.get(name, _ABSENT)
    return MISSING if value is _ABSENT else setting(value)


def _score_columns(runs: Sequence[FinishedRun]) -> list[tuple[str, str]]:
    """Return pairs of part and score: the metric that chose the epoch on test and dev, then the other test scores."""
    metrics = list(dict.fromkeys(run.metric for run in runs))
    rest = [score for score in SCORE_NAMES if score not in metrics]
    return [(part, score) for score in metrics for part in ("test", "dev")] + [("test", score) for score in rest]


def _runs(runs: Sequence[FinishedRun], names: Sequence[str], differing: Sequence[str]) -> Table:
    columns = _score_columns(runs)
    headings = ("run", *(name.replace("_", " ") for name in differing),
                *(f"{part} {SCORE_NAMES[score]}" for part, score in columns), "epoch", "time", "memory")  # fmt: skip
    rows = []
    for number, (run, name) in enumerate(zip(runs, names, strict=True), 1):
        memory = run.metrics.get("peak_memory_bytes")
        found = [Cell(name, name.lower(), f"#run-{number}")]
        found += [_cell(_setting_of(run, field)) for field in differing]
        found += [Cell(points(run.scores[part][score]), run.scores[part][score]) for part, score in columns]
        found += [Cell(str(run.metrics["best_epoch"]), float(run.metrics["best_epoch"])),
                  Cell(duration(run.metrics["seconds"]), float(run.metrics["seconds"])),
                  Cell(size(memory), float(memory or 0))]  # fmt: skip
        rows.append(tuple(found))
    return Table(headings, tuple(rows), 1 + len(differing))


def _means(groups: Groups, kept: Sequence[str]) -> Table | None:
    """Return the mean and standard deviation of each configuration, a row each."""
    if all(len(group) < 2 for group in groups.values()):
        return None
    columns = _score_columns([run for group in groups.values() for run in group.values()])
    headings = (*(name.replace("_", " ") for name in kept), "seeds",
                *(f"{part} {SCORE_NAMES[score]}" for part, score in columns), "seconds")  # fmt: skip
    rows = []
    for values, group in groups.items():
        found = [*map(_cell, values), Cell(str(len(group)), float(len(group)))]
        found += [_mean_cell([run.scores[part][score] for run in group.values()], 100) for part, score in columns]
        rows.append((*found, _mean_cell([float(run.metrics["seconds"]) for run in group.values()], digits=1)))
    return Table(headings, tuple(rows), len(kept))


def _mean_cell(values: list[float], factor: float = 1.0, digits: int = 2) -> Cell:
    return Cell(mean_and_deviation(values, factor, digits), statistics.fmean(values))


def _cell(text: str) -> Cell:
    try:
        return Cell(text, float(text))
    except ValueError:
        return Cell(text, text.lower())


def _curves(runs: Sequence[FinishedRun], names: Sequence[str], groups: Groups) -> Curves | None:
    """Return the dev score of each run over epochs, or the mean of each configuration if there are too many runs."""
    if len({run.metric for run in runs}) > 1:
        return None
    lines = {name: [dev_scores(run)] for name, run in zip(names, runs, strict=True)}
    title, note = f"{SCORE_NAMES[runs[0].metric]} on dev", "In points."
    if len(lines) > MOST_LINES:
        lines = {_group_name(values): [dev_scores(run) for run in group.values()] for values, group in groups.items()}
        note = "In points, the mean over seeds."
    epochs = sorted({epoch for found in lines.values() for scores in found for epoch in scores})
    if not epochs or len(lines) > MOST_LINES:
        return None
    means = {name: tuple(_mean(found, epoch) for epoch in epochs) for name, found in lines.items()}
    return Curves(title, "epoch", tuple(map(float, epochs)), means, note=note)


def _mean(found: Sequence[dict[int, float]], epoch: int) -> float | None:
    values = [100 * scores[epoch] for scores in found if epoch in scores]
    return statistics.fmean(values) if values else None


def _group_name(values: Sequence[str]) -> str:
    return ", ".join(value for value in values if value != MISSING) or "all"


def _warning(runs: Sequence[FinishedRun]) -> str:
    """Return the reason why the scores cannot be compared, or an empty string."""
    if len({run.metric for run in runs}) > 1 or len({run.task for run in runs}) > 1:
        return "These runs are of different tasks: their scores cannot be compared."
    if len({hash(run.predictions.gold) for run in runs}) > 1:
        return "These runs were not scored on the same test sentences: their scores cannot be compared."
    return ""
