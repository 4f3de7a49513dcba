"""Which source sentences make up the batches of an epoch."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

import pytest

from xltransfer.data.mixing import EpochOrder, bucket_by_length, epoch_steps, source_order

LANGUAGES = [0] * 90 + [1] * 10
ONCE: list[Any] = ["concatenated", "per-language"]
DRAWN: list[Any] = ["proportional", "temperature"]


def epoch(mixing: Any, seed: int = 1, temperature: float = 5.0) -> list[list[int]]:
    return list(source_order(LANGUAGES, 16, seed, mixing, temperature))


@pytest.mark.parametrize("mixing", ONCE + DRAWN)
def test_an_epoch_has_the_steps_it_is_said_to_have_and_is_the_same_for_a_seed(mixing: Any) -> None:
    assert len(epoch(mixing)) == epoch_steps(LANGUAGES, 16, mixing)
    assert epoch(mixing) == epoch(mixing)
    assert epoch(mixing) != epoch(mixing, seed=2)


@pytest.mark.parametrize("mixing", ONCE)
def test_every_sentence_once(mixing: Any) -> None:
    assert sorted(chain(*epoch(mixing))) == list(range(100))


def test_a_batch_of_one_language_each() -> None:
    batches = epoch("per-language")
    assert all(len({LANGUAGES[row] for row in batch}) == 1 for batch in batches)
    firsts = {tuple(LANGUAGES[batch[0]] for batch in epoch("per-language", seed)) for seed in range(6)}
    assert len(firsts) > 1  # the languages take turns at random


def share_of_the_small_language(mixing: Any, temperature: float = 5.0) -> float:
    rows = [row for seed in range(60) for batch in epoch(mixing, seed, temperature) for row in batch]
    return sum(LANGUAGES[row] for row in rows) / len(rows)


def test_shares_follow_sizes_and_temperature() -> None:
    assert share_of_the_small_language("proportional") == pytest.approx(0.1, abs=0.015)
    assert share_of_the_small_language("temperature", 1.0) == pytest.approx(0.1, abs=0.015)
    wanted = 10**0.2 / (10**0.2 + 90**0.2)
    assert share_of_the_small_language("temperature", 5.0) == pytest.approx(wanted, abs=0.02)


def test_a_language_goes_through_its_sentences_before_one_comes_again() -> None:
    counts = Counter(chain(*epoch("temperature", temperature=1e9)))
    small = [counts[row] for row in range(90, 100)]
    assert max(small) - min(small) <= 1
    assert min(small) >= 3


@pytest.mark.parametrize("mixing", ONCE + DRAWN)
def test_buckets_hold_the_same_sentences_in_batches_of_like_length(mixing: Any) -> None:
    lengths = [(37 * row) % 100 for row in range(100)]
    plain, sorted_by_length = epoch(mixing), list(bucket_by_length(iter(epoch(mixing)), lengths, 1))
    assert Counter(chain(*plain)) == Counter(chain(*sorted_by_length))
    assert sorted(map(len, plain)) == sorted(map(len, sorted_by_length))

    def padding(batches: list[list[int]]) -> int:
        return sum(max(lengths[row] for row in batch) * len(batch) for batch in batches)

    assert padding(sorted_by_length) < 0.75 * padding(plain)
    longest = [max(lengths[row] for row in batch) for batch in sorted_by_length]
    assert longest != sorted(longest)


@pytest.mark.parametrize("lengths", [None, [(37 * row) % 100 for row in range(100)]], ids=["plain", "bucket_by_length"])
@pytest.mark.parametrize("mixing", ONCE + DRAWN)
def test_a_run_goes_through_epochs_of_successive_seeds_and_may_begin_anywhere(mixing: Any, lengths: Any) -> None:
    wanted = []
    for seed in (31, 32, 33):
        epoch_of_seed = source_order(LANGUAGES, 16, seed, mixing, 3.0)
        wanted += list(epoch_of_seed if lengths is None else bucket_by_length(epoch_of_seed, lengths, seed))
    for first in range(len(wanted)):
        order = EpochOrder(LANGUAGES, 16, 30, mixing, 3.0, lengths)
        assert [order.rows(step) for step in range(first, len(wanted))] == wanted[first:]
