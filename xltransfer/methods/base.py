"""The contract of a method: what one training step does with a source and a target batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from xltransfer.backends.base import Backend, Gradients, named_gradients, trainable
from xltransfer.data.batching import Batch
from xltransfer.encoders.learner import plain_passes, source_loss
from xltransfer.errors import require_finite
from xltransfer.methods.updater import Updater
from xltransfer.rtns.base import RTN
from xltransfer.seeding import seeded
from xltransfer.tasks.base import Task

SOURCE, SUPPORT, QUERY, TARGET = 0, 1, 2, 3
"""Offsets from a step's seed: every loss of a step has dropout masks of its own, the same in each evaluation."""


@dataclass(frozen=True)
class Trainee:
    """What is being trained, and by what: learner (θ), RTN (φ), their updaters, task and backend."""

    learner: nn.Module
    rtn: RTN
    theta: Updater
    phi: Updater
    task: Task
    backend: Backend
    autocast: Callable[[], AbstractContextManager[object]]

    def differentiated_loss(self, learner: Callable[..., Tensor], batch: Batch, rtn: Any = None) -> Tensor:
        """`loss`, in a pass whose gradient the backend may differentiate: without fused attention if it does."""
        if not self.backend.capabilities.second_order:
            return self.loss(learner, batch, rtn)
        with plain_passes(self.learner):
            return self.loss(learner, batch, rtn)

    def loss(self, learner: Callable[..., Tensor], batch: Batch, rtn: Any = None) -> Tensor:
        """The task's loss on a batch, a scalar; a source pass where `rtn` (or what stands in for it) is given."""
        with self.autocast():
            if rtn is None:
                return self.task.loss(learner(batch.inputs), batch.labels)
            return source_loss(learner, rtn, batch.inputs, lambda logits: self.task.loss(logits, batch.labels))

    def seeded_loss(self, seed: int, batch: Batch, rtn: Any = None) -> Tensor:
        """The learner's loss with dropout masks fixed by `seed`."""
        with seeded(seed):
            return self.loss(self.learner, batch, rtn)

    def update(self, losses: Mapping[str, float], theta: Gradients, phi: Gradients | None = None) -> dict[str, float]:
        """Update θ, and φ where a gradient is given. Returns what to log: the losses, and norms before clipping.

        Raises NonFiniteError, before anything is updated, if one of these is NaN or infinite.
        """
        theta_norm, phi_norm = self.theta.norm(theta), None if phi is None else self.phi.norm(phi)
        norms = {"grad_norm": theta_norm.item()}
        figures = {**losses, **({} if phi_norm is None else {"meta_grad_norm": phi_norm.item()}), **norms}
        require_finite(figures)
        if phi is not None:
            self.phi.apply(phi, phi_norm)
        self.theta.apply(theta, theta_norm)
        return figures

    def rtn_for(self, source: Batch) -> RTN:
        """The RTN, told which row of the batch is of which source language."""
        return self.rtn.for_batch(source.languages)


class Method(ABC):
    """Options are keyword parameters of the constructor."""

    uses_source: ClassVar[bool] = True
    uses_rtn: ClassVar[bool] = False
    uses_backend: ClassVar[bool] = False

    @abstractmethod
    def step(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> dict[str, float]:
        """One update of θ, and of φ where the method has one. Returns what to log: losses, gradient norms.

        Raises NonFiniteError, with θ and φ as before, where a loss or gradient is NaN or infinite (`Trainee.update`).
        """


def gradients(losses: Sequence[Tensor], module: nn.Module, keep: bool = False) -> Gradients:
    """Gradients of the sum of `losses` by parameter name; `keep` keeps the graph for another call."""
    parameters = trainable(module)
    if not parameters:
        return {}
    values = list(parameters.values())
    found = torch.autograd.grad(losses, values, allow_unused=True, retain_graph=keep)
    return named_gradients(parameters, found)
