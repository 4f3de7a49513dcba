"""Compute the exact meta-gradient in plain torch: by double backward, or in forward-over-reverse mode.

    ∇_φ L_query(θ'(φ)) = −η ∂/∂φ ⟨∇_θ L_s(θ, φ), v⟩    with    v = ∇_θ' L_query(θ')

This is equation 3 of Xia et al. 2021 by the chain rule. It takes three steps: the inner step from θ to θ', and v there,
which `unrolled.py` computes; then the mixed derivative along v, which `Func.product` below computes as a product of a
second derivative and a vector (Pearlmutter 1994). If the inner step is not SGD's, v is first pulled back through it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.autograd import forward_ad

from xltransfer.backends.base import BilevelProblem, Capabilities, InnerSteps, one_or_more
from xltransfer.backends.unrolled import InnerStep, Tensors, Unrolled, at, gradient
from xltransfer.rtns.changes import HeldChanges
from xltransfer.utils.parameters import Gradients


class Func(Unrolled):
    """Computes the mixed derivative exactly, in reverse or forward mode."""

    capabilities = Capabilities(recomputation=True, compilation=True, pieces=True, inner_updates=True)

    def __init__(
        self,
        *,
        mode: Annotated[
            Literal["reverse", "forward"],
            "reverse: backward through the inner gradient, usually faster; forward: its derivative along v, with less "
            "memory",
        ] = "reverse",
        inner_steps: InnerSteps = 1,
    ) -> None:
        self.inner_steps = one_or_more(inner_steps)
        self.differentiable_gradient = mode != "forward"

    def product(self, step: InnerStep, vector: Gradients) -> Tensors:
        return _double_backward(step, vector) if self.differentiable_gradient else _forward_over_reverse(step, vector)


def _double_backward(step: InnerStep, vector: Gradients) -> Tensors:
    """Double backward: differentiate ⟨∇_θ L_s, v⟩ by φ through the graph of the inner gradient."""
    repeated = [*vector.values()] * (1 if step.first else 2)  # source and support gradients
    pairs = [(end, v) for end, v in zip(step.graph, repeated, strict=True) if end is not None]
    by = step.by()
    if not pairs or not by:
        return (None,) * len(by)
    outputs, cotangents = zip(*pairs, strict=True)
    with step.changes.followed():
        return torch.autograd.grad(outputs, by, grad_outputs=cotangents, allow_unused=True)


def _forward_over_reverse(step: InnerStep, vector: Gradients) -> Tensors:
    """Forward over reverse: the derivative of ∂L_s/∂changes along v, then backward from the changes to φ."""
    held = step.changes.held()
    with forward_ad.dual_level():
        dual = {name: _dual(_leaf(value, step.first), vector[name]) for name, value in step.theta.items()}
        tangents = [_tangent(slope) for slope in gradients_at(step.problem, dual, held, not step.first)]
    return through_changes(step, tangents, len(held.values))


def gradients_at(problem: BilevelProblem, theta: dict[str, Tensor], held: HeldChanges, with_theta: bool) -> Tensors:
    """Gradient of the inner loss by the RTN's changes, and by θ after an earlier inner step."""
    learner = at(problem.learner, theta)
    loss = problem.inner_loss(learner, held)
    by = held.values
    if with_theta:
        loss = loss + problem.support_loss(learner)
        by = [*by, *theta.values()]
    return gradient(loss, by)


def through_changes(step: InnerStep, derivatives: list[Tensor | None], count: int) -> Tensors:
    """Backpropagate derivatives by the changes (the first `count`) to φ and θ, and add those by θ."""
    found = step.changes.pull_back(derivatives[:count], step.by())
    direct = [None] * (len(found) - len(derivatives[count:])) + derivatives[count:]
    return tuple(a if b is None else b if a is None else a + b for a, b in zip(found, direct, strict=True))


def _dual(value: Tensor, tangent: Tensor) -> Tensor:
    dual: Tensor = forward_ad.make_dual(value, tangent)  # type: ignore[no-untyped-call]
    return dual


def _tangent(dual: Tensor | None) -> Tensor | None:
    if dual is None:
        return None
    tangent: Tensor | None = forward_ad.unpack_dual(dual).tangent  # type: ignore[no-untyped-call]
    return tangent


def _leaf(value: Tensor, constant: bool) -> Tensor:
    """Detach θ: as a constant, so that no graph is built below the insertion, or as a leaf."""
    return value.detach() if constant else value.detach().requires_grad_()
