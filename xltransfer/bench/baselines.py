"""Baselines of cost: MetaXL's released procedure (Xia et al. 2021) and TorchOpt (Ren et al. 2023).

The released procedure keeps the graph of all gradients in the virtual step, of the support loss too. The query loss is
differentiated through all of it. Then source and support losses are computed again for θ's own update. TorchOpt
(arXiv 2211.06934) differentiates its SGD step. Every pass of both has the whole vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xltransfer.backends.base import BilevelProblem
from xltransfer.backends.unrolled import at
from xltransfer.rtns.changes import Changes
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


def torchopt_installed() -> bool:
    """Whether TorchOpt, and what it imports, is installed (`pip install 'xltransfer[bench]'`)."""
    try:
        import torchopt  # noqa: F401
    except ImportError:
        return False
    return True


def torchopt_step(problem: BilevelProblem, inner_lr: float) -> Gradients:
    """Compute the meta-gradient by differentiable SGD on the module; restores its parameters.

    The library does not hand out the inner gradient, which θ's own update needs: a second pass computes it.
    """
    import torchopt

    theta, phi = trainable(problem.learner), trainable(problem.rtn)
    before = dict(problem.learner.named_parameters())
    sgd, changes = torchopt.MetaSGD(problem.learner, lr=inner_lr), Changes(problem.rtn)
    try:
        sgd.step(problem.inner_loss(problem.learner, changes) + problem.support_loss(problem.learner))
        meta_loss = problem.meta_loss(problem.learner)
        with changes.followed():
            meta = named_gradients(phi, torch.autograd.grad(meta_loss, list(phi.values()), allow_unused=True))
    finally:
        for name in theta:
            owner, _, own = name.rpartition(".")
            problem.learner.get_submodule(owner)._parameters[own] = before[name]
    inner_gradient(problem)
    return meta
