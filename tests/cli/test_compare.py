"""`xlt compare`: a table of small runs, in every format, continued, and refused."""

from __future__ import annotations

import csv
import io
import json
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.refusals import refused
from xltransfer.cli.main import status_of
from xltransfer.config import RunConfig
from xltransfer.encoders.tiny import Tiny
from xltransfer.errors import Interrupted
from xltransfer.experiments.compare import Comparison, Row
from xltransfer.experiments.statistics import Difference, difference, pseudovalues
from xltransfer.experiments.tables.comparison import FORMATS
from xltransfer.tasks.ner import NER
from xltransfer.training import run as runs
from xltransfer.training.progress import Reporter
from xltransfer.training.run import RunResult, run
from xltransfer.training.run_folder import read_predictions

pytestmark = pytest.mark.usefixtures("empty_folder")
Capture = pytest.CaptureFixture[str]
SMALL = ["compare", "--quiet", "--epochs", "1", "--source-size", "24", "--target-size", "8", "--batch-size", "8",
         "--lr", "0.005", "--data-opt", "train=40", "--data-opt", "dev=12", "--data-opt", "test=30"]  # fmt: skip
TWO = ["--method", "joint", "--method", "metaxl", "--seed", "1", "--seed", "2"]


def found(capsys: Capture, *arguments: str) -> dict[str, Any]:
    """What a comparison prints as JSON."""
    capsys.readouterr()
    assert status_of([*SMALL, *arguments, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the comparison TWO has been run."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert status_of([*SMALL, *TWO]) == 0
    return folder


@pytest.fixture
def finished(compared: Path, empty_folder: Path) -> Path:
    """A copy of its runs in this folder, for a comparison to take."""
    return Path(shutil.copytree(compared / "runs", "runs"))


def test_the_table_is_of_the_runs_themselves(finished: Path, capsys: Capture) -> None:
    result = found(capsys, *TWO)
    assert [row["name"] for row in result["rows"]] == ["joint", "metaxl"]
    assert (result["baseline"], result["seeds"], result["sentences"]) == ("joint", [1, 2], 30)
    values = []
    for row in result["rows"]:
        runs = [json.loads(Path(run, "metrics.json").read_text()) for run in row["run_dirs"]]
        assert row["test"] == [run["test"]["f1"] for run in runs]
        assert row["mean"] == pytest.approx(statistics.mean(row["test"]))
        assert row["sd"] == pytest.approx(statistics.stdev(row["test"]))
        assert {run["meta"]["method"] for run in runs} == {row["name"]}
        values.append(np.stack([by_sentence(Path(run)) for run in row["run_dirs"]]))
    assert result["rows"][0]["difference"] is None
    change = result["rows"][1]["mean"] - result["rows"][0]["mean"]
    assert result["rows"][1]["difference"] == pytest.approx(difference(values[1], values[0], change).to_dict())
    assert result["rows"][1]["difference"]["mean"] == pytest.approx(change)


def by_sentence(run: Path) -> Any:
    gold, predicted = read_predictions(run, "test", "tagging")
    return pseudovalues(lambda rows: NER().score([gold[n] for n in rows], [predicted[n] for n in rows]).f1, len(gold))


@pytest.mark.slow
def test_what_is_finished_is_not_run_again(finished: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    first = found(capsys, *TWO)  # of the runs that the fixture has made
    began: list[str] = []

    def beginning(config: RunConfig, reporter: Reporter) -> RunResult:
        began.append(config.rtn)
        return run(config, reporter)

    monkeypatch.setattr(runs, "run", beginning)
    assert found(capsys, *TWO) == first
    assert not began
    wider = found(capsys, *TWO, "--rtn", "mlp", "--rtn", "identity")
    assert began == ["identity", "identity"]
    assert [row["name"] for row in wider["rows"]] == ["joint", "metaxl/mlp", "metaxl/identity"]
    assert wider["rows"][1]["test"] == first["rows"][1]["test"]


def test_an_interrupted_comparison_goes_on(finished: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(capsys, *TWO)
    calls: list[RunConfig] = []

    def interrupted(config: RunConfig, reporter: Reporter) -> RunResult:
        calls.append(config)
        if len(calls) == 3:
            raise Interrupted("stopped")
        return run(config, reporter)

    with monkeypatch.context() as patched:
        patched.setattr(runs, "run", interrupted)
        assert status_of([*SMALL, *TWO, "--output", "again"]) == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    again = found(capsys, *TWO, "--output", "again")
    assert [row["test"] for row in again["rows"]] == [row["test"] for row in whole["rows"]]


@pytest.mark.slow
def test_an_unfinished_run_is_resumed_with_its_plugin(capsys: Capture) -> None:
    Path("mine.py").write_text(
        "import torch\nfrom xltransfer import RTN, register_rtn\n\n@register_rtn('mine')\nclass Mine(RTN):\n"
        "    def __init__(self, dim):\n        super().__init__()\n        self.map = torch.nn.Linear(dim, dim)\n"
        "    def forward(self, hidden, mask, layer):\n        return 0.1 * self.map(hidden)\n"
    )
    arguments = ["--plugin", "mine.py", "--rtn", "mine", "--seed", "1"]
    first = found(capsys, *arguments)
    (run,) = first["rows"][0]["run_dirs"]
    for file in Path(run).iterdir():
        if file.name not in ("config.yaml", "environment.json"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    assert found(capsys, *arguments)["rows"][0]["test"] == first["rows"][0]["test"]


def test_formats(finished: Path, capsys: Capture) -> None:
    printed = {}
    for name in ("table", *FORMATS):
        capsys.readouterr()
        assert status_of([*SMALL, *TWO, "--format", name]) == 0
        printed[name] = capsys.readouterr().out
    assert all("No difference" in printed[name] or "than joint" in printed[name] for name in ("table", "markdown"))
    assert printed["markdown"].count("**") == 2
    assert printed["latex"].count(r"\textbf{") == 1
    assert all(printed["latex"].count(f"\\{rule}rule") == 1 for rule in ("top", "mid", "bottom"))
    rows = list(csv.DictReader(io.StringIO(printed["csv"])))
    assert [(row["name"], row["seed"]) for row in rows] == [
        ("joint", "1"), ("joint", "2"), ("metaxl", "1"), ("metaxl", "2"),
    ]  # fmt: skip
    assert json.loads(printed["json"])["rows"][0]["test"] == [float(row["test f1"]) for row in rows[:2]]


def comparison(*rows: Row, seeds: int = 3) -> Comparison:
    return Comparison("ner", "f1", ("a_b",), "c", tuple(range(seeds)), 100, "joint", rows)


def row(name: str, *test: float, change: Difference | None = None, p: float | None = None) -> Row:
    return Row(name, test, test, test, tuple("run" for _ in test), change, p)


BASE = row("joint", 0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    "table, expected",
    [
        (comparison(BASE, row("x", 0.6, 0.6, 0.6, change=Difference(0.1, 0.05, 0.15, 0.01), p=0.02)),
         "x is better than joint: +10.0 points (95 % interval 5.0 to 15.0, adjusted p = 0.02)."),
        (comparison(BASE, row("x", 0.4, 0.4, 0.4, change=Difference(-0.1, -0.15, 0.05, 0.2), p=0.2)),
         "No difference from joint is detectable with 3 seeds and 100 test sentences for x; up to 15.0 points are not "
         "ruled out."),
        (comparison(row("joint", 0.5), row("x", 0.6, change=Difference(0.1, None, None, None)), seeds=1),
         "No difference can be tested with one seed: it says nothing of how seeds differ. Give --seed again."),
        (comparison(BASE), "One configuration: there is nothing to compare."),
    ],
)  # fmt: skip
def test_verdicts(table: Comparison, expected: str) -> None:
    assert table.verdict() == expected


@pytest.mark.parametrize("name", list(FORMATS))
def test_special_letters_and_one_seed(name: str) -> None:
    made: Callable[[Comparison], str] = FORMATS[name]
    text = made(comparison(row("bottle_neck=8 & %", 0.5), seeds=1))
    assert r"bottle\_neck=8 \& \%" in text if name == "latex" else "bottle_neck=8 & %" in text


@pytest.mark.slow
def test_one_test_sentence_and_names_that_look_like_markup(capsys: Capture) -> None:
    shutil.copytree(Tiny.folder, "enc[old]")
    capsys.readouterr()
    arguments = ["--data-opt", "test=1", "--encoder", "tiny", "--encoder", "./enc[old]", "--seed", "1", "--seed", "2"]
    assert status_of([*SMALL[:-2], *arguments]) == 0
    printed = capsys.readouterr().out
    assert "./enc[old]" in printed
    assert "…" not in printed
    assert "No difference can be tested on one test sentence." in printed


def test_other_test_sentences_are_refused(finished: Path, capsys: Capture) -> None:
    result = found(capsys, *TWO)
    run = Path(result["rows"][1]["run_dirs"][0])
    lines = (run / "predictions.test.tsv").read_text().split("\n")
    (run / "predictions.test.tsv").write_text("\n".join(lines[lines.index("") + 1 :]))
    refused_here(capsys, [*SMALL, *TWO], "was scored on other test sentences")


def refused_here(capsys: Capture, arguments: list[str], expected: str) -> None:
    capsys.readouterr()
    assert status_of(arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert expected in line


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--seed", "x"], "seed: received 'x'"),
        (["--rtn-opt", "bottleneck", "--rtn-opt", "bottleneck=8"], "--rtn-opt: received 'bottleneck'"),
        (["--seed", "²"], "seed: received '²'"),
        (["--output", "a", "--output", "b"], "output: received a, b"),
        (["--format", "html"], "format: received 'html'"),
        (["--baseline", "jiont", "--method", "joint"], "Did you mean 'joint'?"),
        (["--data-seed", "1", "--data-seed", "2"], "the same test sentences"),
        (["--plot", "a.gif"], "ends in .png, .svg, .pdf"),
        (["--method", "joint", "--method", "meta"], "method: received 'meta'"),
    ],
)
def test_bad_input(arguments: list[str], expected: str, capsys: Capture) -> None:
    refused(capsys, [*SMALL, *arguments], expected)


@pytest.mark.slow
def test_several_targets_have_a_column_each_and_a_picture(capsys: Capture, tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / "gain.svg"
    arguments = [*TWO, "--target", "d10", "--target", "d90"]
    result = found(capsys, *arguments, "--plot", str(picture), "--output", "runs")
    (table,) = result["tables"]
    assert (table["rows"], table["columns"]) == (["joint", "metaxl"], ["d10", "d90"])
    assert result["runs"]["finished"] == 8
    for cell in table["cells"]:
        for one in cell["seeds"].values():
            read = json.loads(Path("runs", one["run"], "metrics.json").read_text())
            assert (read["meta"]["target"], read["test"]["f1"]) == (cell["column"], one["test"])
    drawn = picture.read_text()
    assert all(f">{text}</text>" in drawn for text in ("d10", "d90", "metaxl"))
    assert status_of([*SMALL, *arguments, "--output", "runs"]) == 0
    assert "d90" in capsys.readouterr().out
