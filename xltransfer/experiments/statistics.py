"""Test whether two methods differ, over seeds and test sentences.

A score for each seed and each group of test sentences is a two-way layout of two random factors, the design of reader
studies (Dorfman, Berbaum & Metz 1992, doi 10.1097/00004424-199209000-00015). Its test of the paired differences is
used here with the degrees of freedom of Hillis (2007, doi 10.1002/sim.2532), which keep their level with few seeds; a
bootstrap over three or five seeds would not. Corpus scores such as F1 are no means over sentences: their jackknife
pseudovalues stand for them, a group of sentences left out at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
GROUPS = 50
"""How many groups of test sentences are left out, one at a time."""
LEVEL = 0.05
_ROUNDING = 1e-20


@dataclass(frozen=True)
class Difference:
    """A mean difference of scores, its 95 % confidence interval, and the p-value of no difference.

    The last three are None where there is nothing to estimate the error from: with one seed, say.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def pseudovalues(score: Callable[[list[int]], float], sentences: int, groups: int = GROUPS) -> Array:
    """G·s − (G − 1)·s₋g for each of G groups g of test sentences (Tukey 1958), so that their mean estimates s.

    `score` gets the rows of the sentences to count. Every call with the same number of sentences makes the same groups,
    of sizes that differ by one at most.
    """
    count = min(groups, sentences)
    order = np.random.default_rng(0).permutation(sentences)
    whole = score(list(range(sentences)))
    left_out = [score(sorted(np.delete(order, np.s_[group::count]).tolist())) for group in range(count)]
    return count * whole - (count - 1) * np.array(left_out)


def difference(first: Array, second: Array, mean: float | None = None) -> Difference:
    """Test the difference of two methods' pseudovalues, (seeds, groups) each, paired.

    `mean` is the difference of the scores themselves, from which that of the pseudovalues is a little off. With d the
    differences, S seeds and G groups, the variance of their mean is
    [MS(seeds) + max(MS(groups) − MS(residual), 0)] / SG (Hillis 2007, section 3).
    """
    d = np.asarray(first, float) - np.asarray(second, float)
    seeds, groups = d.shape
    centre = float(d.mean())
    mean = centre if mean is None else mean
    if seeds < 2 or groups < 2:
        return Difference(mean, None, None, None)
    by_seed, by_group = d.mean(1) - centre, d.mean(0) - centre
    of_seeds = groups * float(by_seed @ by_seed) / (seeds - 1)
    of_groups = seeds * float(by_group @ by_group) / (groups - 1)
    residual = d - centre - by_seed[:, None] - by_group[None, :]
    of_rest = float((residual**2).sum()) / ((seeds - 1) * (groups - 1))
    total = of_seeds + max(of_groups - of_rest, 0.0)
    if total <= _ROUNDING * float((d**2).sum()):
        return Difference(mean, *((0.0, 0.0, 1.0) if not d.any() else (None, None, None)))
    freedom = total**2 / of_seeds**2 * (seeds - 1) if of_seeds > 0 else math.inf
    return _by_t(mean, math.sqrt(total / (seeds * groups)), freedom)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p-values adjusted for their number (Holm 1979): one below 5 % is below it together with all others."""
    known = sorted((value, index) for index, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        adjusted[index] = largest
    return adjusted


def _by_t(mean: float, error: float, freedom: float) -> Difference:
    from scipy import stats

    p = float(2 * stats.t.sf(abs(mean) / error, freedom))
    half = float(stats.t.isf(LEVEL / 2, freedom)) * error
    return Difference(mean, mean - half, mean + half, p)
