"""Exact meta-gradient with the `higher` library (Grefenstette et al. 2019, arXiv 1910.01727).

The inner steps are unrolled on a patched copy of the learner and the query loss is differentiated through all of
them, support loss included: the plain reading of the method, and the reference for cheaper ones.
"""

from __future__ import annotations

import higher
import torch
from torch import Tensor

from xltransfer.backends.base import Backend, BilevelProblem, InnerSteps, MetaStep, one_or_more, require_inner_update
from xltransfer.rtns.changes import Changes
from xltransfer.utils.parameters import named_gradients, trainable


class Higher(Backend):
    """Differentiable SGD steps by `higher.innerloop_ctx`."""

    def __init__(self, *, inner_steps: InnerSteps = 1) -> None:
        self.inner_steps = one_or_more(inner_steps)

    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        """See `Backend.step`. Raises BackendError for an inner update other than SGD's."""
        require_inner_update(self, problem.inner_update)
        theta, phi = trainable(problem.learner), trainable(problem.rtn)
        sgd = torch.optim.SGD(theta.values(), lr=inner_lr)
        changes = Changes(problem.rtn, unrolled=self.inner_steps > 1)
        losses: list[Tensor] = []
        captured: list[list[Tensor | None]] = []

        def capture(gradients: list[Tensor | None]) -> list[Tensor | None]:
            captured.append(list(gradients))
            return gradients

        with higher.innerloop_ctx(problem.learner, sgd) as (patched, optimizer):
            for _ in range(self.inner_steps):
                losses.append(problem.inner_loss(patched, changes) + problem.support_loss(patched))
                optimizer.step(losses[-1], grad_callback=capture)
            meta_loss = problem.meta_loss(patched)
            everything = [name for name, _ in problem.learner.named_parameters()]
            stepped = dict(zip(everything, patched.parameters(), strict=True))
            with changes.followed():
                grads = torch.autograd.grad(
                    meta_loss, [*phi.values(), *(stepped[name] for name in theta)], allow_unused=True
                )
        first = dict(zip(everything, captured[0], strict=True))  # None for frozen ones
        return MetaStep(
            losses[0].detach(),
            meta_loss.detach(),
            named_gradients(theta, tuple(first[name] for name in theta)),
            named_gradients(phi, grads[: len(phi)]),
            named_gradients(theta, grads[len(phi) :]),
        )
