"""Figures for a paper: curves, scores by label or confusion, and the map, each as PNG, SVG and PDF."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xltransfer.errors import DataError
from xltransfer.report.comparison import compared
from xltransfer.report.curves import Curves, curves_of
from xltransfer.report.labels import Confusion, LabelScore, confusion, label_scores
from xltransfer.report.maps import SET_NAMES
from xltransfer.report.page import unique_names
from xltransfer.report.representations import STAGES, Analysis
from xltransfer.report.runs import FinishedRun
from xltransfer.utils.files import whole_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("png", "svg", "pdf")
_STYLE: Any = {"font.size": 9, "axes.titlesize": 9, "legend.fontsize": 8, "legend.frameon": False,
               "axes.spines.top": False, "axes.spines.right": False, "pdf.fonttype": 42, "svg.hashsalt": "xltransfer",
               "savefig.dpi": 200}  # fmt: skip
_LINES = ("-", "--", ":", "-.")
_COLOURS = ("#0b61a4", "#b8430a", "#17734a", "#7b3fa0", "#806000", "#a8265f", "#12757f", "#555b63")
_SETS = {"source": ("#0b61a4", "o"), "transformed": ("#7b3fa0", "^"), "target": ("#b8430a", "s")}
_NO_DATE = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def draw(runs: Sequence[FinishedRun], folder: Path) -> tuple[Path, ...]:
    """Make the folder and its files; those of several runs start with the run's name. Raises DataError."""
    try:
        import matplotlib
    except ImportError as error:
        raise DataError("figures: needs matplotlib; run: pip install 'xltransfer[report]'.") from error
    made: list[Path] = []
    with matplotlib.rc_context(_STYLE), whole_folder(folder) as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands for such a letter
        for name, figure in _figures(runs):
            for kind in KINDS:
                figure.savefig(partial / f"{name}.{kind}", metadata=_NO_DATE[kind])
                made.append(folder / f"{name}.{kind}")
    return tuple(made)


def _figures(runs: Sequence[FinishedRun]) -> Iterator[tuple[str, Figure]]:
    names = unique_names(runs)
    if len(runs) > 1 and (curves := compared(runs, names).curves):
        yield "comparison", _curves([curves])
    for run, name in zip(runs, names, strict=True):
        start = "" if len(runs) == 1 else re.sub(r"[^\w+.-]+", "_", name).strip("_") + "-"
        if curves_found := curves_of(run):
            yield f"{start}curves", _curves(curves_found)
        if scores := label_scores(run.predictions):
            yield f"{start}labels", _bars(scores)
        if not run.predictions.entities:
            yield f"{start}confusion", _matrix(confusion(run.predictions))
        if run.analysis is not None and run.analysis.sets:
            yield f"{start}map", _map(run.analysis)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _curves(found: Sequence[Curves]) -> Figure:
    columns = min(2, len(found))
    rows = -(-len(found) // columns)
    figure = _figure(3.4 * columns, 2.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes, curves in zip(panels, found, strict=False):
        few = len(curves.x) <= 12
        for index, (name, values) in enumerate(curves.lines.items()):
            axes.plot(
                curves.x, [float("nan") if value is None else value for value in values], label=_plain(name),
                color=_COLOURS[index % len(_COLOURS)], linestyle=_LINES[index % len(_LINES)], linewidth=1.2,
                marker="o" if few else None, markersize=3,
            )  # fmt: skip
        for mark in curves.marks:
            axes.axvline(mark, color="0.6", linewidth=0.6, linestyle=":")
        axes.set(xlabel=curves.x_name, yscale="log" if curves.log_scale else "linear")
        several = len(curves.lines) if len(curves.lines) > 1 else 0
        axes.set_title(_plain(curves.title), pad=6 + 12 * -(-several // 2))
        if few:
            axes.set_xticks(curves.x)
        if several:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, borderaxespad=0.2, columnspacing=1.2)
    for axes in list(panels)[len(found) :]:
        axes.set_axis_off()
    return figure


def _bars(scores: Sequence[LabelScore]) -> Figure:
    figure = _figure(4.5, 0.8 + 0.45 * len(scores))
    axes = figure.subplots()
    for offset, (name, colour) in enumerate(zip(("precision", "recall", "f1"), _COLOURS, strict=False)):
        axes.barh([row + 0.27 * (offset - 1) for row in range(len(scores))],
                  [100 * getattr(score, name) for score in scores], height=0.25, color=colour,
                  label={"f1": "F1"}.get(name, name))  # fmt: skip
    axes.set_yticks(range(len(scores)), [f"{_plain(score.label)} ({score.support})" for score in scores])
    axes.set(xlabel="points", xlim=(0, 100))
    axes.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def _matrix(found: Confusion) -> Figure:
    count = len(found.labels)
    side = max(2.6, 0.38 * count + 1.2)
    figure = _figure(side, side)
    axes = figure.subplots()
    shares = [[found.share(row, column) for column in range(count)] for row in range(count)]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(count):
        for column in range(count):
            if number := found.counts[row][column]:
                dark = shares[row][column] > 0.6
                axes.text(column, row, str(number), ha="center", va="center", fontsize=6.5,
                          color="white" if dark else "black")  # fmt: skip
    labels = list(map(_plain, found.labels))
    axes.set_xticks(range(count), labels, rotation=90)
    axes.set_yticks(range(count), labels)
    axes.set(xlabel="predicted", ylabel="gold")
    return figure


def _map(analysis: Analysis) -> Figure:
    """A row for each insertion layer and the last, a column before and one after training; the same axes."""
    stages = [stage for stage in STAGES if analysis.points.get(stage)]
    layers = [layer for layer in analysis.layers if any(analysis.points[stage].get(layer) for stage in stages)]
    layers = [layer for layer in layers if layer in analysis.insertion or layer == layers[-1]]
    figure = _figure(2.8 * len(stages), 2.6 * len(layers) + 0.3)
    panels: Any = figure.subplots(len(layers), len(stages), squeeze=False, sharex=True, sharey=True)
    for row, layer in zip(panels, layers, strict=True):
        for axes, stage in zip(row, stages, strict=True):
            for name, points in analysis.points[stage].get(layer, {}).items():
                colour, marker = _SETS[name]
                across, up = zip(*points, strict=True) if points else ((), ())
                axes.scatter(across, up, s=7, c=colour, marker=marker, linewidths=0, alpha=0.7, label=SET_NAMES[name])
            axes.set(title=f"layer {layer}, {stage} training", aspect="equal")
    handles, names = max((axes.get_legend_handles_labels() for axes in panels.flat), key=lambda found: len(found[1]))
    figure.legend(handles, names, loc="outside upper center", ncols=3)
    return figure


def _plain(text: str) -> str:
    """Text in which a $ is no mathematics."""
    return text.replace("$", r"\$")
