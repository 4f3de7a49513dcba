"""`xlt bench`: every candidate gives the exact meta-gradient or says how far off it is; figures go to a file."""

from __future__ import annotations

import dataclasses
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiers import BF16
from xltransfer.bench.baselines import torchopt_step
from xltransfer.bench.candidates import BASELINES, candidates, make_step
from xltransfer.bench.measure import Wanted, _error, measure
from xltransfer.bench.roofline import operations, roofline
from xltransfer.bench.setting import BenchSetting
from xltransfer.cli.bench import print_measured
from xltransfer.cli.main import status_of
from xltransfer.cli.output import status
from xltransfer.registry import BACKENDS
from xltransfer.testing.problems import small_problem

SMALL = BenchSetting(layer=(2,), batch=4, length=8, dtype=torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize("layers", [(0,), (2,), (1, 4)])
@pytest.mark.parametrize(
    "name", ["released", "higher-plain", "learn2learn-plain", "torchopt-plain", "higher", "func:mode=forward", "fd"]
)
def test_candidates_agree_though_some_have_the_whole_vocabulary(name: str, layers: tuple[int, ...]) -> None:
    setting = BenchSetting(layer=layers, batch=4, length=8, dtype=torch.float64)
    error = _error(make_step(name, setting)(), make_step("func", setting)())
    assert error is not None
    cut_between_layers = name == "released" and len(layers) > 1  # it detaches every input
    assert error > 1e-4 if cut_between_layers else error <= (1e-6 if name == "fd" else 1e-9)


def test_joint_has_no_meta_gradient() -> None:
    assert make_step("joint", SMALL)() == {}


def test_all_backends_and_baselines_are_candidates() -> None:
    assert set(candidates()) == {*BASELINES, *BACKENDS.names()}


@pytest.mark.slow
def test_table_and_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    few = ["--backend", "func", "--backend", "func:mode=forward", "--batch-size", "2", "--length", "4"]
    assert status_of(["bench", *few, "--repeats", "1", "--error", "--memory", "--quiet", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    written = json.loads(file.read_text())
    assert [step["name"] for step in written["steps"]] == ["joint", "func", "func:mode=forward"]
    for step in written["steps"]:
        assert step["name"] in printed
        assert step["ratio"] == pytest.approx(step["seconds"] / written["steps"][0]["seconds"])
        assert step["peak_bytes"] > 1e6
        assert step["error"] is None if step["name"] == "joint" else step["error"] < 1e-4
    assert written["setting"]["layer"] == [2]
    assert written["machine"]["cores"]
    assert status_of(["bench", *few, "--json", str(file)]) == 2


def test_a_baseline_leaves_the_parameters_as_they_were() -> None:
    problem = small_problem()
    before = {name: (value, value.detach().clone()) for name, value in problem.learner.named_parameters()}
    torchopt_step(problem, 0.1)
    for name, value in problem.learner.named_parameters():
        assert value is before[name][0]
        assert torch.equal(value, before[name][1])


def test_operations_of_known_products() -> None:
    left, right = torch.zeros(3, 5), torch.zeros(5, 7)
    assert operations(lambda: left @ right)[1] == 2 * 3 * 5 * 7


def test_operations_are_those_of_the_steps_that_are_timed(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("xltransfer.bench.measure.peak_speed", lambda device, precision: 1e12)
    small = BenchSetting(layer=(4,), batch=2, length=4, dtype=torch.float64)
    found = measure(small, ["auto", "func", "func:mode=forward"], Wanted(repeats=1), lambda message: None)
    assert found[0].operations in (found[1].operations, found[2].operations)  # the trial of auto is not counted
    assert roofline(10, 2.0, 10.0) == 0.5
    assert roofline(10, 2.0, 4.0) is None
    print_measured("steps", [dataclasses.replace(found[1], roofline=None)])
    told = capsys.readouterr()
    assert "warning: func: " in told.err
    assert "? " in told.out


@BF16
def test_a_candidate_may_have_a_precision_of_its_own() -> None:
    setting = dataclasses.replace(SMALL, dtype=torch.float32)
    single, half = (make_step(name, setting)() for name in ("func", "func@bf16"))
    error = _error(half, {name: value.double() for name, value in single.items()})
    assert error is not None
    assert 1e-4 < error < 0.2


@pytest.mark.slow
def test_a_sweep_has_a_table_a_picture_and_figures_for_each_value(tmp_path: Path, capsys: Any) -> None:
    picture, file = tmp_path / "cost.svg", tmp_path / "cost.json"
    few = ["--backend", "func", "--batch-size", "2", "--length", "4", "--repeats", "2", "--quiet"]
    assert status_of(["bench", *few, "--over", "layer=1,3", "--plot", str(picture), "--json", str(file)]) == 0
    points = json.loads(file.read_text())["points"]
    assert [(point["value"], point["place"]) for point in points] == [(1, 3), (3, 1)]
    assert points[0]["steps"][1]["operations"] > points[1]["steps"][1]["operations"]  # more layers above it
    assert "layer 3" in capsys.readouterr().out
    assert picture.read_text().lstrip().startswith("<svg")


def test_a_line_now_and_then_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for every, quiet, expected in ((0.0, False, "one\ntwo\n"), (1e9, False, ""), (0.0, True, "")):
        monkeypatch.setattr("xltransfer.cli.output.EVERY", every)
        with status(quiet) as tell:
            tell("one")
            tell("two")
        assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--backend", "fnuc"], "Did you mean 'func'?"),
        (["--backend", "func:mod=forward"], "unknown option 'mod'"),
        (["--layer", "5"], "layer: received 5; allowed: 0 to 4"),
        (["--batch-size", "1"], "batch: received 1; allowed: 2 or more"),
        (["--repeats", "0"], "repeats: received 0"),
        (["--precision", "fp8"], "allowed: bf16, fp32, tf32"),
        (["--backend", "func@fp8"], "allowed: bf16, fp32, tf32"),
        (["--backend", "func@tf32", "--device", "cpu"], "allowed on a cpu: fp32, bf16"),
        (["--over", "size=1,2"], "allowed: batch-size, encoder, layer, length, vocabulary"),
        (["--over", "layer=1,x"], "layer= and whole numbers"),
        (["--over", "vocabulary=2000"], "only with random weights"),
        (["--plot", "a.png"], "pass --over"),
        (["--over", "layer=1", "--plot", "a.gif"], "ends in .png, .svg, .pdf"),
    ],
)
def test_bad_input(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["bench", *arguments, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow
def test_the_gpu_table_rehearsed(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["bash", root / "benchmarks" / "gpu.sh", "--rehearse"], text=True, capture_output=True, check=False,
        env={**os.environ, "PYTHON": sys.executable, "RESULTS": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert (written["absent"], written["left_out"]) == ([], [])
    titles = ["tiny, layer 4, 2 x 8"] * 2
    assert [(part["title"], part["failed"]) for part in written["parts"]] == [(title, {}) for title in titles]
    names = [step["name"] for step in written["parts"][0]["steps"]]
    assert names == ["joint", "released", "func", "fd", "fd:scheme=one-sided", *(n for n in BASELINES if "-plain" in n)]
    assert all(step["error"] < 1e-2 for part in written["parts"] for step in part["steps"] if step["name"] != "joint")


@pytest.mark.slow
def test_a_step_that_fails_is_named_and_the_others_go_on() -> None:
    gpu = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "gpu.py"))
    setting = dataclasses.replace(SMALL, dtype=torch.float32)
    found = gpu["_measured"](gpu["Part"](setting, ("joint", "func@tf32")), Wanted(repeats=1))
    assert [step["name"] for step in found["steps"]] == ["joint"]
    assert found["failed"]["func@tf32"].startswith("ConfigError: precision: received 'tf32'")
