"""The bandit over source languages: EXP3 against its plain form, rewards to scale, and batches of one language."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from itertools import chain

import numpy as np
import pytest

from xltransfer.data.bandit import HISTORY, BanditOrder, Exp3, RewardScale

LANGUAGES = [0] * 90 + [1] * 10 + [2] * 3


class PlainExp3:
    """EXP3 as Auer et al. (2002) print it in figure 1: weights themselves, which soon overflow."""

    def __init__(self, arms: int, gamma: float) -> None:
        self.weights = [1.0] * arms
        self.gamma = gamma

    def probabilities(self) -> list[float]:
        arms = len(self.weights)
        return [(1 - self.gamma) * w / sum(self.weights) + self.gamma / arms for w in self.weights]

    def reward(self, arm: int, value: float) -> None:
        estimate = value / self.probabilities()[arm]
        self.weights[arm] *= math.exp(self.gamma * estimate / len(self.weights))


@pytest.mark.parametrize("arms", [1, 2, 5])
@pytest.mark.parametrize("gamma", [0.01, 0.1, 1.0])
def test_probabilities_are_those_of_the_plain_algorithm(arms: int, gamma: float) -> None:
    bandit, plain, drawn = Exp3(arms, gamma), PlainExp3(arms, gamma), random.Random(arms)
    for _ in range(300):
        assert bandit.probabilities() == pytest.approx(plain.probabilities(), rel=1e-12)
        arm, value = drawn.randrange(arms), drawn.random()
        bandit.reward(arm, value)
        plain.reward(arm, value)


def test_the_better_of_two_arms_is_drawn_most() -> None:
    bandit, chances, drawn = Exp3(2, 0.1), random.Random(0), []
    for step in range(2000):
        arm = bandit.draw(7, step)
        bandit.reward(arm, float(chances.random() < (0.1, 0.9)[arm]))
        drawn.append(arm)
    assert sum(drawn) / 2000 > 0.7
    assert Exp3(2, 0.1).probabilities() == [0.5, 0.5]


def test_arms_are_drawn_as_often_as_their_probabilities_say() -> None:
    bandit = Exp3(3, 0.2)
    bandit.log_weights = [0.0, -1.0, -2.0]
    counts = Counter(bandit.draw(3, step) for step in range(20000))
    for arm, probability in enumerate(bandit.probabilities()):
        deviation = math.sqrt(probability * (1 - probability) / 20000)
        assert abs(counts[arm] / 20000 - probability) < 4 * deviation


def test_a_draw_depends_on_seed_and_step_alone() -> None:
    forwards = [Exp3(4, 0.1).draw(11, step) for step in range(50)]
    bandit = Exp3(4, 0.1)
    random.seed(5)
    assert [bandit.draw(11, step) for step in reversed(range(50))] == forwards[::-1]
    assert [Exp3(4, 0.1).draw(12, step) for step in range(50)] != forwards


def test_no_weight_overflows_and_no_arm_is_given_up() -> None:
    bandit = Exp3(2, 0.5)
    for _ in range(100_000):
        bandit.reward(0, 1.0)
    assert bandit.probabilities() == pytest.approx([0.75, 0.25], rel=1e-12)
    for _ in range(100_000):  # and finds its way back from there
        bandit.reward(1, 1.0)
    assert bandit.probabilities()[1] > 0.7


def test_rewards_are_scaled_by_percentiles_of_those_before() -> None:
    scale, drawn = RewardScale(), np.random.default_rng(0)
    raw = drawn.normal(3, 0.01, HISTORY + 200).tolist()
    for number, value in enumerate(raw):
        found, before = scale.scale(value), raw[max(0, number - HISTORY) : number]
        if number < 2:
            assert found == 0.5
            continue
        low, high = np.percentile(before, [20, 80])
        assert found == pytest.approx(float(np.clip((value - low) / (high - low), 0, 1)), abs=1e-9)
    assert len(scale.history) == HISTORY


def test_rewards_that_are_all_the_same_say_nothing() -> None:
    scale = RewardScale()
    assert [scale.scale(-0.25) for _ in range(5)] == [0.5] * 5


def order_of(seed: int = 1, exploration: float = 0.3) -> BanditOrder:
    return BanditOrder(LANGUAGES, 16, seed, exploration)


def trained(order: BanditOrder, first: int, last: int) -> list[list[int]]:
    """The batches of some steps; the second language's are worth most."""
    batches = []
    for step in range(first, last):
        batches.append(order.rows(step))
        if step % 7:  # a step that is passed over has no reward
            order.reward((0.1, 0.5, 0.2)[LANGUAGES[batches[-1][0]]] + 0.01 * (step % 3))
    return batches


def test_batches_are_of_one_language_and_as_many_as_the_sentences_fill() -> None:
    order = order_of()
    assert order.steps_per_epoch == math.ceil(103 / 16)
    batches = trained(order, 0, 300)
    assert all(len({LANGUAGES[row] for row in batch}) == 1 for batch in batches)
    assert all(len(batch) == len(set(batch)) == min(16, LANGUAGES.count(LANGUAGES[batch[0]])) for batch in batches)
    assert order.drawn == dict(sorted(Counter(LANGUAGES[batch[0]] for batch in batches).items()))
    assert max(order.drawn, key=order.drawn.__getitem__) == 1
    assert sum(order.mixture.values()) == pytest.approx(1)
    assert min(order.mixture.values()) >= 0.1 - 1e-12


def test_a_language_goes_through_its_sentences_before_one_comes_again() -> None:
    batches = trained(order_of(), 0, 200)
    of_the_first = Counter(chain(*(batch for batch in batches if LANGUAGES[batch[0]] == 0)))
    assert len(of_the_first) == 90
    assert max(of_the_first.values()) - min(of_the_first.values()) <= 1


def test_what_was_learned_survives_json_and_goes_on_from_there() -> None:
    whole = trained(order_of(), 0, 120)
    for stop in (0, 1, 50):
        first = order_of()
        start = trained(first, 0, stop)
        second = order_of()
        second.load(json.loads(json.dumps(first.state())))
        assert start + trained(second, stop, 120) == whole
    assert trained(order_of(seed=2), 0, 120) != whole
