"""Bad input: exit status 2, one clear line, no traceback, no half-made run folder."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
import torch

from xltransfer.cli.main import status_of
from xltransfer.encoders.tiny import Tiny
from xltransfer.training import device
from xltransfer.training.run import RunResult

SHORT = ["--quiet", "--epochs", "1", "--source-size", "20", "--target-size", "10", "--data-opt", "train=40",
         "--data-opt", "dev=10", "--data-opt", "test=10"]  # fmt: skip
SHORT_FILES = ["--quiet", "--epochs", "1", "--source-size", "2", "--target-size", "2", "--batch-size", "2"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def corpus(root: Path, target: str = "a O\nB B-PER\n\nc O\n\nD B-PER\n\n") -> Path:
    """Two languages, `en` and `ig`, with all splits; `target` is ig's training file."""
    for language in ("en", "ig"):
        (root / "data" / language).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            text = target if (language, split) == ("ig", "train") else "a O\nB B-PER\n\nc O\n\nD B-PER\nE I-PER\n\n"
            (root / "data" / language / f"{split}.txt").write_text(text)
    return root / "data"


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *expected: str) -> None:
    assert status_of(arguments) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("xlt: error: ")
    assert captured.out == ""
    for text in expected:
        assert text in lines[0]
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--rtn", "mpl"], ["'mpl'", "identity, lowrank, mlp", "Did you mean 'mlp'?"]),
        (["--rtn", "no.module:Class"], ["no.module:Class", "cannot be imported"]),
        (["--backend", "highr"], ["'highr'", "func, higher"]),
        (["--backend", "func", "--attention", "sdpa"], ["attention: received 'sdpa'", "fd, first-order"]),
        (["--method-opt", "start=1"], ["method metaxl: start: received 1.0; allowed: 0 or more, and less than 1"]),
        (["--method-opt", "support_share=0"], ["method metaxl: support_share: received 0.0; allowed: a number betw"]),
        (["--method-opt", "inner_step=lion"], ["option inner_step received 'lion'; allowed: sgd|adam"]),
        (
            ["--method-opt", "inner_step=adam", "--backend", "higher"],
            ["inner_step: received 'adam'; backend higher takes SGD's alone; backends that take it: auto, fd"],
        ),
        (
            ["--method-opt", "inner_step=adam", "--backend-opt", "inner_steps=2"],
            ["inner_steps: received 2; allowed with inner_step 'adam': 1"],
        ),
        (["--backend-opt", "inner_steps=0"], ["option inner_steps received '0'; allowed: a whole number (1 to 1,000)"]),
        (
            ["--backend", "fd", "--backend-opt", "epsilon=0"],
            ["option epsilon received '0'; allowed: a number or none (1e-1"],
        ),
        (["--rtn", "lowrank", "--rtn-opt", "rank=0"], ["rank: received 0; allowed: 1 to 128"]),
        (["--rtn", "multi", "--rtn-opt", "inner=multi"], ["inner: received 'multi'", "mlp or lowrank"]),
        (["--task", "nre"], ["'nre'", "classification, ner, pair, pos, sentiment"]),
        (["--method", "meta"], ["'meta'", "metaxl"]),
        (["--encoder", "tinny"], ["'tinny'", "Did you mean 'tiny'?"]),
        (["--encoder", "some/hub-model"], ["hf download some/hub-model"]),
        (["--encoder", "./nowhere"], ["'./nowhere' is not a folder"]),
        (["--target", "fra"], ["'fra'", "far"]),
        (["--source", "bsae"], ["'bsae'", "base"]),
        (["--source", "far", "--target", "far"], ["also a source"]),
        (["--rtn-opt", "botleneck=4"], ["'botleneck'", "Did you mean 'bottleneck'?"]),
        (["--rtn-opt", "bottleneck=wide"], ["'wide'", "a whole number"]),
        (
            ["--rtn-opt", "bottleneck=0"],
            ["option bottleneck received '0'; allowed: a whole number or none (1 to 65"],
        ),
        (["--rtn-opt", "bottleneck"], ["NAME=VALUE"]),
        (["--layer", "-1"], ["layer: received -1; allowed: 0 or more"]),
        (["--layer", "5"], ["layer: received 5; allowed: 0 to 4"]),
        (["--layer", "two"], ["'two'", "a whole number"]),
        (["--max-length", "500"], ["received 500", "128"]),
        (["--data", "nowhere"], ["'nowhere' is neither a registered dataset nor a folder"]),
        (["--target-size", "41"], ["target_size (far): received 41", "40"]),
        (["--source-size", "41"], ["source_size (base): received 41", "40"]),
        (["--precision", "fp8"], ["'fp8'", "bf16, fp32"]),
        (["--device", "cuda"], ["no GPU"]),
        (["--plugin", "missing.py"], ["missing.py' is not a file"]),
        (["--config", "missing.yaml"], ["'missing.yaml' cannot be read"]),
        (["--rtm", "mlp"], ["--rtm"]),
        (["--epochs", "0", "--rtn", "mpl", "--task", "nre"], ["epochs: received 0", "'mpl'", "'nre'"]),
    ],
)
def test_faults_of_the_command_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: list[str]
) -> None:
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    data = [] if "--data" in arguments else SHORT[7:]
    refused(capsys, ["run", *SHORT[:7], *data, *arguments], *expected)


@pytest.mark.parametrize(
    "training_file, expected",
    [
        ("", ["train.txt: the file is empty"]),
        ("a O\nB\nc O\n", ["train.txt:2: 1 columns"]),
        ("a O\nB PER\n", ["train.txt:2: tag 'PER' is outside BIO"]),
        ("a O\nb O\n\nc O\n", []),
    ],
)
def test_faults_of_data_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], training_file: str, expected: list[str]
) -> None:
    arguments = [
        "run",
        *SHORT_FILES,
        "--data",
        str(corpus(tmp_path, training_file)),
        "--source",
        "en",
        "--target",
        "ig",
    ]
    if expected:
        refused(capsys, arguments, *expected)
    else:  # labels that the target lacks: named, and the run goes on
        assert status_of(arguments) == 0
        assert "labels of the source that the target's training data lack: B-PER, I-PER" in capsys.readouterr().err


def test_language_that_the_folder_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(corpus(tmp_path))
    refused(
        capsys, ["run", *SHORT_FILES, "--data", data, "--source", "en", "--target", "yo"], "'yo'", "allowed: en, ig"
    )
    refused(capsys, ["run", *SHORT_FILES, "--data", data, "--source", "en"], "--target LANG", "en, ig")


def test_existing_output_is_refused_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("kept")
    refused(capsys, ["run", *SHORT, "--output", "mine"], "'mine' exists")
    assert (tmp_path / "mine" / "file").read_text() == "kept"


def test_precision_that_the_device_lacks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "supports_bf16", lambda device: False)
    refused(capsys, ["run", *SHORT, "--precision", "bf16"], "'bf16'", "no bf16 arithmetic; allowed: fp32")


def test_truncated_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(Tiny.folder, tmp_path / "encoder"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    refused(capsys, ["run", *SHORT, "--encoder", str(folder)], "damaged or cut short")


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["evaluate", "nowhere"], "holds no config.yaml"),
        (["evaluate", "nowhere", "--split", "tset"], "Did you mean 'test'?"),
        (["predict", Tiny.folder.as_posix(), "--input", "line.txt"], "names no task"),
        (["predict", "nowhere", "--input", "missing.txt"], "'missing.txt' is not a file"),
        (["predict", "nowhere", "--format", "xml"], "allowed: jsonl, tsv"),
        (["export", "nowhere", "there"], "is not a folder"),
        (["ls", "rtn"], "Did you mean 'rtns'"),
        (["ls"], "kind: received ''; allowed: backends"),
        (["rnu"], "Did you mean 'run'?"),
    ],
)
def test_faults_of_other_commands(capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    Path("line.txt").write_text("Fi tafa gor.")
    refused(capsys, arguments, expected)


@pytest.mark.slow
def test_unknown_device_of_a_finished_run(
    finished_runs: dict[str, RunResult], capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, ["evaluate", str(finished_runs["pos"].run_dir), "--device", "gpu"], "'gpu'", "auto, cpu, cuda")


def test_learn2learn_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "learn2learn" else found(name))
    monkeypatch.delitem(sys.modules, "xltransfer.backends.learn2learn", raising=False)
    refused(capsys, ["run", *SHORT, "--backend", "learn2learn"], "not installed", "CYTHON_FORCE_REGEN=1 pip install")
