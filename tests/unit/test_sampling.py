"""Samples are nested, apart from the training seed, and stratified where that is asked for."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from xltransfer.config import RunConfig
from xltransfer.data.examples import Example, LabelledText, TaggedSentence, content
from xltransfer.data.sampling import sample
from xltransfer.datasets.base import SPLITS
from xltransfer.datasets.synthetic.dataset import Synthetic
from xltransfer.errors import DataError
from xltransfer.registry import TASKS
from xltransfer.training.preparation import prepare
from xltransfer.training.progress import Reporter

TEXTS: list[Example] = [LabelledText(f"t:{n}", f"text {n}", "rare" if n % 10 == 0 else "common") for n in range(200)]


@pytest.mark.parametrize("stratified", [False, True])
def test_a_smaller_sample_is_inside_a_larger_one(stratified: bool) -> None:
    sizes = (1, 7, 50, 200, None)
    drawn = [[one.id for one in sample(TEXTS, size, 42, "source_size", stratified)] for size in sizes]
    for small, large in pairwise(drawn):
        assert large[: len(small)] == small
    assert sorted(drawn[-1]) == sorted(one.id for one in TEXTS)
    assert drawn[2] != [one.id for one in sample(TEXTS, 50, 43, "source_size", stratified)]


def kinds(examples: Sequence[Example]) -> Counter[object]:
    return Counter(one.tags if isinstance(one, TaggedSentence) else one.label for one in examples)


@pytest.mark.parametrize("size", [10, 20, 50, 90])
def test_a_stratified_sample_has_the_proportions_of_the_whole(size: int) -> None:
    for seed in range(5):
        assert kinds(sample(TEXTS, size, seed, "source_size", stratified=True))["rare"] == size // 10
    assert len({kinds(sample(TEXTS, size, seed, "source_size"))["rare"] for seed in range(20)}) > 1


def test_tagged_sentences_are_stratified_by_the_kinds_of_entity_they_hold() -> None:
    tags = [("O",), ("B-PER", "I-PER"), ("B-LOC",), ("O", "B-LOC")]
    drawn = random.Random(0).choices(tags, [6, 2, 1, 1], k=400)
    whole: list[Example] = [TaggedSentence(f"s:{n}", ("w",) * len(kind), kind) for n, kind in enumerate(drawn)]
    found, wanted = kinds(sample(whole, 40, 1, "target_size", stratified=True)), kinds(whole)
    assert all(abs(found[kind] - wanted[kind] / 10) <= 1.5 for kind in tags)


def test_more_than_there_are() -> None:
    with pytest.raises(DataError, match=r"source_size \(en\): received 201; the set has 200 sentences"):
        sample(TEXTS, 201, 1, "source_size (en)")


@pytest.mark.parametrize("task", ["ner", "sentiment"])
def test_sentences_of_a_synthetic_language_are_all_distinct(task: str) -> None:
    made = [content(one) for split in SPLITS for one in Synthetic(train=2000).load(TASKS.load(task)(), "far", split)]
    assert len(made) == 2900
    assert len(set(made)) == len(made)


def test_without_a_data_seed_samples_follow_the_seed_and_splits_stay(tmp_path: Path) -> None:
    lines = ["label\ttext", *(f"{'positive' if n % 2 else 'negative'}\tsentence number {n}" for n in range(200))]
    for language in ("xx", "yy"):
        (tmp_path / language).mkdir()
        (tmp_path / language / "all.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = RunConfig(task="sentiment", data=str(tmp_path), source=("xx",), target="yy", target_size=20,
                      source_size=50, data_seed=None)  # fmt: skip
    one, same, other = (prepare(replace(given, seed=seed), Reporter()) for seed in (1, 1, 2))
    assert one.target.examples == same.target.examples != other.target.examples
    assert one.source.examples == same.source.examples != other.source.examples
    assert one.test.examples == other.test.examples
