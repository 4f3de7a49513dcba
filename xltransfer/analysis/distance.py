"""How far apart two sets of sentence vectors lie, or two views of the same sentences.

The paper measures the symmetric Hausdorff distance (Xia et al. 2021, section 5), which one outlier decides; beside it
stand measures that are robust, that compare only the centres, and that ask whether a classifier or a neighbourhood
tells the sets apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xltransfer.analysis.nearest import Nearest, nearest

Array = NDArray[np.float64]
NEIGHBOURS = 10
_FOLDS = 5
_LEVEL = 0.95


def hausdorff(found: Nearest) -> float:
    """max(max_a min_b |a − b|, max_b min_a |a − b|): the symmetric Hausdorff distance."""
    return max(found.first.max().item(), found.second.max().item())


def average_hausdorff(found: Nearest) -> float:
    """max(mean_a min_b |a − b|, mean_b min_a |a − b|) (Dubuisson & Jain 1994, the modified Hausdorff distance)."""
    return max(found.first.mean().item(), found.second.mean().item())


def hausdorff_95(found: Nearest) -> float:
    """The larger 95th percentile of the distances to the nearest (Huttenlocher et al. 1993, partial distances)."""
    return max(float(np.quantile(part.cpu().numpy(), 0.95)) for part in (found.first, found.second))


def centroid_distance(first: Tensor, second: Tensor) -> float:
    """|mean(first) − mean(second)|."""
    return float((first.double().mean(0) - second.double().mean(0)).norm())


@torch.no_grad()
def linear_cka(first: Tensor, second: Tensor) -> float:
    """Similarity of two views of the same n sentences, (n, p) and (n, q), from 0 to 1 (Kornblith et al. 2019,
    arXiv 1905.00414, section 3): |YᵀX|² / (|XᵀX| |YᵀY|) of centred views, Frobenius norms. NaN if a view is constant.

    Raises ValueError if the views are not of as many sentences.
    """
    if len(first) != len(second):
        raise ValueError(f"two views of the same sentences are needed, not of {len(first)} and {len(second)}")
    x, y = (view.double() - view.double().mean(0) for view in (first, second))
    if len(x) < min(x.shape[1], y.shape[1]):  # the same numbers from the smaller products
        one, other = x @ x.T, y @ y.T
        cross = (one * other).sum()
    else:
        one, other = x.T @ x, y.T @ y
        cross = (y.T @ x).square().sum()
    return float(cross / (one.norm() * other.norm()))


def classifier_accuracy(first: Tensor, second: Tensor, seed: int = 0) -> float:
    """How often a linear classifier tells on held-out vectors which set one is from: 0.5 not at all, 1 always.

    Logistic regression on standardised vectors, five-fold, both sets weighing the same; NaN with fewer than five
    vectors in a set.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if min(len(first), len(second)) < _FOLDS:
        return float("nan")
    vectors = torch.cat([first, second]).double().cpu().numpy()
    labels = np.repeat([0, 1], [len(first), len(second)])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    return float(cross_val_score(model, vectors, labels, cv=folds, scoring="balanced_accuracy").mean())


@torch.no_grad()
def neighbour_overlap(first: Tensor, second: Tensor, neighbours: int = NEIGHBOURS) -> float:
    """How many of a vector's nearest neighbours are of the other set, as a share of what chance would give.

    1: the sets are mixed; 0: no vector has a neighbour in the other. Both sets weigh the same.
    """
    vectors = torch.cat([first, second]).double()
    own = torch.arange(len(vectors), device=vectors.device) >= len(first)
    count = min(neighbours, len(vectors) - 1)
    others = torch.empty(len(vectors), dtype=torch.double, device=vectors.device)
    for start in range(0, len(vectors), _rows_for(vectors)):
        rows = slice(start, start + _rows_for(vectors))
        apart = torch.cdist(vectors[rows], vectors)
        apart.diagonal(start).fill_(torch.inf)
        found = apart.topk(count, largest=False).indices
        others[rows] = (own[found] != own[rows, None]).double().mean(1)
    shares = []
    for part, other in ((~own, len(second)), (own, len(first))):
        chance = other / (len(vectors) - 1)
        shares.append((others[part].mean() / chance).item())
    return float(np.mean(shares))


def _rows_for(vectors: Tensor) -> int:
    return max(1, (1 << 23) // len(vectors))


Measure = Callable[[Tensor, Tensor], float]
MEASURES: Mapping[str, Measure] = {
    "hausdorff": lambda first, second: hausdorff(nearest(first, second)),
    "hausdorff_average": lambda first, second: average_hausdorff(nearest(first, second)),
    "hausdorff_95": lambda first, second: hausdorff_95(nearest(first, second)),
    "centroid": centroid_distance,
    "classifier": classifier_accuracy,
    "neighbour_overlap": neighbour_overlap,
}
"""Of two sets; all but the last rise with the distance between them."""


@dataclass(frozen=True)
class Interval:
    """A measure, and a 95 % interval of it; None where it could not be estimated."""

    value: float
    low: float | None
    high: float | None


def with_interval(measure: Measure, first: Tensor, second: Tensor, resamples: int, paired: bool = False) -> Interval:
    """The measure, and the percentiles of its values on resampled sentences (Efron 1979, the bootstrap).

    `paired`: both sets are of the same sentences, drawn together. A resample holds fewer different sentences than the
    sets, so that distances to the nearest come out larger in it: the interval is shifted back by the median's excess.
    """
    value = measure(first, second)
    if resamples < 1 or not np.isfinite(value):
        return Interval(value, None, None)
    values = np.array([measure(*_drawn(first, second, number, paired)) for number in range(resamples)])
    low, middle, high = np.nanquantile(values, [(1 - _LEVEL) / 2, 0.5, (1 + _LEVEL) / 2])
    return Interval(value, float(low - middle + value), float(high - middle + value))


def _drawn(first: Tensor, second: Tensor, seed: int, paired: bool) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(first), (len(first),), generator=generator)
    others = rows if paired else torch.randint(len(second), (len(second),), generator=generator)
    return first[rows], second[others]


def distances(
    first: Tensor, second: Tensor, resamples: int, names: Sequence[str] = tuple(MEASURES)
) -> dict[str, Interval]:
    """Measures of two sets by name. The classifier and the neighbours have no interval: a resample repeats vectors,
    which then are their own neighbours, and in training and test alike.
    """
    once = ("classifier", "neighbour_overlap")
    return {name: with_interval(MEASURES[name], first, second, 0 if name in once else resamples) for name in names}
