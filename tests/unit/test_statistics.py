"""The test of a difference: its level under a true null, its power, and its parts against other ways to them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from xltransfer.experiments.statistics import Array, Difference, difference, holm, pseudovalues
from xltransfer.tasks.ner import NER


def accuracy(correct: Array) -> Array:
    """Pseudovalues of the share of right answers, for each row."""

    def of_row(row: Array) -> Array:
        return pseudovalues(lambda rows: float(row[rows].mean()), len(row))

    return np.stack([of_row(row) for row in correct])


def answers(drawn: np.random.Generator, easy: Array, seeds: int, better: float = 0.0) -> Array:
    """Right or wrong, (seeds, sentences): some sentences are easier, and some seeds are luckier, than others."""
    lucky = drawn.normal(0, 0.3, (seeds, 1))
    swayed = drawn.normal(0, 0.7, (seeds, len(easy)))
    return (drawn.random((seeds, len(easy))) < 1 / (1 + np.exp(-(easy + lucky + swayed + better)))).astype(float)


def width(found: Difference) -> float:
    """Of the confidence interval."""
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def rejections(seeds: int, better: float, comparisons: int = 200, sentences: int = 150) -> int:
    """How many of so many comparisons find a difference at 5 %."""
    drawn, found = np.random.default_rng(seeds), 0
    for _ in range(comparisons):
        easy = drawn.normal(0.5, 1.5, sentences)
        one, other = answers(drawn, easy, seeds, better), answers(drawn, easy, seeds)
        p = difference(accuracy(one), accuracy(other)).p
        found += p is not None and p < 0.05
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_one_method_under_two_names_is_told_apart_in_two_to_eight_per_cent(seeds: int) -> None:
    assert 0.02 * 200 <= rejections(seeds, 0.0) <= 0.08 * 200


@pytest.mark.slow
def test_a_planted_effect_is_found() -> None:
    assert rejections(5, 1.0) >= 0.9 * 200


def test_without_an_effect_of_sentences_it_is_the_paired_t_test_over_seeds() -> None:
    drawn = np.random.default_rng(0)
    by_seed, noise = drawn.normal(size=(2, 5, 1)), drawn.normal(size=(2, 5, 40))
    noise -= noise.mean(1, keepdims=True)  # groups have the same mean
    first, second = by_seed + noise
    found = difference(first, second)
    expected = stats.ttest_rel(first.mean(1), second.mean(1))
    interval = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_an_effect_of_sentences_widens_the_interval() -> None:
    drawn = np.random.default_rng(1)
    first, second = drawn.normal(size=(2, 5, 40))
    narrow = difference(first, second)
    wide = difference(first + drawn.normal(0, 3, 40), second)
    assert width(wide) > 2 * width(narrow)


def test_one_seed_says_nothing_of_seeds() -> None:
    found = difference(np.ones((1, 10)), np.zeros((1, 10)))
    assert (found.mean, found.low, found.p) == (1.0, None, None)


def test_no_error_to_estimate_is_no_certainty() -> None:
    found = difference(np.array([[0.2, 0.0], [0.0, 0.2]]), np.zeros((2, 2)))
    assert (found.mean, found.p) == (0.1, None)


def test_the_same_runs_do_not_differ() -> None:
    drawn = np.random.default_rng(2)
    same = drawn.normal(size=(3, 10))
    assert difference(same, same).p == 1.0


def test_pseudovalues_of_a_mean_are_its_terms() -> None:
    values = np.random.default_rng(3).normal(size=20)
    found = pseudovalues(lambda rows: float(values[rows].mean()), 20)
    assert np.sort(found) == pytest.approx(np.sort(values), abs=1e-12)


@pytest.mark.slow
def test_pseudovalues_of_f1_give_its_bootstrap_error() -> None:
    drawn = np.random.default_rng(4)
    tags = np.array(["O", "B-PER", "B-LOC"])
    gold = tags[drawn.choice(3, (400, 6), p=[0.6, 0.2, 0.2])]
    wrong = drawn.random(gold.shape) < 0.3
    predicted = np.where(wrong, tags[drawn.choice(3, gold.shape)], gold)
    golds, guesses = gold.tolist(), predicted.tolist()

    def score(rows: list[int]) -> float:
        return NER().score([golds[row] for row in rows], [guesses[row] for row in rows]).f1

    found = pseudovalues(score, 400)
    error = float(found.std(ddof=1)) / len(found) ** 0.5
    resampled = [score(drawn.integers(0, 400, 400).tolist()) for _ in range(100)]
    assert float(found.mean()) == pytest.approx(score(list(range(400))), abs=1e-3)
    assert error == pytest.approx(float(np.std(resampled)), rel=0.3)


@pytest.mark.parametrize(
    "values, expected",
    [([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]), ([0.5, None, 0.9], [1.0, None, 1.0]), ([], [])],
)
def test_holm(values: list[float | None], expected: list[float | None]) -> None:
    assert holm(values) == pytest.approx(expected)
