"""`xlt predict --scheme`: entity tags in the scheme of the run's files, or in another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.refusals import SHORT, refused
from xltransfer.cli.main import status_of
from xltransfer.data.readers.tagged import read_tagged
from xltransfer.training.run import RunResult
from xltransfer.training.trained_model import TrainedModel

Capture = pytest.CaptureFixture[str]
PREDICTED = ["B-PER", "I-PER", "B-PER", "O", "B-LOC"]
WRITTEN = {
    "own": "B-PER E-PER S-PER O S-LOC",
    "bio": "B-PER I-PER B-PER O B-LOC",
    "iob1": "I-PER I-PER B-PER O I-LOC",
    "bilou-suffix": "PER-B PER-L PER-U O LOC-U",
    "raw": "PER PER PER O LOC",
}


@pytest.fixture
def trained(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run on files in IOBES, whose model predicts what is above."""
    for language in ("aa", "bb"):
        Path("data", language).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            Path("data", language, f"{split}.txt").write_text(
                f"fi S-PER\n{split} O\n\ntafa B-LOC\n{language} E-LOC\n\n" * 2
            )
    assert status_of([*SHORT, "--data", "data", "--source", "aa", "--target", "bb", "--output", "run"]) == 0
    Path("line").write_text("fi tafa gor fi tafa\n")
    monkeypatch.setattr(TrainedModel, "predict", lambda self, examples: [PREDICTED] * len(examples))


def test_tags_in_a_scheme(trained: None, capsys: Capture) -> None:
    assert json.loads(Path("run/model/config.json").read_text())["xltransfer"]["scheme"] == "iobes"
    for scheme, expected in WRITTEN.items():
        capsys.readouterr()
        assert status_of(["predict", "run", "--input", "line", "--words", "--scheme", scheme]) == 0
        printed = capsys.readouterr().out
        assert [line.split("\t")[1] for line in printed.split("\n") if line] == expected.split()
        if scheme != "raw":
            Path("back.txt").write_text(printed)
            (sentence,) = read_tagged(Path("back.txt"), wanted="entities")
            assert list(sentence.tags) == PREDICTED


def test_schemes_that_cannot_be(trained: None, finished_runs: dict[str, RunResult], capsys: Capture) -> None:
    refused(
        capsys, ["predict", "run", "--input", "line", "--scheme", "bioX"], "scheme: received 'bioX'; allowed: bilou"
    )
    pos: Any = finished_runs["pos"].run_dir
    refused(capsys, ["predict", str(pos), "--input", "line", "--scheme", "own"], "this model predicts no entities")
