"""The source language of each batch, drawn by a bandit that is rewarded by what the batches before were worth.

MetaXLR (arXiv 2306.00100) does so with EXP3 (Auer et al. 2002, "The nonstochastic multiarmed bandit problem", its
figure 1 and section 3), which assumes nothing of how rewards come about.
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
"""Of so many raw rewards, the last ones, percentiles are taken."""
_NO_KNOWING = 0.5
"""The reward while no two raw ones differ."""


class Exp3:
    """EXP3 over K arms with exploration γ; weights are kept as logarithms, the largest of which is 0.

    p_i = (1 − γ) w_i / Σ_j w_j + γ / K; after a reward x in [0, 1] for arm i, w_i ← w_i exp(γ x / (p_i K)).
    """

    def __init__(self, arms: int, exploration: float) -> None:
        self.log_weights = [0.0] * arms
        self._exploration = exploration

    def probabilities(self) -> list[float]:
        """That each arm is drawn next."""
        weights = [math.exp(log) for log in self.log_weights]
        total, even = sum(weights), self._exploration / len(weights)
        return [(1 - self._exploration) * weight / total + even for weight in weights]

    def draw(self, seed: int, step: int) -> int:
        """An arm. The chance in it is of `seed` and `step` alone: there is no generator whose state is to be kept."""
        chance = random.Random(f"{seed} {step}").random()
        *others, last = range(len(self.log_weights))
        for arm, probability in zip(others, self.probabilities(), strict=False):
            chance -= probability
            if chance < 0:
                return arm
        return last

    def reward(self, arm: int, value: float) -> None:
        """Take a reward between 0 and 1 for the arm drawn."""
        self.log_weights[arm] += self._exploration * value / (self.probabilities()[arm] * len(self.log_weights))
        largest = max(self.log_weights)
        self.log_weights = [log - largest for log in self.log_weights]


class RewardScale:
    """Raw rewards of any size to [0, 1], as Graves et al. 2017 (arXiv 1704.03003) map them to [−1, 1].

    0 is the 20th percentile of the last `HISTORY` before, 1 the 80th; what is outside is clipped.
    """

    def __init__(self) -> None:
        self.history: deque[float] = deque(maxlen=HISTORY)

    def scale(self, raw: float) -> float:
        """The reward that `raw` is, which belongs to the history from now on."""
        reward = self._scaled(raw)
        self.history.append(raw)
        return reward

    def _scaled(self, raw: float) -> float:
        if len(self.history) < 2:
            return _NO_KNOWING
        low, *_, high = statistics.quantiles(self.history, n=5, method="inclusive")
        return max(0.0, min(1.0, (raw - low) / (high - low))) if high > low else _NO_KNOWING


class BanditOrder(SourceOrder):
    """Batches of one language each, drawn by `Exp3`: full ones, or all of a language that has fewer sentences.

    A language goes through its sentences before one comes again. An epoch has as many batches as the sentences of all
    languages fill.
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
        self._queues = self._started()
        self._last = 0

    def rows(self, step: int) -> list[int]:
        """See `SourceOrder.rows`."""
        self.mixture = dict(zip(self._members, self._exp3.probabilities(), strict=True))
        self._last = self._exp3.draw(self._seed, step)
        language = list(self._members)[self._last]
        self.drawn[language] += 1
        return [self._members[language][index] for index in next(self._queues[language])]

    def reward(self, usefulness: float) -> None:
        """See `SourceOrder.reward`."""
        self._exp3.reward(self._last, self._scale.scale(usefulness))

    def state(self) -> dict[str, Any]:
        """See `SourceOrder.state`."""
        return {"log_weights": self._exp3.log_weights, "drawn": list(self.drawn.values()),
                "history": list(self._scale.history)}  # fmt: skip

    def load(self, values: Mapping[str, Any]) -> None:
        """See `SourceOrder.load`."""
        self._exp3.log_weights = list(values["log_weights"])
        self.drawn = dict(zip(self._members, values["drawn"], strict=True))
        self._scale.history = deque(values["history"], maxlen=HISTORY)
        self._queues = self._started()

    def _started(self) -> dict[int, Iterator[list[int]]]:
        """Each language's batches from the next one on."""
        return {
            language: islice(endless_order(len(rows), self._batch_size, self._seed + 1 + language),
                             self.drawn[language], None)
            for language, rows in self._members.items()
        }  # fmt: skip
