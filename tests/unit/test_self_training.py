"""A student learns from what its teacher predicts on sentences whose own labels nobody reads."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from tests.conftest import SHORT, short_run
from tests.resuming import Signalled, tiny
from xltransfer.config import RunConfig
from xltransfer.data.batching import Encoded
from xltransfer.data.examples import Example, LabelledText, TaggedSentence, content
from xltransfer.datasets.synthetic.dataset import Synthetic
from xltransfer.errors import Interrupted, UserError
from xltransfer.testing.runs import outcome
from xltransfer.training.evaluation import Certainty
from xltransfer.training.preparation import PreparedRun, prepare
from xltransfer.training.progress import ConsoleReporter, Reporter
from xltransfer.training.run import RunResult, resume, run
from xltransfer.training.trained_model import TrainedModel


def student(finished: RunResult, **changes: Any) -> PreparedRun:
    values = {**SHORT, "method": "joint", "teacher": str(finished.run_dir), "task": finished.metrics["task"], **changes}
    return prepare(RunConfig.from_mapping(values), Reporter())


def labelled(prepared: PreparedRun) -> list[Example]:
    return list(prepared.source.examples[prepared.config.source_size :])


@pytest.mark.parametrize("task", ["ner", "sentiment", "pos"])
def test_the_rest_of_the_training_split_has_the_teachers_labels(
    task: str, finished_runs: dict[str, RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = student(finished_runs[task], unlabelled_size=30)
    found = labelled(prepared)
    assert len(found) == 30
    assert not {content(one) for one in found} & {content(one) for one in prepared.target.examples}
    assert [getattr(one, "tags", None) or getattr(one, "label", None) for one in found] == [
        tuple(label) if isinstance(label, list) else label
        for label in TrainedModel.load(finished_runs[task].run_dir).predict(found)
    ]
    assert {one.language for one in prepared.source.encoded[48:]} == {1}
    assert prepared.config.sources == ("base", "far by teacher")


def test_labels_of_the_split_are_not_looked_at(
    finished_runs: dict[str, RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = labelled(student(finished_runs["ner"], unlabelled="dev"))
    load = Synthetic.load

    def without_tags(self: Synthetic, task: Any, language: str, split: str) -> list[Example]:
        found = load(self, task, language, split)
        return [TaggedSentence(one.id, one.words, ("O",) * len(one.words)) for one in found
                if isinstance(one, TaggedSentence)] if split == "dev" else found  # fmt: skip

    monkeypatch.setattr(Synthetic, "load", without_tags)
    assert labelled(student(finished_runs["ner"], unlabelled="dev")) == before


def test_the_most_certain_are_kept(finished_runs: dict[str, RunResult]) -> None:
    every = labelled(student(finished_runs["ner"], unlabelled_size=20))
    certain = dict(zip(every, TrainedModel.load(finished_runs["ner"].run_dir).certainties(every), strict=True))
    kept = labelled(student(finished_runs["ner"], unlabelled_size=20, unlabelled_keep=0.25))
    assert kept == [one for one in every if one in sorted(every, key=lambda one: -certain[one])[:5]]
    assert 0.3 < min(certain.values()) < max(certain.values()) <= 1


def test_certainty_is_the_mean_probability_over_words() -> None:
    logits = torch.randn(2, 4, 3, dtype=torch.float64)
    sentences = [Encoded({"input_ids": [0] * 4}, [-100] * 4, words) for words in ((1, -1, 3), (2,))]
    found = [Certainty().join([one]) for one in Certainty().decode(logits, sentences, ("a", "b", "c"))]
    likeliest = (logits.exp() / logits.exp().sum(-1, keepdim=True)).max(-1).values
    assert found == pytest.approx([likeliest[0, [1, 3]].mean().item(), likeliest[1, 2].item()], abs=1e-6)
    of_texts = Certainty().decode(logits[:, 0], sentences, ("a", "b", "c"))
    assert [total for total, _ in of_texts] == pytest.approx(likeliest[:, 0].tolist(), abs=1e-6)
    assert Certainty().join([(1.5, 2), (0.5, 2)]) == 0.5


@pytest.mark.parametrize("task, words", [("ner", ("Fi", "tafa", ",", "gor", ".")), ("sentiment", None)])
def test_lines_of_a_file(task: str, words: Any, finished_runs: dict[str, RunResult], tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("Fi tafa, gor.\n\nFi tafa, gor.\n")
    (found,) = labelled(student(finished_runs[task], unlabelled=str(tmp_path / "raw.txt")))
    if isinstance(found, LabelledText):
        assert (found.text, found.label in ("positive", "negative")) == ("Fi tafa, gor.", True)
    else:
        assert found.words == words
        assert len(found.tags) == len(words)


def test_a_run_says_what_it_learnt_from(finished_runs: dict[str, RunResult], tmp_path: Path) -> None:
    result = short_run(tmp_path / "student", teacher=str(finished_runs["ner"].run_dir), unlabelled_size=24,
                       method="metaxl", rtn="weights", batch_size=8)  # fmt: skip
    assert result.metrics["meta"]["source"] == ["base", "far by teacher"]
    teacher = finished_runs["ner"]
    assert result.metrics["meta"]["teacher"] == {"dev": teacher.dev.to_dict(), "test": teacher.test.to_dict()}
    samples = json.loads((result.run_dir / "samples.json").read_text())
    assert {name: len(ids) for name, ids in samples["source"].items()} == {"base": 48, "far by teacher": 24}
    assert result.metrics["steps"] == (48 + 24) // 8


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"teacher": "nowhere"}, "run: 'nowhere' is not a folder; give the folder of a finished run"),
        ({"task": "pos"}, "was trained for another task than pos; give a run of the same task."),
        ({"unlabelled": "trian"}, "unlabelled: 'trian' is not a file; allowed: train, dev, test, or a file"),
        ({"target_size": None}, "unlabelled: 'train' has no sentence that is not in the target sample"),
        ({"method": "target-only"}, "rounds, teacher: method target-only learns from no source"),
    ],
)
def test_what_cannot_be_labelled(changes: dict[str, Any], message: str, finished_runs: dict[str, RunResult]) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        student(finished_runs["ner"], **changes)


@pytest.mark.parametrize("name, content, message", [
    ("a.jsonl", '{"text": "Ada ran"}\n', "received a file of .jsonl; needed: plain text, one sentence a line"),
    ("a.csv", "text,label\nAda ran,yes\n", "received a file of .csv; needed"),
    ("a.txt", "Ada\tB-PER\nran\tO\n\n", "received columns separated by tabs; needed"),
])  # fmt: skip
def test_unlabelled_text_is_plain(
    name: str, content: str, message: str, finished_runs: dict[str, RunResult], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        student(finished_runs["ner"], unlabelled=str(tmp_path / name))


def test_rounds_train_teachers_first_and_go_on_after_an_interruption(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"method": "joint", "unlabelled_size": 24, "rounds": 2}
    result = short_run(tmp_path / "a", **changes)
    first, second = (
        RunConfig.from_yaml(tmp_path / name / "config.yaml") for name in ("a-teacher-teacher", "a-teacher")
    )
    assert (first.sources, second.sources) == (("base",), ("base", "far by teacher"))
    by_hand = short_run(tmp_path / "b", **{**changes, "rounds": 0, "teacher": str(tmp_path / "a-teacher")})
    assert (by_hand.dev, by_hand.test) == (result.dev, result.test)
    seconds = [json.loads((tmp_path / name / "metrics.json").read_text())["seconds"]
               for name in ("a-teacher-teacher", "a-teacher", "a")]  # fmt: skip
    assert seconds == sorted(seconds)  # those of its teachers are a run's own
    assert by_hand.metrics["seconds"] < seconds[-1]
    written = (tmp_path / "a-teacher" / "metrics.json").stat().st_mtime_ns
    shutil.rmtree(tmp_path / "a")
    assert short_run(tmp_path / "a", **changes).test == result.test
    assert (tmp_path / "a-teacher" / "metrics.json").stat().st_mtime_ns == written
    assert resume(tmp_path / "a").test == result.test
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(UserError, match=r"rounds: the run in .*a-teacher' differs in lr; name another --output"):
        short_run(tmp_path / "a", **changes, lr=1e-4)
    assert not (tmp_path / "a").exists()


def test_nothing_is_trained_where_there_is_nothing_to_label(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unlabelled: 'trian' is not a file"):
        short_run(tmp_path / "a", method="joint", unlabelled="trian", rounds=1)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_teacher_goes_on_by_the_same_command(tmp_path: Path) -> None:
    values: dict[str, Any] = {"rounds": 1, "unlabelled_size": 10}
    whole = run(tiny(tmp_path / "whole", **values))
    with pytest.raises(Interrupted, match="It is a teacher: the same command as before goes on with it"):
        run(tiny(tmp_path / "stopped", **values), Signalled(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stopped-teacher", "whole", "whole-teacher"]
    assert run(tiny(tmp_path / "stopped", **values)).test == whole.test
    assert outcome(tmp_path / "stopped-teacher") == outcome(tmp_path / "whole-teacher")


def test_progress_of_a_student_begins_anew() -> None:
    reporter = ConsoleReporter(Console(file=io.StringIO()))
    for steps in (3, 5):
        reporter.start(steps, 1)
        reporter.step(1, {"loss": 1.0})
        assert [(task.total, task.completed) for task in reporter._bar.tasks] == [(steps, 1)]
        reporter.stop()


def test_several_processes_take_a_teacher_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="rounds: 2 processes were started; train the teacher alone, then give"):
        run(tiny(tmp_path / "a", rounds=1))
