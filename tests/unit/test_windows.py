"""Long tagged sentences in pieces: every word tagged, none twice."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.conftest import short_run
from xltransfer.data.examples import TaggedSentence
from xltransfer.encoders.loading import open_encoder
from xltransfer.tasks.ner import NER
from xltransfer.training.evaluation import _join_pieces
from xltransfer.training.trained_model import TrainedModel

LABELS = ["O", "B-X"]


def sentence(words: int) -> TaggedSentence:
    return TaggedSentence("a:1", tuple(f"Mote{n}" for n in range(words)), tuple(LABELS[n % 2] for n in range(words)))


@pytest.mark.parametrize("words", [1, 5, 300, 5000])
@pytest.mark.parametrize("max_length", [16, 128])
def test_every_word_is_in_one_piece_that_fits(words: int, max_length: int) -> None:
    tokenizer, task = open_encoder("tiny").tokenizer, NER(long="window")
    encoded = task.encode([sentence(words), sentence(2)], LABELS, tokenizer, max_length)
    assert sum(not one.continues for one in encoded) == 2
    assert not any(one.cut for one in encoded)
    assert all(len(one.features["input_ids"]) <= max_length for one in encoded)
    assert sum(len(one.words) for one in encoded) == words + 2
    by_piece = []
    for one in encoded:  # logits that name the right label at every subword
        ids = torch.tensor([[max(0, label) for label in one.labels]])  # type: ignore[union-attr]
        by_piece += task.decode(torch.nn.functional.one_hot(ids, 2).float(), [one], LABELS)
    assert _join_pieces(task, encoded, by_piece) == [list(sentence(words).tags), list(sentence(2).tags)]


def test_a_word_longer_than_the_encoder_stands_alone_and_is_cut() -> None:
    tokenizer, task = open_encoder("tiny").tokenizer, NER(long="window")
    long = TaggedSentence("a:1", ("Mote", "x" * 500, "Mote"), ("O", "O", "O"))
    encoded = task.encode([long], LABELS, tokenizer, 16)
    assert [one.words for one in encoded] == [(1,), (1,), (1,)]
    assert len(encoded[1].features["input_ids"]) == 16


def test_without_windows_the_end_is_cut() -> None:
    encoded = NER().encode([sentence(300)], LABELS, open_encoder("tiny").tokenizer, 16)
    assert len(encoded) == 1
    assert encoded[0].cut


def test_a_run_trains_and_predicts_in_windows(tmp_path: Path) -> None:
    result = short_run(tmp_path / "run", max_length=8, task_options={"long": "window"})
    model = TrainedModel.load(result.run_dir)
    (predicted,) = model.predict([sentence(40)])
    assert len(predicted) == 40
    rows = (result.run_dir / "predictions.test.tsv").read_text().split("\n\n")
    assert len([row for row in rows if row.strip()]) == 60
