"""`xlt sweep` on this machine's processes: the runs of `xlt compare`, whatever happens to a process."""

from __future__ import annotations

import csv
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import work_in
from tests.refusals import refused
from tests.sweeping import CUT, CUT_RUNS, FOUR, scores, swept, without_processes, write
from xltransfer.cli import sweep as command
from xltransfer.cli.main import status_of
from xltransfer.experiments.tables.sweep import FORMATS

Capture = pytest.CaptureFixture[str]
COMPARE = ["compare", "--quiet", "--epochs", "1", "--source-size", "24", "--target-size", "8", "--batch-size", "8",
           "--lr", "0.005", "--data-opt", "train=40", "--data-opt", "dev=12", "--data-opt", "test=30", "--method",
           "joint", "--method", "metaxl", "--seed", "1", "--seed", "2", "--json"]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of four runs."""
    folder = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patched, without_processes():
        patched.chdir(folder)
        assert status_of(["sweep", write(FOUR), "--quiet"]) == 0
    return folder / "runs" / "sweep-s"


@pytest.fixture
def here(finished: Path, empty_folder: Path) -> Path:
    """A copy of it."""
    write(FOUR)
    return Path(shutil.copytree(finished, Path("runs", "sweep-s")))


@pytest.mark.slow
def test_two_processes_give_the_runs_of_a_comparison(empty_folder: Path, capsys: Capture) -> None:
    write(FOUR)
    report, _ = swept(capsys, "--workers", "2")
    capsys.readouterr()
    assert status_of([*COMPARE, "--output", "compared"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert scores(report) == {
        Path(run).name: score
        for row in compared["rows"]
        for run, score in zip(row["run_dirs"], row["test"], strict=True)
    }
    (table,) = report["tables"]
    (found,) = table["comparisons"].values()
    for row, own in zip(compared["rows"], found["rows"], strict=True):
        assert own["run_dirs"] == [Path(run).name for run in row["run_dirs"]]
        assert (own["difference"], own["p"], own["mean"]) == (row["difference"], row["p"], row["mean"])
    assert found["verdict"] == compared["verdict"]
    assert str(Path.cwd()) not in json.dumps(report)


def test_a_second_call_has_nothing_to_do(here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(command, "_engine")
    report, told = swept(capsys)
    assert told == "all 4 runs are finished; nothing to do\n"
    assert report["runs"] == {"total": 4, "finished": 4, "failed": 0, "begun": 0, "waiting": 0}


def test_a_comparison_takes_the_runs_of_a_sweep(here: Path, capsys: Capture) -> None:
    report, _ = swept(capsys)
    times = {path: path.stat().st_mtime_ns for path in here.glob("*/metrics.json")}
    assert status_of([*COMPARE, "--output", str(here)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {Path(run).name for row in found["rows"] for run in row["run_dirs"]} == set(scores(report))
    assert {path: path.stat().st_mtime_ns for path in here.glob("*/metrics.json")} == times


def test_what_there_is_can_be_asked_for_at_any_time(here: Path, capsys: Capture) -> None:
    whole, _ = swept(capsys)
    joint, metaxl = sorted(here.glob("*-seed2-*"))
    shutil.rmtree(joint)
    (metaxl / "metrics.json").unlink()
    (here / "index.json").unlink()
    report, told = swept(capsys, "--status")
    assert told == "2 of 4 done; 1 begun; 1 not yet begun\n"
    assert report["runs"] == {"total": 4, "finished": 2, "failed": 0, "begun": 1, "waiting": 1}
    assert scores(report).items() < scores(whole).items()
    assert not joint.exists()
    assert status_of(["sweep", "s.yaml", "--status"]) == 0
    assert capsys.readouterr().out.count("(1 of 2)") == 2
    index = json.loads((here / "index.json").read_text())
    assert {name: run["state"] for name, run in index["runs"].items() if "seed2" in name} == {
        joint.name: "waiting", metaxl.name: "begun",
    }  # fmt: skip
    (first,) = here.glob("joint-seed1-*")
    assert index["runs"][first.name]["test"] == json.loads((first / "metrics.json").read_text())["test"]
    assert index["runs"][first.name]["cells"] == [{"task": "ner", "row": "joint", "column": "synthetic", "seed": 1}]


def test_nothing_is_written_where_nothing_is(empty_folder: Path, capsys: Capture) -> None:
    write(FOUR)
    report, told = swept(capsys, "--status")
    assert told == "0 of 4 done; 4 not yet begun\n"
    assert report["tables"][0]["cells"] == []
    assert not Path("runs").exists()


def test_formats(here: Path, capsys: Capture) -> None:
    printed = {}
    for name in ("table", *FORMATS):
        assert status_of(["sweep", "s.yaml", "--format", name]) == 0
        printed[name] = capsys.readouterr().out
    assert all("No difference" in printed[name] or "than joint" in printed[name] for name in ("table", "markdown"))
    assert printed["markdown"].count("**") == 2
    assert printed["latex"].count(r"\textbf{") == 1
    assert all(printed["latex"].count(f"\\{rule}rule") == 1 for rule in ("top", "mid", "bottom"))
    rows = list(csv.DictReader(io.StringIO(printed["csv"])))
    assert [(row["row"], row["seed"], row["state"]) for row in rows] == [
        ("joint", "1", "finished"), ("metaxl", "1", "finished"),
        ("joint", "2", "finished"), ("metaxl", "2", "finished"),
    ]  # fmt: skip
    assert {row["run"]: float(row["test"]) for row in rows} == scores(json.loads(printed["json"]))


@pytest.fixture(scope="module")
def uncut_scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The scores of the sweep that can be brought down, where it is not."""
    with pytest.MonkeyPatch.context() as patched, without_processes():
        work_in(tmp_path_factory.mktemp("uncut"), patched)
        write_cut()
        assert status_of(["sweep", "s.yaml", "--quiet", "--plugin", "cut.py"]) == 0
        metrics = {path.parent.name: json.loads(path.read_text()) for path in Path("runs").glob("*/*/metrics.json")}
    return {name: one["test"]["f1"] for name, one in metrics.items()}


def write_cut() -> None:
    write(CUT_RUNS)
    Path("cut.py").write_text(CUT)


@pytest.fixture
def uncut(uncut_scores: dict[str, float], empty_folder: Path) -> dict[str, float]:
    """Writes that sweep, and gives the scores it is to have."""
    write_cut()
    return uncut_scores


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_a_failed_run_is_told_and_tried_again(
    uncut: dict[str, float], capsys: Capture
) -> None:
    Path("broken").touch()
    with without_processes():
        report, told = swept(capsys, "--plugin", "cut.py", status=1)
    assert told.count("failed: joint-rtn, synthetic, seed ") == 2
    assert {one["error"] for one in report["failed"]} == {"ValueError: broken on purpose"}
    notes = [json.loads(path.read_text()) for path in Path("runs/sweep-s").glob("*.failed.json")]
    assert [(note["error"], note["attempts"]) for note in notes] == [("ValueError: broken on purpose", 1)] * 2
    assert all("cut.py" in note["traceback"] for note in notes)
    _, told = swept(capsys, "--plugin", "cut.py", "--status")
    assert told.startswith("0 of 2 done; 2 failed\nfailed: joint-rtn, synthetic, seed 1: ValueError: broken")
    Path("broken").unlink()
    Path("signal").write_text(f"worker {int(signal.SIGKILL)}")
    report, told = swept(capsys, "--plugin", "cut.py", "--workers", "2")
    assert "its process died; it goes on from its last checkpoint" in told
    assert scores(report) == uncut
    assert report["failed"] == []
    assert not list(Path("runs/sweep-s").glob("*.failed.json"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_stopped_or_killed_goes_on(
    number: signal.Signals, uncut: dict[str, float], capsys: Capture
) -> None:
    Path("signal").write_text(f"parent {int(number)}")
    command = [sys.executable, "-m", "xltransfer", "sweep", "s.yaml", "--plugin", "cut.py", "--workers", "2", "--quiet"]
    begun = subprocess.run(command, capture_output=True, text=True, check=False)
    assert begun.returncode == {signal.SIGTERM: 130, signal.SIGKILL: -9}[number], begun.stderr
    assert ended(int(Path("pid").read_text()), seconds=0 if number == signal.SIGTERM else 60)
    if number == signal.SIGTERM:
        assert "the same command goes on from here" in begun.stderr
        assert not [path for path in Path("runs").rglob("*") if "partial" in path.name]
        assert json.loads(Path("runs/sweep-s/index.json").read_text())["runs"].keys() == uncut.keys()
    assert len(list(Path("runs/sweep-s").glob("*/checkpoint/*"))) >= 1
    with without_processes():
        report, _ = swept(capsys, "--plugin", "cut.py")
    assert scores(report) == uncut


def ended(process: int, seconds: float) -> bool:
    """Whether a process is no more, at the latest after some time."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--engine", "lokal"], "engine: received 'lokal'; allowed: local, ray. Did you mean 'local'?"),
        (["--format", "html"], "format: received 'html'"),
        (["--gpus", "0.5"], "gpus: received 0.5; it is of --engine ray"),
        (["--address", "auto"], "address: received auto; it is of --engine ray"),
        (["--plugin", "none.py"], "plugin: "),
        (["--workers", "0"], "workers: received 0; allowed: 1 or more."),
    ],
)
def test_bad_input(arguments: list[str], expected: str, empty_folder: Path, capsys: Capture) -> None:
    write(FOUR)
    refused(capsys, ["sweep", "s.yaml", *arguments], expected)


def test_a_bad_file_is_refused_in_one_line(empty_folder: Path, capsys: Capture) -> None:
    content: dict[str, Any] = {"valeus": {}, "seeds": []}
    refused(capsys, ["sweep", write(content)], "'s.yaml': unknown key 'valeus'", "seeds: received []")
