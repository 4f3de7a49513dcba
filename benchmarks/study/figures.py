"""The study's figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from differences import Line, interval, pair_of, paired

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "xltransfer"

from matplotlib import pyplot  # noqa: E402  (after its settings)

METHODS = ("target-only", "joint", "joint-rtn", "released", "metaxl", "transformation", "frozen")


def plot_differences(lines: Sequence[Line], file: Path) -> None:
    """Each pair's mean difference from joint training, a mark a method; a dot a seed."""
    pairs = list(dict.fromkeys(pair_of(line) for line in lines))
    shown = [method for method in METHODS if method not in ("joint", "target-only")]
    figure, axis = pyplot.subplots(figsize=(9, 0.8 * len(pairs) + 1.4), constrained_layout=True)
    for index, method in enumerate(shown):
        found = paired(lines, method, "joint")
        for place, pair in enumerate(pairs):
            height, values = place + 0.15 * (index - (len(shown) - 1) / 2), found.get(pair, [])
            axis.scatter(values, [height] * len(values), s=8, color=f"C{index}", alpha=0.4)
            axis.scatter([statistics.mean(values)] if values else [], [height] if values else [], marker="D",
                         color=f"C{index}", label=method if place == 0 else None)  # fmt: skip
    axis.axvline(0, color="grey", linewidth=1)
    axis.set_yticks(range(len(pairs)), pairs)
    axis.invert_yaxis()
    axis.set_xlabel("test score minus that of joint training, points (diamonds: means over seeds)")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, file)


def plot_distance(lines: Sequence[Line], file: Path) -> None:
    """Differences from joint training over the distance of an embedded language: means, 95 % intervals over seeds."""
    figure, axis = pyplot.subplots(figsize=(7, 4), constrained_layout=True)
    for index, method in enumerate(("metaxl", "transformation", "frozen", "target-only")):
        found = paired(lines, method, "joint")
        distances = [int(pair.rpartition("→d")[2]) / 100 + 0.006 * (index - 1.5) for pair in found]
        ends = [interval(values) for values in found.values()]
        middles = [mean for mean, _, _ in ends]
        errors = [[mean - low for mean, low, _ in ends], [high - mean for mean, _, high in ends]]
        axis.errorbar(distances, middles, errors, label=method, marker="o", capsize=3, color=f"C{index}")
    axis.axhline(0, color="grey", linewidth=1)
    axis.set_xlabel("distance of the target language")
    axis.set_ylabel("test F1 minus that of joint training, points")
    axis.legend()
    _save(figure, file)


def plot_mixtures(lines: Sequence[Line], file: Path) -> None:
    """The share of its batches that the bandit drew of each source, a bar a run."""
    drawn = sorted(lines, key=lambda line: (line["target"], line["seed"]))
    figure, axis = pyplot.subplots(figsize=(8, 3.5), constrained_layout=True)
    below = [0.0] * len(drawn)
    for language in sorted({name for line in drawn for name in line["mixture"]}):
        shares = [line["mixture"].get(language, 0.0) for line in drawn]
        axis.bar(range(len(drawn)), shares, bottom=below, label=language)
        below = [one + more for one, more in zip(below, shares, strict=True)]
    axis.axhline(0.5, color="black", linewidth=1, linestyle="dotted")
    axis.set_xticks(range(len(drawn)), [f"{line['target']} {line['seed']}" for line in drawn], rotation=90)
    axis.set_ylabel("share of the source batches")
    axis.set_xlabel("target and seed")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, file)


def _save(figure: Any, file: Path) -> None:
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
