"""Exact meta-gradient with the `learn2learn` library (Arnold et al. 2020, arXiv 2008.12284).

A cloned module is updated differentiably, as in MAML (Finn et al. 2017, arXiv 1703.03400), and the query loss is
differentiated through it.

Of the library only `learn2learn.utils` is loaded, from its file: the package's own import pulls in gym and torchvision,
and a torchvision built for another torch breaks transformers.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from xltransfer.backends.base import Backend, BilevelProblem, InnerSteps, MetaStep, one_or_more, require_inner_update
from xltransfer.errors import RegistryError
from xltransfer.rtns.changes import Changes
from xltransfer.utils.parameters import named_gradients, trainable

INSTALL = (
    "pip install --upgrade pip setuptools wheel 'cython>=3' && CYTHON_FORCE_REGEN=1 pip install --no-deps "
    "--no-build-isolation -C--global-option=build_ext learn2learn==0.2.0"
)
"""Its plain installation does not build from Python 3.11 on: the C files it ships are older than that."""


def _load_utils() -> ModuleType:
    package = importlib.util.find_spec("learn2learn")
    if package is None or package.origin is None:
        raise RegistryError(f"backend 'learn2learn': the library is not installed. Run: {INSTALL}")
    spec = importlib.util.spec_from_file_location(
        "learn2learn_utils", Path(package.origin).parent / "utils" / "__init__.py"
    )
    assert spec is not None
    assert spec.loader is not None
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)
    return utils


_utils: Any = _load_utils()


class Learn2Learn(Backend):
    """Differentiable SGD steps by `clone_module` and `update_module`."""

    def __init__(self, *, inner_steps: InnerSteps = 1) -> None:
        self.inner_steps = one_or_more(inner_steps)

    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        """See `Backend.step`. Raises BackendError for an inner update other than SGD's."""
        require_inner_update(self, problem.inner_update)
        theta, phi = trainable(problem.learner), trainable(problem.rtn)
        changes = Changes(problem.rtn, unrolled=self.inner_steps > 1)
        clone = _utils.clone_module(problem.learner)
        losses: list[Tensor] = []
        first: tuple[Tensor | None, ...] = ()
        for index in range(self.inner_steps):
            losses.append(problem.inner_loss(clone, changes) + problem.support_loss(clone))
            values = [value for value in clone.parameters() if value.requires_grad]
            gradients = torch.autograd.grad(losses[-1], values, create_graph=True, allow_unused=True)
            first = gradients if index == 0 else first
            moves = iter(None if gradient is None else -inner_lr * gradient for gradient in gradients)
            updates = [next(moves) if value.requires_grad else None for value in clone.parameters()]
            clone = _utils.update_module(clone, updates=updates)
        meta_loss = problem.meta_loss(clone)
        stepped = [value for value in clone.parameters() if value.requires_grad]
        with changes.followed():
            grads = torch.autograd.grad(meta_loss, [*phi.values(), *stepped], allow_unused=True)
        return MetaStep(
            losses[0].detach(),
            meta_loss.detach(),
            named_gradients(theta, first),
            named_gradients(phi, grads[: len(phi)]),
            named_gradients(theta, grads[len(phi) :]),
        )
