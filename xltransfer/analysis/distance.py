"""Distances between two sets of sentence vectors, or between two views of the same sentences.

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

_NUMBERS = 1 << 24
"""Entries in a block of pairs: 64 MB in fp32."""
_ROWS = 4096


@dataclass(frozen=True)
class Nearest:
    """Euclidean distances, in float64: `first` (n,) from each row of the first set, `second` (m,) of the second."""

    first: Tensor
    second: Tensor


@torch.no_grad()
def nearest(first: Tensor, second: Tensor) -> Nearest:
    """Compute nearest distances of two sets, (n, dim) and (m, dim), on one device, in their precision.

    Raises ValueError if a set is empty or their vectors have different lengths.
    """
    if not len(first) or not len(second) or first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"two sets of vectors of one length are needed, not {tuple(first.shape)}, {tuple(second.shape)}"
        )
    centre = (first.mean(0) + second.mean(0)) / 2  # smaller products have smaller rounding errors
    a, b = first - centre, second - centre
    a_norms, b_norms = (a * a).sum(1), (b * b).sum(1)
    to_second = torch.empty(len(a), dtype=torch.long, device=a.device)
    to_first = torch.zeros(len(b), dtype=torch.long, device=a.device)
    best = torch.full((len(b),), torch.inf, dtype=a.dtype, device=a.device)
    rows = max(1, _NUMBERS // len(b))
    block = torch.empty(min(rows, len(a)), len(b), dtype=a.dtype, device=a.device)
    for start in range(0, len(a), rows):
        own = a[start : start + rows]
        pairs = torch.addmm(
            b_norms, own, b.T, alpha=-2, out=block[: len(own)]
        )  # without |a|²: the order in a row stays
        to_second[start : start + rows] = pairs.argmin(1)
        pairs += a_norms[start : start + rows, None]
        values, places = pairs.min(0)
        closer = values < best
        best[closer] = values[closer]
        to_first[closer] = places[closer] + start
    return Nearest(_apart(first, second[to_second]), _apart(second, first[to_first]))


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """Distances between corresponding rows, (n,), in float64."""
    parts = zip(torch.split(one, _ROWS), torch.split(other, _ROWS), strict=True)
    return torch.cat([(a.double() - b.double()).norm(dim=1) for a, b in parts])


Array = NDArray[np.float64]
NEIGHBOURS = 10
_FOLDS = 5
_LEVEL = 0.95
_MOST_PAIRS = 1 << 24
"""Most pairs whose distances are kept for resampling: 128 MB."""


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
    if len(x) < min(x.shape[1], y.shape[1]):  # the same result from the smaller products
        one, other = x @ x.T, y @ y.T
        cross = (one * other).sum()
    else:
        one, other = x.T @ x, y.T @ y
        cross = (y.T @ x).square().sum()
    return float(cross / (one.norm() * other.norm()))


def classifier_accuracy(first: Tensor, second: Tensor, seed: int = 0) -> float:
    """Held-out accuracy of a linear classifier that separates the two sets: 0.5 is chance.

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
    """Share of a vector's nearest neighbours that belong to the other set, relative to chance.

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
NEIGHBOUR_MEASURES: Mapping[str, Callable[[Nearest], float]] = {
    "hausdorff": hausdorff,
    "hausdorff_average": average_hausdorff,
    "hausdorff_95": hausdorff_95,
}
ONCE: Mapping[str, Measure] = {"classifier": classifier_accuracy, "neighbour_overlap": neighbour_overlap}
"""Without an interval: a repeated sentence is its own neighbour, and is in training and test folds alike."""
MEASURES = (*NEIGHBOUR_MEASURES, "centroid", *ONCE)
"""Measures of two sets; all but the last rise with the distance between them."""


@dataclass(frozen=True)
class Interval:
    """A measure with its 95 % interval; None where the interval cannot be estimated."""

    value: float
    low: float | None = None
    high: float | None = None


def distances(first: Tensor, second: Tensor, resamples: int) -> dict[str, Interval]:
    """The `MEASURES` of two sets of vectors, (n, dim) and (m, dim), those that can be with bootstrap intervals."""
    found = nearest(first, second)
    values = {name: measure(found) for name, measure in NEIGHBOUR_MEASURES.items()}
    drawn: dict[str, list[float]] = {name: [] for name in NEIGHBOUR_MEASURES}
    if resamples and len(first) * len(second) <= _MOST_PAIRS:
        pairs = torch.cdist(first.double(), second.double())
        for number in range(resamples):
            rows, others = drawn_rows(len(first), len(second), number)
            again = Nearest(pairs[:, torch.unique(others)].amin(1)[rows], pairs[torch.unique(rows)].amin(0)[others])
            for name, measure in NEIGHBOUR_MEASURES.items():
                drawn[name].append(measure(again))
    return {
        **{name: interval(values[name], drawn[name]) for name in NEIGHBOUR_MEASURES},
        "centroid": with_interval(centroid_distance, first, second, resamples),
        **{name: Interval(measure(first, second)) for name, measure in ONCE.items()},
    }


def with_interval(measure: Measure, first: Tensor, second: Tensor, resamples: int, paired: bool = False) -> Interval:
    """Compute a measure with a bootstrap interval; `paired` resamples two views of the same sentences together."""
    drawn = []
    for number in range(resamples):
        rows, others = drawn_rows(len(first), len(second), number)
        drawn.append(measure(first[rows], second[rows if paired else others]))
    return interval(measure(first, second), drawn)


def interval(value: float, drawn: Sequence[float]) -> Interval:
    """Return the value with percentiles of its resampled values (bootstrap; Efron 1979).

    A resample holds fewer different sentences than the set, so that distances to the nearest come out larger in it:
    the interval is shifted back by the median's excess.
    """
    if not drawn or not np.isfinite(value):
        return Interval(value)
    low, middle, high = np.nanquantile(drawn, [(1 - _LEVEL) / 2, 0.5, (1 + _LEVEL) / 2])
    return Interval(value, float(low - middle + value), float(high - middle + value))


def drawn_rows(first: int, second: int, seed: int) -> tuple[Tensor, Tensor]:
    """Resample the rows of each set with replacement."""
    generator = torch.Generator().manual_seed(seed)
    rows, others = (torch.randint(size, (size,), generator=generator) for size in (first, second))
    return rows, others
