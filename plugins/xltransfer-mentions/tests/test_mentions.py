"""The plugin's labels, and a run with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from xltransfer_mentions import Mentions

from xltransfer.cli.main import status_of
from xltransfer.data.examples import TaggedSentence
from xltransfer.registry import TASKS

SENTENCE = TaggedSentence("1", ("Ada", "Obi", "came", "on", "Monday"), ("B-PER", "I-PER", "O", "O", "B-DATE"))


def test_types_are_merged_and_can_be_ignored() -> None:
    (merged,) = Mentions().prepare([SENTENCE])
    assert merged == TaggedSentence("1", SENTENCE.words, ("B-ENT", "I-ENT", "O", "O", "B-ENT"))
    (without_dates,) = Mentions(ignore="DATE,MISC").prepare([SENTENCE])
    assert without_dates == TaggedSentence("1", SENTENCE.words, ("B-ENT", "I-ENT", "O", "O", "O"))
    assert Mentions().label_set([merged]) == ["O", "B-ENT", "I-ENT"]


def test_found_by_its_entry_point() -> None:
    assert TASKS.load("mentions") is Mentions
    assert {entry.name: entry.origin for entry in TASKS.entries()}["mentions"] == "xltransfer-mentions"


def test_run_predict_and_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = ["--epochs", "1", "--source-size", "200", "--target-size", "40", "--target", "near",
             "--data-opt", "train=300", "--data-opt", "dev=30", "--data-opt", "test=60"]  # fmt: skip
    run = str(tmp_path / "run")
    assert status_of(["run", "--task", "mentions", "--quiet", "--json", "--output", run, *short]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics["test"]["f1"] > metrics["meta"]["majority"]["f1"]
    tags = {line.split("\t")[2] for line in (tmp_path / "run/predictions.test.tsv").read_text().splitlines() if line}
    assert tags <= {"O", "B-ENT", "I-ENT"}
    assert status_of(["evaluate", run, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
