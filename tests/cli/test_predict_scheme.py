"""`xlt predict --scheme`: entity tags in the scheme of the run's files, or in another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.refusals import SHORT, refused
from xltransfer.cli.main import status_of
from xltransfer.data.readers.words.tagged import read_tagged
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run on files in IOBES."""
    folder = tmp_path_factory.mktemp("iobes")
    for language in ("aa", "bb"):
        (folder / "data" / language).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            text = f"fi S-PER\n{split} O\n\ntafa B-LOC\n{language} E-LOC\n\n"
            (folder / "data" / language / f"{split}.txt").write_text(text * 2)
    data, run = str(folder / "data"), str(folder / "run")
    assert status_of([*SHORT, "--data", data, "--source", "aa", "--target", "bb", "--output", run]) == 0
    (folder / "line").write_text("fi tafa gor fi tafa\n")
    return folder


@pytest.fixture
def trained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory is that folder, and the model predicts what is above."""
    monkeypatch.chdir(folder)
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
