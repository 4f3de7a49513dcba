"""Parameters and gradients of a module, by name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor, nn

Gradients = dict[str, Tensor]
"""Name of a parameter to its gradient, of the parameter's shape."""


def read_figures(found: Mapping[str, Tensor]) -> dict[str, float]:
    """Fetch scalars from their device at once; the host waits for it."""
    return dict(zip(found, torch.stack([value.detach().double() for value in found.values()]).tolist(), strict=True))


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that require a gradient, by name."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def named_gradients(parameters: Mapping[str, Tensor], gradients: tuple[Tensor | None, ...]) -> Gradients:
    """Gradients by name; zeros where a parameter took no part. They carry no graph."""
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient.detach()
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True)
    }


def add_gradients(first: Gradients, second: Gradients) -> Gradients:
    """Add two gradients of the same parameters."""
    return {name: first[name] + second[name] for name in first}


def add_into(one: Gradients, other: Gradients, factor: float = 1.0) -> Gradients:
    """`one + factor · other`, in place where a tensor is no other's too: autograd may give two variables one."""
    users = Counter(tensor.untyped_storage().data_ptr() for tensor in one.values())
    return {
        name: gradient.add_(other[name], alpha=factor)
        if users[gradient.untyped_storage().data_ptr()] == 1 and gradient.is_contiguous()
        else gradient.add(other[name], alpha=factor)
        for name, gradient in one.items()
    }


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
