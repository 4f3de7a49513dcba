"""The procedure of MetaXL's released code (Xia et al. 2021), reimplemented as the baseline of cost.

The virtual step keeps the graph of all gradients, of the support loss too; the query loss is differentiated through
all of it; then source and support losses are computed anew for θ's own update. Every pass has the whole vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xltransfer.backends.base import BilevelProblem
from xltransfer.backends.unrolled import at
from xltransfer.utils.parameters import Gradients, named_gradients, trainable


def released_step(problem: BilevelProblem, inner_lr: float) -> Gradients:
    """Compute the meta-gradient; the gradient for θ is computed but not returned."""
    meta = _through_the_virtual_step(problem, inner_lr)
    inner_gradient(problem)
    return meta


def inner_gradient(problem: BilevelProblem) -> Gradients:
    """Compute ∇_θ [L_s + L_support]."""
    theta = trainable(problem.learner)
    return named_gradients(theta, torch.autograd.grad(_inner_loss(problem), list(theta.values()), allow_unused=True))


def _inner_loss(problem: BilevelProblem) -> Tensor:
    return problem.inner_loss(problem.learner, problem.rtn) + problem.support_loss(problem.learner)


def _through_the_virtual_step(problem: BilevelProblem, inner_lr: float) -> Gradients:
    theta, phi = trainable(problem.learner), trainable(problem.rtn)
    gradients = torch.autograd.grad(_inner_loss(problem), list(theta.values()), create_graph=True, allow_unused=True)
    virtual = {
        name: value if gradient is None else value - inner_lr * gradient
        for (name, value), gradient in zip(theta.items(), gradients, strict=True)
    }
    query = problem.meta_loss(at(problem.learner, virtual))
    return named_gradients(phi, torch.autograd.grad(query, list(phi.values()), allow_unused=True))
