"""The table of a sweep: rows × columns, of what is finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.sweeping import VALUES, write
from xltransfer.experiments.sweeps.file import read_sweep
from xltransfer.experiments.sweeps.index import PlannedRun, plan_runs, states_of
from xltransfer.experiments.tables.formats import as_markup
from xltransfer.experiments.tables.matrix import Matrix, matrices_of
from xltransfer.experiments.tables.plot import difference
from xltransfer.experiments.tables.sweep import headings, lines

pytestmark = pytest.mark.usefixtures("empty_folder")
FOLDER = Path("swept")
ROWS = {"joint": {"method": "joint"}, "MetaXL": {"method": "metaxl"}}


def runs_of(**content: Any) -> list[PlannedRun]:
    sweep = read_sweep(Path(write({"values": VALUES, "rows": ROWS, **content})))
    return plan_runs(sweep.cells(), sweep.seeds)


def finish(run: PlannedRun, score: float) -> None:
    scores = dict.fromkeys(("f1", "precision", "recall", "accuracy"), score)
    (FOLDER / run.name).mkdir(parents=True)
    found = {"dev": scores, "test": scores, "meta": {"majority": scores}, "seconds": 100 * score}
    (FOLDER / run.name / "metrics.json").write_text(json.dumps(found))


def tables(runs: Sequence[PlannedRun], *seeds: int) -> list[Matrix]:
    return matrices_of(runs, states_of(FOLDER, runs), seeds, None)


def shown(matrix: Matrix) -> list[list[str]]:
    return [[as_markup(cell) for cell in line] for line in [headings(matrix), *lines(matrix)]]


def test_what_is_missing_is_seen_and_only_what_is_complete_is_best() -> None:
    runs = runs_of(grid={"target": ["far", "mid"]}, seeds=[1, 2])
    scores = {("joint", "far", 1): 0.5, ("joint", "far", 2): 0.6, ("joint", "mid", 1): 0.2, ("joint", "mid", 2): 0.4,
              ("MetaXL", "far", 1): 0.9}  # fmt: skip
    for run in runs:
        if (place := (run.cell.name, run.cell.column, run.seed)) in scores:
            finish(run, scores[place])
    (matrix,) = tables(runs, 1, 2)
    assert shown(matrix) == [
        ["", "far", "mid", "mean", "seconds"],
        ["joint", "[bold]55.0 ± 7.1[/bold]", "[bold]30.0 ± 14.1[/bold]", "42.5", "42"],
        ["MetaXL", "90.0 (1 of 2)", "-", "-", "90"],
    ]
    assert not matrix.comparisons


def test_every_task_has_a_table_of_its_own() -> None:
    runs = runs_of(grid={"task": ["ner", "pos"], "data_seed": [1, 2]}, seeds=[1])
    for index, run in enumerate(runs):
        finish(run, 0.1 + 0.1 * index)
    found = tables(runs, 1)
    assert [(one.task, one.metric, one.columns) for one in found] == [
        ("ner", "f1", ("data seed 1", "data seed 2")), ("pos", "accuracy", ("data seed 1", "data seed 2")),
    ]  # fmt: skip
    assert [one.mean_over_columns("joint") for one in found] == [pytest.approx(0.15), pytest.approx(0.35)]


def test_rows_need_not_have_every_column() -> None:
    runs = runs_of(rows={"a": {"target": "far"}, "b": [{"target": "far"}, {"target": "mid"}]}, seeds=[1])
    assert len({run.name for run in runs}) == 2
    for run in {run.name: run for run in runs}.values():
        finish(run, 0.5)
    (matrix,) = tables(runs, 1)
    assert shown(matrix)[1:] == [
        ["a", "[bold]50.0[/bold]", "-", "-", "50"],
        ["b", "[bold]50.0[/bold]", "[bold]50.0[/bold]", "50.0", "50"],
    ]


def test_what_is_drawn_is_the_difference_from_the_baseline() -> None:
    runs = runs_of(grid={"target": ["far", "mid"]}, seeds=[1])
    scores = {("joint", "far"): 0.5, ("joint", "mid"): 0.4, ("MetaXL", "far"): 0.6}
    for run in runs:
        if (place := (run.cell.name, run.cell.column)) in scores:
            finish(run, scores[place])
    (matrix,) = tables(runs, 1)
    assert matrix.baseline == "joint"
    assert difference(matrix, "MetaXL", "far") == pytest.approx((10, 10, 10))
    assert difference(matrix, "MetaXL", "mid") is None
