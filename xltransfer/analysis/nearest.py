"""Nearest-neighbour distances between two sets of vectors, in bounded memory.

Everything about a Hausdorff distance is in these two lists of distances. The products of all pairs are made block by
block; the distance to the vector found nearest is then taken from the vectors themselves, since
|a|² + |b|² − 2⟨a, b⟩ loses what is small beside |a|².
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_NUMBERS = 1 << 24
"""Of a block of pairs: 64 MB in fp32."""
_ROWS = 4096


@dataclass(frozen=True)
class Nearest:
    """Euclidean distances, in float64: `first` (n,) from each row of the first set, `second` (m,) of the second."""

    first: Tensor
    second: Tensor


@torch.no_grad()
def nearest(first: Tensor, second: Tensor) -> Nearest:
    """Compute them for two sets of vectors, (n, dim) and (m, dim), on one device, in their precision.

    Raises ValueError if a set is empty or their vectors have different lengths.
    """
    if not len(first) or not len(second) or first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"two sets of vectors of one length are needed, not {tuple(first.shape)}, {tuple(second.shape)}"
        )
    centre = (first.mean(0) + second.mean(0)) / 2  # distances stay, products get smaller and with them their error
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
