"""`xlt bench`: every candidate gives the exact meta-gradient or says how far off it is; figures go to a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from xltransfer.bench.candidates import BASELINES, candidates, step_of
from xltransfer.bench.measure import _error
from xltransfer.bench.setting import BenchSetting
from xltransfer.cli.main import status_of
from xltransfer.registry import BACKENDS

SMALL = BenchSetting(layer=(2,), batch=4, length=8, dtype=torch.float64)


@pytest.mark.parametrize("layers", [(0,), (2,), (1, 4)])
@pytest.mark.parametrize("name", ["released", "higher-plain", "learn2learn-plain", "higher", "func:mode=forward", "fd"])
def test_candidates_agree_though_some_have_the_whole_vocabulary(name: str, layers: tuple[int, ...]) -> None:
    setting = BenchSetting(layer=layers, batch=4, length=8, dtype=torch.float64)
    error = _error(step_of(name, setting)(), step_of("func", setting)())
    assert error is not None
    cut_between_layers = name == "released" and len(layers) > 1  # it detaches every input
    assert error > 1e-4 if cut_between_layers else error <= (1e-6 if name == "fd" else 1e-9)


def test_joint_has_no_meta_gradient() -> None:
    assert step_of("joint", SMALL)() == {}


def test_all_backends_and_baselines_are_candidates() -> None:
    assert set(candidates()) == {*BASELINES, *BACKENDS.names()}


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


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--backend", "fnuc"], "Did you mean 'func'?"),
        (["--backend", "func:mod=forward"], "unknown option 'mod'"),
        (["--layer", "5"], "layer: received 5; allowed: 0 to 4"),
        (["--batch-size", "1"], "batch: received 1; allowed: 2 or more"),
        (["--repeats", "0"], "repeats: received 0"),
        (["--precision", "fp8"], "allowed: bf16, fp32"),
    ],
)
def test_bad_input(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["bench", *arguments, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert len(error.splitlines()) == 1
