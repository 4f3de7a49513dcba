"""A search chooses by dev alone, row by row, and goes on where it was."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sweeping import VALUES, Inline, swept, write
from xltransfer.cli import sweep as command
from xltransfer.cli.main import status_of
from xltransfer.errors import ConfigError
from xltransfer.experiments.engines.worker import Job, Outcome
from xltransfer.experiments.sweeps.file import read_sweep

pytestmark = pytest.mark.usefixtures("empty_folder")
Capture = pytest.CaptureFixture[str]
RANGES: dict[str, Any] = {
    "lr": {"low": "1e-5", "high": 1e-1, "log": True}, "meta_lr": {"low": 1e-5, "high": 1e-2, "log": True},
    "rtn_options.bottleneck": [8, 16], "batch_size": {"low": 2, "high": 8},
}  # fmt: skip
CONTENT: dict[str, Any] = {
    "values": VALUES, "rows": {"joint": {"method": "joint", "lr": 0.5}, "MetaXL": {"method": "metaxl"}},
    "grid": {"target": ["far", "mid"]}, "seeds": [1, 2], "search": {"trials": 12, "seeds": [0], "ranges": RANGES},
}  # fmt: skip


def dev_of(job: Job) -> float:
    """Best at lr 1e-3."""
    assert job.config.lr is not None
    return 1 / (1 + abs(math.log10(job.config.lr) + 3) + (job.config.target == "far"))


def finishing(job: Job) -> Outcome:
    """A run that is best on test where it is worst on dev."""
    dev = dev_of(job)
    scores = [dict.fromkeys(("f1", "precision", "recall", "accuracy"), value) for value in (dev, 1 - dev, 0.0)]
    Path(str(job.config.output)).mkdir(parents=True)
    found = {"dev": scores[0], "test": scores[1], "meta": {"majority": scores[2]}, "seconds": 1.0}
    Path(str(job.config.output), "metrics.json").write_text(json.dumps(found))
    return Outcome("finished")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Inline:
    """Every run is done by `finishing`."""
    pytest.importorskip("optuna")
    made = Inline(finishing)
    monkeypatch.setattr(command, "_engine", lambda *arguments: lambda: made)
    return made


def test_the_best_by_dev_is_found_in_every_row(engine: Inline, capsys: Capture) -> None:
    write(CONTENT)
    report, _ = swept(capsys)
    assert len(engine.done) == 2 * 12 * 2
    assert {row: set(one["values"]) for row, one in report.items()} == {
        "joint": {"lr", "batch_size"}, "MetaXL": set(RANGES),
    }  # fmt: skip
    for row, one in report.items():
        runs = [json.loads(path.read_text()) for path in Path("runs/sweep-s").glob(f"{row.lower()}-*/metrics.json")]
        assert len(runs) == 24
        assert (one["trials"], one["failed"]) == (12, 0)
        assert 1e-5 <= one["values"]["lr"] <= 1e-1
        away = abs(math.log10(one["values"]["lr"]) + 3)
        assert one["dev"] == pytest.approx((1 / (1 + away) + 1 / (2 + away)) / 2)
        assert one["dev"] >= sum(sorted(run["dev"]["f1"] for run in runs)[-2:]) / 2 * 0.7


@pytest.mark.slow
def test_test_scores_change_nothing(engine: Inline, capsys: Capture) -> None:
    write(CONTENT)
    first, _ = swept(capsys)
    for path in Path("runs/sweep-s").glob("*/metrics.json"):
        found = json.loads(path.read_text())
        path.write_text(json.dumps({**found, "test": dict.fromkeys(found["test"], 0.123)}))
    assert swept(capsys)[0] == first


@pytest.mark.slow
def test_a_search_goes_on_where_it_was_interrupted(
    engine: Inline, capsys: Capture, monkeypatch: pytest.MonkeyPatch, interruptible: None
) -> None:
    write(CONTENT)
    whole, _ = swept(capsys, "--output", "whole")
    all_done = engine.done.copy()
    engine.done.clear()

    def stopping(job: Job) -> Outcome:
        if len(engine.done) == 17:
            os.kill(os.getpid(), signal.SIGTERM)
        return finishing(job)

    monkeypatch.setattr(engine, "_action", stopping)
    assert status_of(["sweep", "s.yaml", "--quiet"]) == 130
    assert len(engine.done) == 17
    partial, told = swept(capsys, "--status")
    assert not told
    assert [one["trials"] for one in partial.values()] == [4, 4]
    monkeypatch.setattr(engine, "_action", finishing)
    assert swept(capsys)[0] == whole
    assert engine.done == all_done
    engine.done.clear()
    found, told = swept(capsys)
    assert (found, told, engine.done) == (whole, "all 12 trials are finished; nothing to do\n", [])


@pytest.mark.slow
def test_the_best_are_a_sweep_of_their_own(engine: Inline, capsys: Capture) -> None:
    write({**CONTENT, "baseline": "joint"})
    report, _ = swept(capsys)
    best = read_sweep(Path("runs/sweep-s/best.yaml"))
    assert (best.seeds, best.baseline, best.search) == ((1, 2), "joint", None)
    found = best.cells()
    assert [(cell.name, cell.column) for cell in found] == [
        ("joint", "far"), ("joint", "mid"), ("MetaXL", "far"), ("MetaXL", "mid"),
    ]  # fmt: skip
    for cell in found:
        chosen = report[cell.name]["values"]
        assert (cell.config.lr, cell.config.batch_size) == (chosen["lr"], chosen["batch_size"])
        assert (Path("runs/sweep-s") / cell.run_name(0)).is_dir()  # the search's own run, with the search's seed


def test_recipes_are_written_out_and_a_sweep_without_rows_has_values(engine: Inline, capsys: Capture) -> None:
    ranges = {"lr": [1e-3, 1e-4]}
    rows = {"released": "metaxl/ner-en-qu-released", "joint": "metaxl/ner-en-qu-joint"}
    write({"rows": rows, "grid": {"target": ["qu", "gn"]}, "seeds": [1], "search": {"trials": 2, "ranges": ranges}})
    swept(capsys)
    cells = {(cell.name, cell.column): cell.config for cell in read_sweep(Path("runs/sweep-s/best.yaml")).cells()}
    assert len(cells) == 4
    assert cells["released", "gn"].method_options["order"] == "released"
    assert cells["released", "gn"].lr in ranges["lr"]
    write({"values": VALUES, "seeds": [1], "search": {"trials": 2, "ranges": ranges}}, "t.yaml")
    assert status_of(["sweep", "t.yaml", "--quiet"]) == 0
    assert "for the final runs: xlt sweep runs/sweep-t/best.yaml" in capsys.readouterr().out
    assert yaml.safe_load(Path("runs/sweep-t/best.yaml").read_text())["values"]["lr"] in ranges["lr"]


@pytest.mark.slow
def test_a_failed_run_makes_its_trial_fail(engine: Inline, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(job: Job) -> Outcome:
        return Outcome("failed", "diverged") if dev_of(job) < 0.4 else finishing(job)

    monkeypatch.setattr(engine, "_action", failing)
    write(CONTENT)
    report, _ = swept(capsys)
    for one in report.values():
        assert one["failed"] > 0
        assert one["trials"] + one["failed"] == 12
        assert one["dev"] >= 0.4


@pytest.mark.slow
@pytest.mark.parametrize("format", ["table", "markdown", "latex", "csv"])
def test_formats(format: str, engine: Inline, capsys: Capture) -> None:
    write(CONTENT)
    assert status_of(["sweep", "s.yaml", "--quiet", "--format", format]) == 0
    assert "MetaXL" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"trails": 3}, "unknown key 'trails'.*Did you mean 'trials'"),
        ({"trials": 0}, "trials: received 0"),
        ({"seeds": []}, r"seeds: received \[\]"),
        ({"ranges": {}}, "ranges: received {}"),
        ({"ranges": {"lr": {"low": 1}}}, "lr: received {'low': 1}"),
        ({"ranges": {"lr": {"low": 1, "high": 0.5}}}, "lr: received .*X < Y"),
        ({"ranges": {"lr": {"low": 0, "high": 0.5, "log": True}}}, "above 0"),
        ({"ranges": {"lr": []}}, r"lr: received \[\]"),
        ({"ranges": {"lr": ["x"]}}, "lr: received 'x'"),
        ({"ranges": {"rl": [1, 2]}}, "unknown option 'rl'"),
        ({"ranges": {"target": ["far", "mid"]}}, "target is varied by the grid"),
        ({"ranges": {"data_seed": [1, 2]}}, "data_seed cannot be searched"),
        ({"ranges": {"rtn_options": [1, 2]}}, "rtn_options cannot be searched"),
        ({"ranges": {"seed": [1, 2]}}, "seed is not given here"),
    ],
)
def test_faults(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"sweep 's\.yaml': search: .*{expected}"):
        read_sweep(Path(write({**CONTENT, "search": {**CONTENT["search"], **changes}})))


def test_ranges_that_no_row_uses_and_no_optuna_are_told(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    write({"rows": {"joint": {"method": "joint"}}, "search": {"ranges": {"meta_lr": [0.1, 0.2]}}})
    assert status_of(["sweep", "s.yaml"]) == 2
    assert "no row uses any of meta_lr" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert status_of(["sweep", "s.yaml"]) == 2
    assert "pip install 'xltransfer[search]'" in capsys.readouterr().err
