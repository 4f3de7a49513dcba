"""Constrained decoding: the likeliest allowed sequence, equal to a search over all of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.conftest import short_run
from xltransfer.data.batching import Encoded
from xltransfer.data.schemes import BIO, from_bio
from xltransfer.tasks.decoding import Transitions, bio_transitions, viterbi
from xltransfer.tasks.ner import NER
from xltransfer.training.trained_model import TrainedModel

LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def allowed(tags: list[str]) -> bool:
    """Whether a sequence is BIO, said in another way than by transitions."""
    return from_bio(tags, BIO) == tags


def brute_force(scores: Tensor, transitions: Transitions) -> float:
    """The largest sum over all sequences of one sentence; scores (words, labels)."""
    words, labels = scores.shape
    return max(total(scores, transitions, path) for path in itertools.product(range(labels), repeat=words))


def total(scores: Tensor, transitions: Transitions, path: Sequence[int]) -> float:
    own = sum(float(scores[word, label]) for word, label in enumerate(path))
    return (
        own
        + float(transitions.first[path[0]])
        + sum(float(transitions.then[a, b]) for a, b in itertools.pairwise(path))
    )


def test_transitions_of_bio() -> None:
    transitions = bio_transitions(tuple(LABELS))
    assert transitions.first.tolist() == [0, 0, -torch.inf, 0, -torch.inf]
    for (row, before), (column, after) in itertools.product(enumerate(LABELS), repeat=2):
        may = after[0] != "I" or before[2:] == after[2:]
        assert transitions.then[row, column] == (0 if may else -torch.inf)


@pytest.mark.parametrize("likely", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_equals_a_search_over_all_sequences(seed: int, likely: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([1, 2, 4, 6])
    scores = torch.randn(4, 6, len(LABELS), generator=generator, dtype=torch.float64)
    transitions = bio_transitions(tuple(LABELS))
    if likely:  # and not only allowed
        first, then = (part + torch.randn(part.shape, generator=generator) for part in vars(transitions).values())
        transitions = Transitions(first, then)
    found = viterbi(scores, lengths, transitions, torch.zeros(4, dtype=torch.bool))
    for row, length in enumerate(lengths.tolist()):
        path = found[row, :length].tolist()
        assert allowed([LABELS[label] for label in path])
        best = brute_force(scores[row, :length], transitions)
        assert total(scores[row], transitions, path) == pytest.approx(best, rel=1e-12)


def encoded(words: tuple[int, ...], continues: bool = False) -> Encoded:
    return Encoded({"input_ids": [0] * 9}, [0] * 9, words, continues=continues)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 8), min_size=1, max_size=5))
def test_no_impossible_sequence(seed: int, lengths: list[int]) -> None:
    logits = 3 * torch.randn(len(lengths), 9, len(LABELS), generator=torch.Generator().manual_seed(seed))
    sentences = [encoded((*range(1, length + 1), -1, -1)) for length in lengths]
    for tags, length in zip(NER().decode(logits, sentences, LABELS), lengths, strict=True):
        assert len(tags) == length + 2
        assert tags[length:] == ["O", "O"]
        assert allowed(tags)
    plain = NER(decoding="argmax").decode(logits, sentences, LABELS)
    if all(map(allowed, plain)):
        assert NER().decode(logits, sentences, LABELS) == plain
    pieces = [encoded((1, 2, 3)), encoded((1, 2, 3), continues=True)]
    assert allowed(NER().join(NER().decode(logits[:1].repeat(2, 1, 1), pieces, LABELS)))


def test_a_piece_may_continue_an_entity() -> None:
    logits = torch.zeros(2, 9, len(LABELS))
    logits[0, 1, 3] = logits[1, 1, 4] = 5.0  # B-PER, and I-PER in the next piece
    pieces = NER().decode(logits, [encoded((1,)), encoded((1,), continues=True)], LABELS)
    assert NER().join(pieces) == ["B-PER", "I-PER"]
    assert NER().join([["O"], ["I-PER", "I-PER"]]) == ["O", "B-PER", "I-PER"]
    assert NER(decoding="argmax").join([["O"], ["I-PER"]]) == ["O", "I-PER"]


def test_a_saved_model_says_how_it_decodes(tmp_path: Path) -> None:
    result = short_run(tmp_path / "run", task_options={"decoding": "argmax"})
    config = result.run_dir / "model" / "config.json"
    said = json.loads(config.read_text())
    assert said["xltransfer"]["decoding"] == "argmax"
    assert TrainedModel.load(result.run_dir).task.decoding == "argmax"  # type: ignore[attr-defined]
    del (
        said["xltransfer"]["decoding"],
        said["xltransfer"]["task_options"],
    )  # as models were saved before there was a choice
    config.write_text(json.dumps(said))
    assert TrainedModel.load(result.run_dir).task.decoding == "argmax"  # type: ignore[attr-defined]
