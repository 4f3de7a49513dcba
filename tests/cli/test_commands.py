"""Commands as a user types them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from xltransfer.cli.main import status_of
from xltransfer.registry import BACKENDS, RTNS
from xltransfer.training.run import RunResult

SHORT = ["--epochs", "1", "--source-size", "20", "--target-size", "10",
         "--data-opt", "train=40", "--data-opt", "dev=10", "--data-opt", "test=10"]  # fmt: skip
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("options", [[], ["--rtn", "mlp", "--layer", "2", "--backend", "higher"]])
def test_run_prints_a_table_and_the_folder(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    for expected in ("runs/ner-base-far-metaxl-seed11", "runs/ner-base-far-metaxl-seed11-2"):
        assert status_of(["run", *SHORT, *options]) == 0
        captured = capsys.readouterr()
        for text in ("dev", "test", "majority baseline", f"run folder: {expected}\n"):
            assert text in captured.out
        assert "epoch 1/1: dev f1" in captured.err


def test_json_is_the_only_thing_on_standard_output(tmp_path: Path, capsys: Capture) -> None:
    assert status_of(["run", *SHORT, "--json", "--quiet", "--output", str(tmp_path / "run")]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["metric"] == "f1"
    assert Path(result["run_dir"]) == tmp_path / "run"
    assert captured.err == ""


def test_config_file_with_options_that_override_it(tmp_path: Path, capsys: Capture) -> None:
    assert (
        status_of(["run", *SHORT, "--json", "--quiet", "--output", str(tmp_path / "one"), "--rtn-opt", "gate=no"]) == 0
    )
    first = json.loads(capsys.readouterr().out)
    config = str(tmp_path / "one" / "config.yaml")
    repeat = ["run", "--config", config, "--json", "--quiet", "--output", str(tmp_path / "two")]
    assert status_of(repeat) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["test"] == first["test"]
    assert second["meta"] == first["meta"]
    assert status_of([*repeat[:-1], str(tmp_path / "three"), "--rtn", "identity", "--method", "joint"]) == 2
    assert "unknown option 'gate'" in capsys.readouterr().err


def test_plugin_file_registers_an_rtn(tmp_path: Path, capsys: Capture) -> None:
    plugin = tmp_path / "shift.py"
    plugin.write_text(
        "import torch\nfrom xltransfer import RTN, register_rtn\n\n\n"
        "@register_rtn('test-shift')\nclass Shift(RTN):\n    'Adds a learned vector.'\n\n"
        "    def __init__(self, dim: int, *, scale: float = 1.0):\n        super().__init__()\n"
        "        self.scale = scale\n        self.vector = torch.nn.Parameter(torch.zeros(dim))\n\n"
        "    def forward(self, hidden, mask, layer):\n        return (self.scale * self.vector).expand_as(hidden)\n"
    )
    try:
        assert status_of(["ls", "rtns", "--plugin", str(plugin)]) == 0
        assert "test-shift    Adds a learned vector.  (from shift.py)" in capsys.readouterr().out
        run = ["run", *SHORT, "--quiet", "--json", "--plugin", str(plugin), "--output", str(tmp_path / "run")]
        assert status_of([*run, "--rtn", "test-shift", "--rtn-opt", "scale=2"]) == 0
        assert json.loads(capsys.readouterr().out)["meta"]["rtn_parameters"] == 128
    finally:
        RTNS._entries.pop("test-shift", None)


def test_predict_raw_and_words_from_file_and_standard_input(
    tmp_path: Path, finished_runs: dict[str, RunResult], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    ner, sentiment = str(finished_runs["ner"].run_dir), str(finished_runs["sentiment"].run_dir)
    (tmp_path / "in.txt").write_text("Fi tafa gor.\n\nMote Vopero, tal.\n")
    assert status_of(["predict", ner, "--input", str(tmp_path / "in.txt")]) == 0
    from_run = capsys.readouterr().out
    assert [line.split("\t")[0] for line in from_run.splitlines()] == [
        "Fi",
        "tafa",
        "gor",
        ".",
        "",
        "Mote",
        "Vopero",
        ",",
        "tal",
        ".",
        "",
    ]
    assert status_of(["predict", f"{ner}/model", "--input", str(tmp_path / "in.txt")]) == 0
    assert capsys.readouterr().out == from_run
    monkeypatch.setattr(sys, "stdin", io.StringIO("Fi tafa gor.\n"))
    assert status_of(["predict", ner, "--words", "--format", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out)["words"] == ["Fi", "tafa", "gor."]
    output = tmp_path / "out.tsv"
    assert status_of(["predict", sentiment, "--input", str(tmp_path / "in.txt"), "--output", str(output)]) == 0
    assert [line.split("\t")[0] in ("positive", "negative") for line in output.read_text().splitlines()] == [True, True]


def test_evaluate_and_export(tmp_path: Path, finished_runs: dict[str, RunResult], capsys: Capture) -> None:
    result = finished_runs["ner"]
    assert status_of(["evaluate", str(result.run_dir), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["f1"] == result.test.f1
    assert status_of(["export", str(result.run_dir), str(tmp_path / "model")]) == 0
    assert status_of(["export", str(result.run_dir), str(tmp_path / "model")]) == 2
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {path.name for path in (result.run_dir / "model").iterdir()}


def test_ls_and_doctor(capsys: Capture) -> None:
    assert status_of(["ls", "backends"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == BACKENDS.names()
    assert status_of(["ls", "rtns", "-v"]) == 0
    listed = capsys.readouterr().out
    assert "bottleneck=None" in listed
    assert "296,065 parameters at one layer of XLM-R base" in listed
    assert status_of(["ls", "backends", "-v"]) == 0
    listed = capsys.readouterr().out
    assert "approximates: the mixed derivative" in listed
    assert "recomputation, compilation, inner updates" in listed
    assert status_of(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["backends"] == BACKENDS.names()
    assert report["tiny encoder"] == "ready"


def test_interrupt_exits_with_130(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    from xltransfer.training import run

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "train", interrupted)
    assert status_of(["run", *SHORT, "--quiet", "--output", str(tmp_path / "run")]) == 130
    told, last = capsys.readouterr().err.strip().splitlines()
    assert told.endswith(f"xlt run --resume {tmp_path / 'run'}")
    assert last == "xlt: interrupted"


def test_installed_command_reports_its_status() -> None:
    command = str(Path(sys.executable).with_name("xlt"))
    done = subprocess.run([command, "run", "--rtn", "mpl"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
