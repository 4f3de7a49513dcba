"""The contract of a method: what one training step does with a source and a target batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xltransfer.backends.base import Backend
from xltransfer.data.batching import IGNORED, Batch, Piece, endless_order, split_into_pieces
from xltransfer.encoders.learner import plain_passes, source_loss
from xltransfer.errors import require_finite
from xltransfer.methods.updater import Updater
from xltransfer.rtns.base import RTN
from xltransfer.tasks.base import Task, wide
from xltransfer.utils.parameters import Gradients, add_into, named_gradients, read_figures, trainable
from xltransfer.utils.processes import ALONE, Processes
from xltransfer.utils.seeding import seeded

SOURCE, SUPPORT, QUERY, TARGET = 0, 1, 2, 3
"""Offsets from a step's seed: every loss of a step has dropout masks of its own, the same in each evaluation."""
PIECE = 1 << 52
"""Between the seeds of two pieces of a batch: masks depend on a piece's number, not on the process that has it."""


def task_source_loss(task: Task, learner: Callable[..., Tensor], batch: Batch, rtn: Any) -> Tensor:
    """`source_loss` of a task's batch."""

    def loss(logits: Tensor) -> Tensor:
        return task.loss(logits, batch.labels)

    def losses(logits: Tensor) -> tuple[Tensor, Tensor]:
        return task.losses(logits, batch.labels), batch.labels != IGNORED

    return source_loss(learner, rtn, batch.inputs, loss, losses)


def consistent_loss(task: Task, one: Tensor, other: Tensor, labels: Tensor, weight: float) -> Tensor:
    """R-Drop (Liang et al. 2021, arXiv 2106.14448), a scalar: the mean loss of two passes, and how far they are apart.

    That is `weight` times half the symmetric Kullback-Leibler divergence, a mean over the labels that are not IGNORED.
    `one` and `other` (..., labels) are logits for `labels` (...).
    """
    labelled = labels != IGNORED
    first, second = (F.log_softmax(wide(logits), -1) for logits in (one, other))
    apart = ((first.exp() - second.exp()) * (first - second)).sum(-1).where(labelled, 0)  # both directions
    losses = (task.loss(one, labels) + task.loss(other, labels)) / 2
    return losses + weight * apart.sum() / (2 * labelled.sum())


@dataclass(frozen=True)
class Trainee:
    """Everything a training step works on: learner (θ), RTN (φ), their updaters, task and backend."""

    learner: nn.Module
    rtn: RTN
    theta: Updater
    phi: Updater
    task: Task
    backend: Backend
    autocast: Callable[[], AbstractContextManager[object]]
    processes: Processes = ALONE
    accumulate: int = 1
    """Into how many pieces every process cuts its part of a batch."""
    consistency: float = 0.0
    """Weight of the divergence between two target passes with dropout masks of their own (`consistent_loss`)."""
    usefulness: bool = False
    """Whether steps report the usefulness of the source batch, if the method can (`Method.tells_usefulness`)."""

    def pieces(self, batch: Batch) -> list[Piece]:
        """Split a batch and return this process's pieces."""
        first = self.processes.number * self.accumulate
        return split_into_pieces(batch, self.processes.count * self.accumulate)[first : first + self.accumulate]

    def piece_loss(self, piece: Piece, seed: int, rtn: Any = None) -> Tensor:
        """A piece's share of the batch's loss, a scalar, with dropout masks fixed by `seed` and its number."""
        if not piece.share:
            return self._nothing()
        return piece.share * self.seeded_loss(seed + PIECE * piece.number, piece.batch, rtn)

    def piece_of(self, piece: Piece, weight: float = 1.0, differentiated: bool = False) -> Callable[..., Tensor]:
        """A piece's share of a batch's loss, times `weight`, as a function of learner (and RTN) for a backend.

        `differentiated`: the backend may differentiate its gradient, so that no fused attention is used if it does.
        """
        plain = differentiated and self.backend.capabilities.second_order

        def part(learner: Callable[..., Tensor], rtn: Any = None) -> Tensor:
            if not piece.share:
                return self._nothing()
            with plain_passes(self.learner) if plain else nullcontext():
                return weight * piece.share * self.loss(learner, piece.batch, rtn)

        return part

    def _nothing(self) -> Tensor:
        """The loss of no label."""
        return torch.zeros_like(next(self.learner.parameters()).flatten()[0])

    def loss(self, learner: Callable[..., Tensor], batch: Batch, rtn: Any = None) -> Tensor:
        """The task's loss on a batch, a scalar; a source pass where `rtn` (or what stands in for it) is given."""
        with self.autocast():
            if rtn is None and self.consistency:
                logits = learner(batch.inputs), learner(batch.inputs)
                return consistent_loss(self.task, *logits, batch.labels, self.consistency)
            if rtn is None:
                return self.task.loss(learner(batch.inputs), batch.labels)
            return task_source_loss(self.task, learner, batch, rtn)

    def seeded_loss(self, seed: int, batch: Batch, rtn: Any = None) -> Tensor:
        """The learner's loss with dropout masks fixed by `seed`."""
        with seeded(seed):
            return self.loss(self.learner, batch, rtn)

    def update(
        self, losses: Mapping[str, Tensor], theta: Gradients, phi: Gradients | None = None, *, normalised: bool = False
    ) -> dict[str, float]:
        """Update θ, and φ if a gradient is given. Returns losses and gradient norms before clipping, to log.

        They are fetched from the device at once, the only time in a step that the host waits for it.

        `normalised`: φ's gradient is divided by its norm, which is logged as it was.

        Raises NonFiniteError, before anything is updated, if one of these is NaN or infinite.
        """
        norms = ({} if phi is None else {"meta_grad_norm": self.phi.norm(phi)}) | {"grad_norm": self.theta.norm(theta)}
        figures = read_figures({**losses, **norms})
        require_finite(figures)
        if phi is not None:
            self.phi.apply(phi, norms["meta_grad_norm"], found=figures["meta_grad_norm"], normalised=normalised)
        self.theta.apply(theta, norms["grad_norm"], found=figures["grad_norm"])
        return figures

    def rtn_for(self, source: Batch) -> RTN:
        """The RTN bound to the source languages of a batch's rows."""
        return self.rtn.for_batch(source.languages)


class Method(ABC):
    """Options are keyword parameters of the constructor."""

    uses_source: ClassVar[bool] = True
    uses_rtn: ClassVar[bool] = False
    uses_backend: ClassVar[bool] = False
    uses_moments: bool = False
    """Whether losses or gradients of a step depend on the state of θ's optimiser."""
    trains_weights: ClassVar[bool] = True
    """Whether it can train an RTN that weighs source losses: not by the gradient of those losses, which would only
    make the weights small."""
    tells_usefulness: ClassVar[bool] = False
    """Whether figures have `usefulness` where `Trainee.usefulness` asks for it and the backend allows it: -1 to 1, the
    same in all processes; `--mixing bandit` rewards source languages by it."""

    def inserts(self, trainee: Trainee) -> bool:
        """Whether the next step's source pass goes through the RTN."""
        return self.uses_rtn

    def learns_rtn(self, trainee: Trainee) -> bool:
        """Whether the next step updates φ."""
        return self.uses_rtn

    def target_rows(self, count: int, batch_size: int, seed: int, steps: int) -> Iterator[list[int]]:
        """Yield the target sentences of each step's batch, as indices below `count`."""
        return endless_order(count, batch_size, seed)

    @abstractmethod
    def step(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> dict[str, float]:
        """Update θ, and φ if the method trains it. Returns losses and gradient norms to log.

        Raises NonFiniteError, with θ and φ as before, where a loss or gradient is NaN or infinite (`Trainee.update`).
        """


def gradients(losses: Sequence[Tensor], module: nn.Module, keep: bool = False) -> Gradients:
    """Gradients of the sum of `losses` by parameter name; `keep` keeps the graph for another call."""
    parameters = trainable(module)
    values = list(parameters.values())
    losses = [loss for loss in losses if loss.requires_grad]
    found = (
        torch.autograd.grad(losses, values, allow_unused=True, retain_graph=keep)
        if values and losses
        else (None,) * len(values)
    )
    return named_gradients(parameters, found)


class Sums:
    """Sums of losses and gradients over the pieces of a batch."""

    def __init__(self) -> None:
        self._losses: Gradients = {}
        self._gradients: tuple[Gradients, ...] = ()

    def add(self, losses: Mapping[str, Tensor], *gradients: Gradients) -> None:
        """Add the losses and gradients of one piece."""
        found = {name: loss.detach() for name, loss in losses.items()}
        if not self._gradients:
            self._losses, self._gradients = found, gradients
            return
        self._losses = {name: self._losses[name] + loss for name, loss in found.items()}
        self._gradients = tuple(add_into(one, more) for one, more in zip(self._gradients, gradients, strict=True))

    def total(self, processes: Processes) -> tuple[Gradients, tuple[Gradients, ...]]:
        """Sum over processes; returns losses by name, and the gradients."""
        losses, *gradients = (processes.total(sums) for sums in (self._losses, *self._gradients))
        return losses, tuple(gradients)
