"""Render the HTML page of a report from its templates."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from xltransfer.data.languages import language_code
from xltransfer.report import charts, formats, maps, mistakes
from xltransfer.report.comparison import compare_runs
from xltransfer.report.curves import Curves, curves_of, warnings_of
from xltransfer.report.labels import Confusion, LabelScore, confusion, label_scores
from xltransfer.report.representations import SET_NAMES
from xltransfer.report.runs import SCORE_NAMES, FinishedRun
from xltransfer.utils.version import __version__

GENERATOR = "xltransfer report"
"""The generator that the page names; a file with this name may be replaced."""


@dataclass(frozen=True)
class RunView:
    """One run as the templates show it; the ids of its elements start with `key`."""

    key: str
    name: str
    run: FinishedRun
    facts: list[tuple[str, str]]
    charts: list[tuple[Curves, dict[str, Any]]]
    """Each with its Vega-Lite specification."""
    warnings: list[str]
    labels: list[LabelScore]
    confusion: Confusion | None
    map: maps.MapView | None
    mistakes: list[mistakes.Mistake]
    wrong: int
    lang: str
    settings: list[tuple[str, str]]
    environment: list[tuple[str, str]]


def render(runs: Sequence[FinishedRun], with_maps: bool = True) -> str:
    """Return one HTML page, which loads no other file."""
    names = unique_names(runs)
    views = [
        run_view(run, name, f"run-{number}", with_maps)
        for number, (run, name) in enumerate(zip(runs, names, strict=True), 1)
    ]
    comparison = compare_runs(runs, names) if len(runs) > 1 else None
    overlay = comparison and comparison.curves and _with_spec(comparison.curves)
    with_charts = bool(overlay or any(view.charts or view.map for view in views))
    scripts = [charts.bundle() if with_charts else "", _asset("report.js")]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    return _environment().get_template("page.html").render(
        title=_title(runs[0]) if len(runs) == 1 else f"{len(runs)} runs compared",
        views=views, comparison=comparison, overlay=overlay, generator=GENERATOR, version=__version__,
        scripts=list(map(Markup, scripts)), script_hashes=hashes, style=Markup(_asset("report.css")),
        chart_style=charts.page_style(), several=len(runs) > 1,
    )  # fmt: skip


def run_view(run: FinishedRun, name: str, key: str, with_map: bool = True) -> RunView:
    """Collect what the page shows of one run."""
    entities = run.predictions.entities
    return RunView(
        key,
        name,
        run,
        _facts(run),
        [_with_spec(one) for one in curves_of(run)],
        warnings_of(run),
        label_scores(run.predictions),
        None if entities else confusion(run.predictions),
        maps.map_view(run.analysis) if run.analysis and with_map else None,
        mistakes.worst_predictions(run.predictions),
        mistakes.count_wrong(run.predictions),
        "" if run.config.get("data") == "synthetic" else language_code(run.target),
        [(key.replace("_", " "), formats.setting(value)) for key, value in run.config.items()],
        _flat(run.environment),
    )


def unique_names(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the names of the run folders, or their paths if two names are the same."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def _title(run: FinishedRun) -> str:
    return f"{run.task}: {' + '.join(run.source)} to {run.target}, {run.meta['method']}"


def _facts(run: FinishedRun) -> list[tuple[str, str]]:
    meta = run.meta
    found = [("task", run.task), ("source → target", f"{' + '.join(run.source)} → {run.target}"),
             ("method", str(meta["method"]))]  # fmt: skip
    if meta.get("rtn"):
        parameters = meta.get("rtn_parameters_trained")
        count = f" ({parameters:,} parameters)" if isinstance(parameters, int) else ""
        found += [("RTN", f"{meta['rtn']}{count}"), ("at layer", ", ".join(map(str, run.layers)))]
    if meta.get("backend"):
        found.append(("backend", str(meta["backend"])))
    found += [
        ("encoder", str(run.config.get("encoder"))),
        ("epoch chosen", f"{run.metrics['best_epoch']} of {run.config.get('epochs', '?')}"),
        ("steps", f"{run.metrics['steps']:,}"),
        ("time", formats.duration(run.metrics["seconds"])),
        ("peak memory", formats.size(run.metrics.get("peak_memory_bytes"))),
        ("seed", str(run.config.get("seed"))),
    ]
    if skipped := meta.get("skipped_steps"):
        found.append(("steps skipped", str(skipped)))
    return found


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        found += _flat(value, f"{key}: ") if isinstance(value, dict) else [(f"{prefix}{key}", formats.setting(value))]
    return found


def _with_spec(curves: Curves) -> tuple[Curves, dict[str, Any]]:
    return curves, charts.page_spec(charts.line_chart(curves), fit=True)


def _asset(name: str) -> str:
    return (files("xltransfer.report") / "templates" / name).read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    """Return an environment that escapes every value, with `tojson` too, so that text of the data stays text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("xltransfer.report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(points=formats.points, number=formats.number)
    environment.globals.update(score_names=SCORE_NAMES, set_names=SET_NAMES)
    return environment
