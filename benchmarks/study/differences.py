"""Differences of two rows of the study on the same pair of languages and seed, and how sure they are."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from scipy import stats

Line = dict[str, Any]
"""A line of results/*.jsonl."""


def paired(lines: Sequence[Line], one: str, other: str) -> dict[str, list[float]]:
    """By pair of languages: the differences of test scores, in points, of the seeds that both rows have."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for line in lines:
        found.setdefault(pair_of(line), {}).setdefault(line["seed"], {})[line["row"]] = line["test"]
    differences = {
        pair: [100 * (rows[one] - rows[other]) for _, rows in sorted(seeds.items()) if one in rows and other in rows]
        for pair, seeds in found.items()
    }
    return {pair: several for pair, several in differences.items() if several}


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean, and the ends of Student's 95 % interval; not numbers where there is one value."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    error = statistics.stdev(values) / len(values) ** 0.5
    low, high = stats.t.interval(0.95, len(values) - 1, loc=mean, scale=error) if error else (mean, mean)
    return mean, float(low), float(high)


def pair_of(line: Line) -> str:
    """Task, source and target."""
    return f"{line['task']} {line['source']}→{line['target']}"


def by(lines: Sequence[Line], key: Callable[[Line], Any]) -> dict[Any, list[Line]]:
    """The lines in groups, in their order."""
    found: dict[Any, list[Line]] = {}
    for line in lines:
        found.setdefault(key(line), []).append(line)
    return found
