"""A multi-armed bandit that chooses the source language of each batch and is rewarded by the batch's usefulness.

As in MetaXLR (arXiv 2306.00100), it is EXP3 (Auer et al. 2002, "The nonstochastic multiarmed bandit problem", figure 1
and section 3), which makes no assumption about the distribution of rewards.
"""

from __future__ import annotations

import math
import random
import statistics
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from xltransfer.data.batching import endless_order
from xltransfer.data.mixing import SourceOrder, rows_by_language

HISTORY = 1000
"""The number of latest raw rewards from which percentiles are computed."""
_NEUTRAL_REWARD = 0.5
"""The reward as long as all raw rewards are equal."""


class Exp3:
    """EXP3 with K arms and exploration rate γ. Weights are stored as logarithms with a maximum of 0.

    p_i = (1 − γ) w_i / Σ_j w_j + γ / K; after a reward x in [0, 1] for arm i, w_i ← w_i exp(γ x / (p_i K)).
    """

    def __init__(self, arms: int, exploration: float) -> None:
        self.log_weights = [0.0] * arms
        self._exploration = exploration

    def probabilities(self) -> list[float]:
        """Return the probability of each arm."""
        weights = [math.exp(log) for log in self.log_weights]
        total, even = sum(weights), self._exploration / len(weights)
        return [(1 - self._exploration) * weight / total + even for weight in weights]

    def draw(self, seed: int, step: int) -> int:
        """Draw an arm. It depends on `seed`, `step` and the weights only, so there is no generator state to save."""
        chance = random.Random(f"{seed} {step}").random()
        *others, last = range(len(self.log_weights))
        for arm, probability in zip(others, self.probabilities(), strict=False):
            chance -= probability
            if chance < 0:
                return arm
        return last

    def reward(self, arm: int, value: float) -> None:
        """Update the weights with a reward between 0 and 1 for the arm drawn."""
        self.log_weights[arm] += self._exploration * value / (self.probabilities()[arm] * len(self.log_weights))
        largest = max(self.log_weights)
        self.log_weights = [log - largest for log in self.log_weights]


class RewardScale:
    """Maps raw rewards of any size to [0, 1], as Graves et al. 2017 (arXiv 1704.03003) map them to [−1, 1].

    0 is the 20th percentile of the previous `HISTORY` raw rewards, 1 the 80th. Values outside are clipped.
    """

    def __init__(self) -> None:
        self.history: deque[float] = deque(maxlen=HISTORY)

    def scale(self, raw: float) -> float:
        """Return the scaled reward and add `raw` to the history."""
        reward = self._scaled(raw)
        self.history.append(raw)
        return reward

    def _scaled(self, raw: float) -> float:
        if len(self.history) < 2:
            return _NEUTRAL_REWARD
        low, *_, high = statistics.quantiles(self.history, n=5, method="inclusive")
        return max(0.0, min(1.0, (raw - low) / (high - low))) if high > low else _NEUTRAL_REWARD


class BanditOrder(SourceOrder):
    """Batches of one source language each, chosen by `Exp3`.

    A batch is full, or has all sentences of a language with fewer. Within a language, no sentence is repeated before
    all have been drawn. An epoch has as many batches as the sentences of all languages fill.
    """

    uses_rewards = True

    def __init__(self, languages: Sequence[int], batch_size: int, seed: int, exploration: float) -> None:
        self.steps_per_epoch = math.ceil(len(languages) / batch_size)
        self.mixture: dict[int, float] = {}
        self._members = rows_by_language(languages)
        self.drawn: dict[int, int] = dict.fromkeys(self._members, 0)
        self._batch_size = batch_size
        self._seed = seed
        self._exp3 = Exp3(len(self._members), exploration)
        self._scale = RewardScale()
        self._queues = self._build_queues()
        self._last_arm = 0

    def rows(self, step: int) -> list[int]:
        self.mixture = dict(zip(self._members, self._exp3.probabilities(), strict=True))
        self._last_arm = self._exp3.draw(self._seed, step)
        language = list(self._members)[self._last_arm]
        self.drawn[language] += 1
        return [self._members[language][index] for index in next(self._queues[language])]

    def reward(self, usefulness: float) -> None:
        self._exp3.reward(self._last_arm, self._scale.scale(usefulness))

    def state(self) -> dict[str, Any]:
        return {"log_weights": self._exp3.log_weights, "drawn": list(self.drawn.values()),
                "history": list(self._scale.history)}  # fmt: skip

    def load(self, values: Mapping[str, Any]) -> None:
        self._exp3.log_weights = list(values["log_weights"])
        self.drawn = dict(zip(self._members, values["drawn"], strict=True))
        self._scale.history = deque(values["history"], maxlen=HISTORY)
        self._queues = self._build_queues()

    def _build_queues(self) -> dict[int, Iterator[list[int]]]:
        """Build the iterators over each language's batches, after those already drawn."""
        return {
            language: islice(endless_order(len(rows), self._batch_size, self._seed + 1 + language),
                             self.drawn[language], None)
            for language, rows in self._members.items()
        }  # fmt: skip
