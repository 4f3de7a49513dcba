"""Exact meta-gradient with the `higher` library (Grefenstette et al. 2019, arXiv 1910.01727).

The inner step is unrolled on a patched copy of the learner and the query loss is differentiated through all of it,
support loss included: the plain reading of the method, and the reference for cheaper ones.
"""

from __future__ import annotations

import higher
import torch
from torch import Tensor

from xltransfer.backends.base import Backend, BilevelProblem, Capabilities, MetaStep, named_gradients, trainable


class Higher(Backend):
    """One differentiable SGD step by `higher.innerloop_ctx`."""

    capabilities = Capabilities(exact=True, double_backward=True)

    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        """See `Backend.step`."""
        theta, phi = trainable(problem.learner), trainable(problem.rtn)
        sgd = torch.optim.SGD(theta.values(), lr=inner_lr)
        captured: list[Tensor | None] = []

        def capture(gradients: list[Tensor | None]) -> list[Tensor | None]:
            captured.extend(gradients)
            return gradients

        with higher.innerloop_ctx(problem.learner, sgd) as (patched, optimizer):
            inner_loss = problem.inner_loss(patched, problem.rtn) + problem.support_loss(patched)
            optimizer.step(inner_loss, grad_callback=capture)
            meta_loss = problem.meta_loss(patched)
            grads = torch.autograd.grad(meta_loss, list(phi.values()), allow_unused=True) if phi else ()
        return MetaStep(
            inner_loss.detach(),
            meta_loss.detach(),
            named_gradients(theta, tuple(captured)),
            named_gradients(phi, grads),
        )
