"""Turn log.jsonl into curves: values over steps, and dev scores over epochs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from xltransfer.report.formats import number
from xltransfer.report.runs import SCORE_NAMES, SCORES, FinishedRun

LIMIT = 160
"""Most points of a curve; in a longer one, each point is the mean of several steps."""
_WIDE = 20
"""Norms and ratios have a log scale if the largest value is more than this many times the smallest."""

_NO_CURVES = ("step", "epoch", "skipped")

Values = tuple[float | None, ...]


@dataclass(frozen=True)
class Curves:
    """The series of one chart, over the same steps or epochs; None is a gap."""

    title: str
    x_name: str
    x: tuple[float, ...]
    lines: dict[str, Values]
    """By the name in the legend."""
    log_scale: bool = False
    note: str = ""
    marks: tuple[float, ...] = ()
    """Places on the x axis: ends of epochs, or the chosen epoch."""

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The rows of the data table: the step or epoch, then the value of each series."""
        columns = zip(*self.lines.values(), strict=True)
        return [(f"{x:.15g}", *map(number, values)) for x, values in zip(self.x, columns, strict=True)]


_CHARTS = {
    "Losses": {"inner_loss": "inner loss", "meta_loss": "meta loss", "source_loss": "source", "target_loss": "target"},
    "Gradient norms": {"grad_norm": "encoder and head, ‖∇θ‖", "meta_grad_norm": "meta-gradient, ‖∇φ‖"},
    "Learning rates": {"lr": "encoder and head, θ", "meta_lr": "RTN, φ"},
    "Update of the RTN": {"update_ratio": "‖Δφ‖ / ‖φ‖"},
    "Agreement of gradients": {"gradient_cosine": "cosine of source and target gradients"},
    "Usefulness of source batches": {"usefulness": "cosine of inner and query gradients"},
    "Time a step": {"seconds": "seconds"},
}
"""By title: the logged values of a chart, and their names in the legend."""
_MAY_BE_LOG = ("Gradient norms", "Update of the RTN")


def curves_of(run: FinishedRun) -> list[Curves]:
    """Return a chart for each group of logged values; a value of no group has a chart under its own name."""
    steps = [line for line in run.log if "dev" not in line and "warning" not in line]
    keys = list(dict.fromkeys(key for line in steps for key, value in line.items() if _is_number(value)))
    keys = [key for key in keys if key not in _NO_CURVES and not (key == "meta_lr" and not run.meta.get("rtn"))]
    known = {key for names in _CHARTS.values() for key in names}
    others = [(_readable(key).capitalize(), {key: _readable(key)}) for key in keys if key not in known]
    found = [dev] if (dev := _dev(run)) else []
    for title, names in (*_CHARTS.items(), *others):
        if logged := {key: name for key, name in names.items() if key in keys}:
            found.append(_over_steps(steps, title, logged))
    return found + _by_language(steps, run.source)


def warnings_of(run: FinishedRun) -> list[str]:
    """Return the warnings in the log, with their steps."""
    return [f"step {line['step']}: {line['warning']}" for line in run.log if "warning" in line]


def dev_scores(run: FinishedRun) -> dict[int, float]:
    """Return the score that chooses the epoch, by epoch."""
    return {line["epoch"]: line["dev"][run.metric] for line in _scored(run)}


def _scored(run: FinishedRun) -> list[dict[str, Any]]:
    return [line for line in run.log if "dev" in line]


def _dev(run: FinishedRun) -> Curves | None:
    lines = _scored(run)
    if not lines:
        return None
    names = (run.metric, *(score for score in SCORES if score != run.metric))
    scores: dict[str, Values] = {
        SCORE_NAMES[name]: tuple(100 * float(line["dev"][name]) for line in lines) for name in names
    }
    chosen = int(run.metrics["best_epoch"])
    return Curves(
        "Scores on dev", "epoch", tuple(float(line["epoch"]) for line in lines), scores,
        note=f"In points. {SCORE_NAMES[run.metric]} chose epoch {chosen}, the vertical line.", marks=(float(chosen),),
    )  # fmt: skip


def _by_language(steps: Sequence[Mapping[str, Any]], sources: Sequence[str]) -> list[Curves]:
    """Return the probabilities of the source languages and the usefulness of their batches, if they are logged."""
    mixtures = [line["mixture"] if isinstance(line.get("mixture"), dict) else {} for line in steps]
    worths = [{str(line["source"]): line.get("usefulness")} if "source" in line else {} for line in steps]
    worths = [{name: value for name, value in worth.items() if _is_number(value)} for worth in worths]
    mixture = _of_languages("Mixture of source languages", sources, steps, mixtures, LIMIT)
    usefulness = _of_languages("Usefulness by source language", sources, steps, worths, LIMIT // 4)
    means = {name: _mean(worth.get(name) for worth in worths) for name in (usefulness.lines if usefulness else ())}
    listed = ", ".join(f"{name} {number(mean)}" for name, mean in means.items() if mean is not None)
    notes = ("Probability that the next batch is in this language.",
             f"Cosine of inner and query gradients; means: {listed}.")  # fmt: skip
    found = zip((mixture, usefulness), notes, strict=True)
    return [replace(curves, note=f"{note} {curves.note}".strip()) for curves, note in found if curves is not None]


def _of_languages(
    title: str, sources: Sequence[str], steps: Sequence[Mapping[str, Any]], values: Sequence[Mapping[str, Any]],
    limit: int,
) -> Curves | None:  # fmt: skip
    """Return a line for each language with values, in the order of the sources, so that colours agree."""
    there = dict.fromkeys(name for of_step in values for name in of_step)
    names = {f"of {name}": name for name in dict.fromkeys((*sources, *there)) if name in there}
    lines = [  # a language may be called "step"
        {"step": line["step"], "epoch": line["epoch"], **{f"of {name}": value for name, value in of_step.items()}}
        for line, of_step in zip(steps, values, strict=True)
    ]
    return _over_steps(lines, title, names, limit) if names else None


def _over_steps(lines: Sequence[Mapping[str, Any]], title: str, names: dict[str, str], limit: int = LIMIT) -> Curves:
    ends = tuple(float(line["step"]) for line, after in pairwise(lines) if after["epoch"] != line["epoch"])
    lines = [line for line in lines if not names.keys().isdisjoint(line)]  # some values are logged at some steps only
    of_each = -(-len(lines) // limit)
    groups = [lines[start : start + of_each] for start in range(0, len(lines), of_each)]
    values = {name: tuple(_mean(line.get(key) for line in group) for group in groups) for key, name in names.items()}
    flat = [value for line in values.values() for value in line if value is not None]
    log_scale = title in _MAY_BE_LOG and bool(flat) and min(flat) > 0 and max(flat) > _WIDE * min(flat)
    notes = ["Log scale."] * log_scale + [f"Each point is the mean of {of_each} steps."] * (of_each > 1)
    places = tuple(float(group[-1]["step"]) for group in groups)
    return Curves(title, "step", places, values, log_scale, " ".join(notes), ends if len(ends) <= 20 else ())


def _mean(values: Iterable[Any]) -> float | None:
    finite = [float(value) for value in values if _is_number(value) and math.isfinite(value)]
    return statistics.fmean(finite) if finite else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _readable(key: str) -> str:
    return key.replace("_", " ")
