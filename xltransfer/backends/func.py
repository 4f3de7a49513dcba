"""Exact meta-gradient by double backward through the source loss alone.

With v = ∇_θ' L_query(θ'), the meta-gradient of one inner step is −η ∂/∂φ ⟨∇_θ L_s(θ, φ), v⟩ (Xia et al. 2021,
equation 3, by the chain rule; Pearlmutter 1994 for the product with the second derivative). The support loss does
not depend on φ, so its gradient is a plain one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from xltransfer.backends.base import Backend, BilevelProblem, Capabilities, MetaStep, named_gradients, trainable


class Func(Backend):
    """Double backward through the source loss; the query loss at θ' through `torch.func.functional_call`."""

    capabilities = Capabilities(exact=True, double_backward=True)

    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        """See `Backend.step`."""
        theta, phi = trainable(problem.learner), trainable(problem.rtn)

        source_loss = problem.inner_loss(problem.learner, problem.rtn)
        source_grads = torch.autograd.grad(source_loss, list(theta.values()), create_graph=True, allow_unused=True)
        support_loss = problem.support_loss(problem.learner)
        support_grads = torch.autograd.grad(support_loss, list(theta.values()), allow_unused=True)
        source, support = named_gradients(theta, source_grads), named_gradients(theta, support_grads)
        inner_grads = {name: source[name] + support[name] for name in theta}

        stepped = {name: (p.detach() - inner_lr * inner_grads[name]).requires_grad_() for name, p in theta.items()}
        meta_loss = problem.meta_loss(lambda *args: functional_call(problem.learner, stepped, args))
        v = torch.autograd.grad(meta_loss, list(stepped.values()), allow_unused=True)

        meta_grads = _mixed_product(source_grads, v, list(phi.values()), -inner_lr)
        return MetaStep(
            (source_loss + support_loss).detach(), meta_loss.detach(), inner_grads, named_gradients(phi, meta_grads)
        )


def _mixed_product(
    gradients: tuple[Tensor | None, ...], vector: tuple[Tensor | None, ...], phi: list[torch.nn.Parameter], scale: float
) -> tuple[Tensor | None, ...]:
    """scale · ∂/∂φ ⟨gradients, vector⟩, over the gradients that depend on φ at all."""
    pairs = [
        (gradient, scale * direction)
        for gradient, direction in zip(gradients, vector, strict=True)
        if gradient is not None and gradient.requires_grad and direction is not None
    ]
    if not pairs or not phi:
        return (None,) * len(phi)
    outputs, weights = zip(*pairs, strict=True)
    return torch.autograd.grad(outputs, phi, grad_outputs=weights, allow_unused=True)
