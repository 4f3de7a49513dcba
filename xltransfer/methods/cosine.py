"""The cosine between two gradients of θ."""

from __future__ import annotations

import math

import torch
from torch import nn

from xltransfer.utils.parameters import Gradients

_PART = 1 << 22
"""Numbers that are multiplied at a time, so that a large embedding's gradient is not there once more."""


def cosine(one: Gradients, other: Gradients) -> float | None:
    """⟨one, other⟩ / (‖one‖ ‖other‖) of gradients by the same names; None where one is 0 or not finite.

    The same bits wherever in memory the tensors are, and so in every process that has the same totals.
    """
    # not torch.dot: the order of its sum depends on where in memory the tensors begin
    products = [
        (first * second).sum()
        for name in one
        for first, second in zip(*(torch.split(part[name].flatten(), _PART) for part in (one, other)), strict=True)
    ]
    if not products:
        return None
    norms = nn.utils.get_total_norm(one.values()).item() * nn.utils.get_total_norm(other.values()).item()
    found = torch.stack(products).double().sum().item() / norms if norms else math.nan
    return found if math.isfinite(found) else None
