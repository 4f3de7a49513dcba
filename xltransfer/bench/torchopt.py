"""Baseline of cost: the TorchOpt library (Ren et al. 2023, arXiv 2211.06934) on the whole vocabulary."""

from __future__ import annotations

import importlib.util

import torch

from xltransfer.backends.base import BilevelProblem
from xltransfer.bench.released import inner_gradient
from xltransfer.rtns.changes import Changes
from xltransfer.utils.parameters import Gradients, named_gradients, trainable


def installed() -> bool:
    """Whether TorchOpt is installed (`pip install 'xltransfer[bench]'`)."""
    return importlib.util.find_spec("torchopt") is not None


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
