"""First-order approximation: only the last layer's parameters of θ' depend on φ.

With v restricted to the classifier's output layer, ⟨∇_θ L_s, v⟩ is a first-order function of the states below it, so
that one ordinary backward pass gives the derivative by φ and fused attention works. (Truncating the unrolled step
altogether, as first-order MAML does, Finn et al. 2017, arXiv 1703.03400, would leave nothing: φ reaches the query loss
through θ' alone.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xltransfer.backends.base import Backend, BilevelProblem, Capabilities, MetaStep
from xltransfer.backends.unrolled import descend, query_gradient
from xltransfer.rtns.changes import Changes
from xltransfer.utils.parameters import add_gradients, named_gradients, trainable


class FirstOrder(Backend):
    """Computes the part of the meta-gradient that passes through the last layer's update."""

    capabilities = Capabilities(
        approximation="θ' depends on φ in the last layer alone",
        second_order=False,
        recomputation=True,
        inner_updates=True,
    )

    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        theta, phi = trainable(problem.learner), trainable(problem.rtn)
        values, last = list(theta.values()), last_layer(problem.learner)
        changes = Changes(problem.rtn)

        source_loss = problem.inner_loss(problem.learner, changes)
        source_grads = torch.autograd.grad(source_loss, values, retain_graph=True, allow_unused=True)
        last_grads = torch.autograd.grad(source_loss, [theta[name] for name in last], create_graph=True)
        support_loss = problem.support_loss(problem.learner)
        support_grads = torch.autograd.grad(support_loss, values, allow_unused=True)
        inner_grads = add_gradients(named_gradients(theta, source_grads), named_gradients(theta, support_grads))

        update = problem.inner_update
        stepped = descend(dict(theta), update.direction(inner_grads), inner_lr)
        meta_loss, query_grads = query_gradient(problem, stepped)
        along = update.pulled_back(inner_grads, {name: query_grads[name] for name in last})

        grads: tuple[Tensor | None, ...] = ()
        if phi and any(gradient.requires_grad for gradient in last_grads):
            with changes.followed():
                grads = torch.autograd.grad(
                    last_grads,
                    list(phi.values()),
                    grad_outputs=[-inner_lr * along[name] for name in last],
                    allow_unused=True,
                )
        return MetaStep(
            (source_loss + support_loss).detach(), meta_loss, inner_grads, named_gradients(phi, grads), query_grads
        )


def last_layer(learner: nn.Module) -> list[str]:
    """Names of the trainable parameters of the last registered module, a model's classifier."""
    names = list(trainable(learner))
    parent = names[-1].rpartition(".")[0]
    return [name for name in names if name.rpartition(".")[0] == parent]
