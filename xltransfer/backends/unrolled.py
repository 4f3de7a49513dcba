"""The meta-gradient by going back over the inner steps: what `func` and `fd` share.

θ_{k+1} = θ_k − η g_k with g_k = ∇_θ [L_s(θ_k, φ) + L_support(θ_k)]. With v_K = ∇ L_query(θ_K), the chain rule gives,
from the last step to the first (Maclaurin et al. 2015, arXiv 1502.03492; Franceschi et al. 2017, arXiv 1703.01785),

    meta-gradient += −η ∂/∂φ ⟨g_k, v_{k+1}⟩,        v_k = v_{k+1} − η ∂/∂θ_k ⟨g_k, v_{k+1}⟩.

With one step, as in MetaXL, only the first of these is needed, and only L_s in it. A backend says how it takes the
two derivatives.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.func import functional_call

from xltransfer.backends.base import (
    Backend,
    BilevelProblem,
    Gradients,
    MetaStep,
    add_gradients,
    add_into,
    named_gradients,
    trainable,
)
from xltransfer.rtns.changes import Changes

Tensors = tuple[Tensor | None, ...]


@dataclass(frozen=True)
class InnerStep:
    """One inner step at `theta` (θ_k).

    `graph` holds where the gradients' graphs end, if they can be differentiated: their values are not needed for that.
    """

    problem: BilevelProblem
    theta: dict[str, Tensor]
    changes: Changes
    loss: Tensor
    gradients: Gradients
    graph: tuple[GradientEdge | None, ...]
    by_changes: Tensors
    """∇ L_s by `changes.made`, which costs nothing beside ∇_θ."""
    first: bool

    def by(self) -> list[Tensor]:
        """What ⟨g_k, v⟩ is differentiated by: φ, and θ_k unless this is the first step."""
        return [*trainable(self.problem.rtn).values(), *(() if self.first else self.theta.values())]


class Unrolled(Backend):
    """One or more inner steps, gone back over one by one."""

    differentiable_gradient: bool
    """Whether `product` needs the graph of the inner gradient."""
    inner_steps: int = 1
    _buffer: dict[str, Tensor] | None = None

    @abstractmethod
    def product(self, step: InnerStep, vector: Gradients) -> Tensors:
        """The derivatives of ⟨g_k, vector⟩ by the tensors of `step.by()`; None where there is no dependence."""

    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        """See `Backend.step`."""
        theta: dict[str, Tensor] = dict(trainable(problem.learner))
        steps: list[InnerStep] = []
        for index in range(self.inner_steps):
            steps.append(self._inner_step(problem, theta, first=index == 0))
            move = self.moved if self.inner_steps == 1 else moved
            theta = {k: v.requires_grad_() for k, v in move(theta, steps[-1].gradients, -inner_lr).items()}

        meta_loss, query_grads = query_gradient(problem, theta)
        vector = dict(query_grads)
        phi = trainable(problem.rtn)
        meta_grads = {name: torch.zeros_like(parameter) for name, parameter in phi.items()}
        for step in reversed(steps):
            products = self.product(step, vector)
            for name, product in zip(phi, products[: len(phi)], strict=True):
                if product is not None:
                    meta_grads[name] -= inner_lr * product
            for name, product in zip(vector, products[len(phi) :], strict=False):
                if product is not None:
                    vector[name] = vector[name] - inner_lr * product
        return MetaStep(steps[0].loss, meta_loss, steps[0].gradients, meta_grads, query_grads)

    def moved(self, theta: dict[str, Tensor], direction: Gradients, length: float) -> dict[str, Tensor]:
        """θ + length · direction, in memory of this backend's that the next call overwrites."""
        buffer = self._buffer or {}
        fits = buffer.keys() == theta.keys() and all(
            (kept.shape, kept.dtype, kept.device) == (value.shape, value.dtype, value.device)
            for kept, value in zip(buffer.values(), theta.values(), strict=True)
        )
        self._buffer = moved(theta, direction, length, out=buffer if fits else None)
        return {name: value.detach() for name, value in self._buffer.items()}

    def _inner_step(self, problem: BilevelProblem, theta: dict[str, Tensor], first: bool) -> InnerStep:
        changes = Changes(problem.rtn, unrolled=self.inner_steps > 1)
        learner, values = problem.learner if first else at(problem.learner, theta), list(theta.values())
        graph = self.differentiable_gradient
        source = problem.inner_loss(learner, changes)
        made = [change for change in changes.made if change.requires_grad]
        found = torch.autograd.grad(
            source, [*values, *made], create_graph=graph, retain_graph=graph or changes.cuts, allow_unused=True
        )
        source_grads, by_made = found[: len(values)], iter(found[len(values) :])
        by_changes = tuple(next(by_made) if change.requires_grad else None for change in changes.made)
        support = problem.support_loss(learner)
        support_grads = torch.autograd.grad(support, values, create_graph=graph and not first, allow_unused=True)
        one, other = named_gradients(theta, support_grads), named_gradients(theta, source_grads)
        gradients = add_gradients(one, other) if graph and not first else add_into(one, other)
        kept = (source_grads if first else (*source_grads, *support_grads)) if graph else ()
        ends = tuple(get_gradient_edge(g) if g is not None and g.requires_grad else None for g in kept)
        return InnerStep(problem, theta, changes, (source + support).detach(), gradients, ends, by_changes, first)


def at(learner: nn.Module, theta: dict[str, Tensor]) -> Callable[..., Tensor]:
    """The learner with other parameters."""
    return lambda *args: functional_call(learner, theta, args)


@torch.no_grad()
def moved(
    theta: dict[str, Tensor], direction: Gradients, length: float, out: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """θ + length · direction, in `out` if that is given."""
    out = {name: torch.empty_like(value) for name, value in theta.items()} if out is None else out
    if theta and next(iter(theta.values())).is_cuda:  # some kernels for all parameters, not some for each
        torch._foreach_copy_(list(out.values()), list(theta.values()))
        torch._foreach_add_(list(out.values()), [direction[name] for name in out], alpha=length)
        return out
    for name, value in theta.items():
        torch.add(value, direction[name], alpha=length, out=out[name])
    return out


def descend(theta: dict[str, Tensor], gradients: Gradients, lr: float) -> dict[str, Tensor]:
    """θ − lr · gradients, as leaves."""
    return {name: value.requires_grad_() for name, value in moved(theta, gradients, -lr).items()}


def query_gradient(problem: BilevelProblem, theta: dict[str, Tensor]) -> tuple[Tensor, Gradients]:
    """L_query at `theta`, and its gradient."""
    loss = problem.meta_loss(at(problem.learner, theta))
    found = torch.autograd.grad(loss, list(theta.values()), allow_unused=True)
    return loss.detach(), named_gradients(theta, found)
