"""Write the figures of a report for a paper: each chart as PNG, SVG and PDF."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import altair as alt

from xltransfer.report import charts
from xltransfer.report.comparison import compare_runs
from xltransfer.report.curves import Curves, curves_of
from xltransfer.report.labels import confusion, label_scores
from xltransfer.report.page import unique_names
from xltransfer.report.representations import STAGES, Analysis
from xltransfer.report.runs import FinishedRun
from xltransfer.utils.files import atomic_folder
from xltransfer.utils.pictures import KINDS, save


def write_figures(runs: Sequence[FinishedRun], folder: Path) -> tuple[Path, ...]:
    """Create the folder and its files; with several runs, each file name starts with the name of its run."""
    made: list[Path] = []
    with atomic_folder(folder) as partial:
        for name, chart in _figures(runs):
            save(chart, *(partial / f"{name}{kind}" for kind in KINDS))
            made += (folder / f"{name}{kind}" for kind in KINDS)
    return tuple(made)


def _figures(runs: Sequence[FinishedRun]) -> Iterator[tuple[str, alt.TopLevelMixin]]:
    names = unique_names(runs)
    if len(runs) > 1 and (curves := compare_runs(runs, names).curves):
        yield "comparison", _curves([curves])
    for run, name in zip(runs, names, strict=True):
        start = "" if len(runs) == 1 else re.sub(r"[^\w+.-]+", "_", name).strip("_") + "-"
        if found := curves_of(run):
            yield f"{start}curves", _curves(found)
        if scores := label_scores(run.predictions):
            yield f"{start}labels", charts.label_chart(scores)
        if not run.predictions.entities:
            yield f"{start}confusion", charts.confusion_chart(confusion(run.predictions))
        if run.analysis is not None and run.analysis.sets:
            yield f"{start}map", _maps(run.analysis)


def _curves(found: Sequence[Curves]) -> alt.ConcatChart:
    panels = [charts.line_chart(curves, 260, 140).properties(title=curves.title) for curves in found]
    figure = alt.concat(*panels, columns=2, spacing=24)
    scaled: alt.ConcatChart = figure.resolve_scale(color="independent", strokeDash="independent")
    return scaled


def _maps(analysis: Analysis) -> alt.VConcatChart:
    """Return a row for each insertion layer and the last layer, with a map before and one after training."""
    stages = [stage for stage in STAGES if analysis.points.get(stage)]
    layers = [layer for layer in analysis.layers if any(analysis.points[stage].get(layer) for stage in stages)]
    layers = [layer for layer in layers if layer in analysis.insertion or layer == layers[-1]]
    return alt.vconcat(*(
        alt.hconcat(*(
            charts.map_chart(analysis.points[stage].get(layer, {}), analysis, size=240)
            .properties(title=f"layer {layer}, {stage} training")
            for stage in stages
        ))
        for layer in layers
    ))  # fmt: skip
