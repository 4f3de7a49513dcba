"""Distances between representations, against independent computations and sets with known answers."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, directed_hausdorff
from torch import Tensor

from xltransfer.analysis import distance as module
from xltransfer.analysis.distance import (
    MEASURES,
    NEIGHBOUR_MEASURES,
    ONCE,
    Interval,
    average_hausdorff,
    centroid_distance,
    classifier_accuracy,
    distances,
    hausdorff,
    hausdorff_95,
    linear_cka,
    nearest,
    neighbour_overlap,
    with_interval,
)

SIZES = [(1, 1, 3), (7, 1, 5), (40, 60, 8), (200, 33, 64)]


def sets(n: int, m: int, dim: int, apart: float = 0.5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n + m)
    first, second = (torch.randn(size, dim, generator=generator, dtype=torch.double) for size in (n, m))
    return first, second + apart


@pytest.fixture(params=[1 << 24, 100])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pairs at once, and in many blocks."""
    monkeypatch.setattr(module, "_NUMBERS", request.param)
    monkeypatch.setattr(module, "_ROWS", 3)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("size", SIZES)
def test_nearest_is_that_of_all_pairs(size: tuple[int, int, int]) -> None:
    first, second = sets(*size)
    pairs = cdist(first, second)
    found = nearest(first, second)
    np.testing.assert_allclose(found.first, pairs.min(1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.second, pairs.min(0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_hausdorff_is_scipys_larger_directed_one(size: tuple[int, int, int]) -> None:
    first, second = sets(*size)
    expected = max(directed_hausdorff(first, second)[0], directed_hausdorff(second, first)[0])
    assert hausdorff(nearest(first, second)) == pytest.approx(expected, rel=1e-12)
    assert hausdorff(nearest(second, first)) == pytest.approx(expected, rel=1e-12)


def test_single_precision_finds_small_distances_between_large_vectors() -> None:
    first, second = sets(50, 50, 32)
    first, second = first.float() + 100, (first[torch.randperm(50)] + 1e-3).float() + 100
    found, pairs = nearest(first, second), cdist(first, second)
    np.testing.assert_allclose(found.first, pairs.min(1), rtol=1e-5)


def test_known_sets() -> None:
    """On a line: {0, 1, 10} and {0, 4}. From 10 it is 6 to 4; from 4, 3 to 1."""
    first, second = (torch.tensor([[x] for x in values], dtype=torch.double) for values in ([0, 1, 10], [0, 4]))
    found = nearest(first, second)
    assert found.first.tolist() == [0, 1, 6]
    assert found.second.tolist() == [0, 3]
    assert hausdorff(found) == 6
    assert average_hausdorff(found) == pytest.approx(7 / 3)
    assert hausdorff_95(found) == pytest.approx(np.quantile([0, 1, 6], 0.95))
    assert centroid_distance(first, second) == pytest.approx(11 / 3 - 2)


def test_one_outlier_decides_hausdorff_and_hardly_moves_the_robust_ones() -> None:
    first, second = sets(400, 400, 16, apart=0.0)
    before = nearest(first, second)
    first = torch.cat([first, torch.full((1, 16), 100.0, dtype=torch.double)])
    after = nearest(first, second)
    assert hausdorff(after) > 20 * hausdorff(before)
    assert average_hausdorff(after) < 1.5 * average_hausdorff(before)
    assert hausdorff_95(after) < 1.05 * hausdorff_95(before)


def measured(name: str, first: Tensor, second: Tensor, resamples: int = 0) -> Interval:
    return distances(first, second, resamples)[name]


@pytest.mark.parametrize("name", MEASURES)
def test_rotations_and_shifts_of_both_sets_change_nothing(name: str) -> None:
    first, second = sets(60, 50, 6)
    rotation = torch.linalg.qr(torch.randn(6, 6, dtype=torch.double, generator=torch.Generator().manual_seed(0)))[0]
    moved = [part @ rotation + 3 for part in (first, second)]
    close = 0.03 if name == "classifier" else 1e-9  # it standardises each coordinate, which a rotation changes
    assert measured(name, *moved).value == pytest.approx(measured(name, first, second).value, abs=close)


@pytest.mark.parametrize("name", ["hausdorff", "hausdorff_average", "hausdorff_95", "centroid"])
def test_distances_scale_and_vanish_between_equal_sets(name: str) -> None:
    first, second = sets(30, 40, 5)
    assert measured(name, 3 * first, 3 * second).value == pytest.approx(3 * measured(name, first, second).value)
    assert measured(name, first, first.flip(0)).value == pytest.approx(0, abs=1e-12)


def naive_cka(x: Tensor, y: Tensor) -> float:
    """By centred Gram matrices (Kornblith et al. 2019, equation 3), one entry at a time."""
    n = len(x)
    centring = torch.eye(n, dtype=torch.double) - 1 / n
    k, j = (centring @ (view @ view.T) @ centring for view in (x, y))

    def hsic(one: Tensor, other: Tensor) -> float:
        return float(sum(one[a, b] * other[a, b] for a in range(n) for b in range(n)))

    return hsic(k, j) / math.sqrt(hsic(k, k) * hsic(j, j))


@pytest.mark.parametrize("n, p, q", [(12, 4, 30), (40, 4, 6), (12, 30, 20)])
def test_cka_is_the_naive_one(n: int, p: int, q: int) -> None:
    x = torch.randn(n, p, dtype=torch.double, generator=torch.Generator().manual_seed(p))
    y = torch.randn(n, q, dtype=torch.double, generator=torch.Generator().manual_seed(q)) + x.sum(1, keepdim=True)
    assert linear_cka(x, y) == pytest.approx(naive_cka(x, y), rel=1e-10)
    assert linear_cka(x, 2 * x + 1) == pytest.approx(1)
    with pytest.raises(ValueError, match="of 12 and 11" if n == 12 else "of 40 and 39"):
        linear_cka(x, y[1:])


def test_a_classifier_and_neighbours_tell_apart_what_is_apart() -> None:
    together, apart = sets(200, 100, 4, apart=0.0), sets(200, 100, 4, apart=20.0)
    assert classifier_accuracy(*together) == pytest.approx(0.5, abs=0.1)
    assert classifier_accuracy(*apart) == 1
    assert neighbour_overlap(*together) == pytest.approx(1, abs=0.15)
    assert neighbour_overlap(*apart) == 0
    assert math.isnan(classifier_accuracy(together[0][:4], together[1]))


def test_neighbours_by_hand() -> None:
    """On a line: a at 0, 1, 10; b at 2, 11. The nearest one: 0→1 (own), 1→0 or 2 taken as 0, 10→11 (other), ..."""
    first, second = (torch.tensor([[x] for x in values], dtype=torch.double) for values in ([0, 1.1, 10], [2, 11]))
    shares = (2 / 3 / (2 / 4) + 1 / (3 / 4)) / 2  # of a: 1.1→2 and 10→11; of b: both
    assert neighbour_overlap(first, second, neighbours=1) == pytest.approx(shares)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hausdorff_average", "hausdorff_95", "centroid"])
def test_intervals_hold_the_value_and_narrow_with_more_sentences(name: str) -> None:
    widths = []
    for size in (30, 300):
        first, second = sets(size, size, 3)
        found = measured(name, first, second, 100)
        assert found == measured(name, first, second, 100)
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert widths[1] < widths[0]


def test_intervals_cover_the_truth() -> None:
    """The distance of the centres of two normal distributions, of which 60 sentences each are seen."""
    truth, covered = 2 * math.sqrt(3), 0
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        first, second = (torch.randn(60, 3, generator=generator, dtype=torch.double) for _ in range(2))
        found = with_interval(centroid_distance, first, second + 2, 100)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert covered >= 51  # of 60; 57 are expected, and 51 or fewer come once in a hundred times


@pytest.mark.parametrize("name", NEIGHBOUR_MEASURES)
def test_resamples_are_measured_as_the_sets_are(name: str) -> None:
    """By the vectors of a resample themselves, instead of by the distances of all pairs."""
    first, second = sets(30, 20, 4)
    found = dataclasses.astuple(measured(name, first, second, 40))
    again = with_interval(lambda one, other: NEIGHBOUR_MEASURES[name](nearest(one, other)), first, second, 40)
    assert found == pytest.approx(dataclasses.astuple(again))


def test_all_at_once() -> None:
    found = distances(*sets(30, 20, 4), resamples=5)
    assert tuple(found) == MEASURES
    assert {name for name, one in found.items() if one.low is None} == ONCE.keys()


def test_refused() -> None:
    with pytest.raises(ValueError, match=r"\(0, 3\), \(4, 3\)"):
        nearest(torch.zeros(0, 3), torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"\(4, 2\), \(4, 3\)"):
        nearest(torch.zeros(4, 2), torch.zeros(4, 3))
