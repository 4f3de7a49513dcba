"""Backpropagation through the inner steps, shared by `func` and `fd`.

θ_{k+1} = θ_k − η u(g_k) with g_k = ∇_θ [L_s(θ_k, φ) + L_support(θ_k)]. With v_K = ∇ L_query(θ_K), the chain rule gives,
from the last step to the first (Maclaurin et al. 2015, arXiv 1502.03492; Franceschi et al. 2017, arXiv 1703.01785),

    meta-gradient += −η ∂/∂φ ⟨g_k, w⟩,        v_k = v_{k+1} − η ∂/∂θ_k ⟨g_k, w⟩,        w = (∂u/∂g_k)ᵀ v_{k+1}.

u is the problem's `inner_update`; for SGD w is v itself. With one step, as in MetaXL, only the first of these is
needed, and only L_s in it. A backend says how it takes the two derivatives.

The losses may be sums over pieces of a batch and over processes. Neither θ' nor ⟨g, w⟩ is linear in them, so g and v
are added up before they are used; ∂/∂φ ⟨g, w⟩ is then a sum again. With one piece the graph of g is kept for that;
with several, each is evaluated once more, so that one piece's graph is in memory at a time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.func import functional_call

from xltransfer.backends.base import Backend, BilevelProblem, MetaStep, Total, alone, require_inner_update
from xltransfer.rtns.changes import Changes
from xltransfer.utils.parameters import Gradients, add_gradients, add_into, named_gradients, trainable

Tensors = tuple[Tensor | None, ...]
_LOSS = ""
"""No parameter's name."""


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
        """Tensors to differentiate ⟨g_k, v⟩ by: φ, and θ_k except in the first step."""
        return [*trainable(self.problem.rtn).values(), *(() if self.first else self.theta.values())]


@dataclass(frozen=True)
class Point:
    """One inner step at `theta` of the whole batch: loss and gradient g_k, summed over pieces and processes."""

    theta: dict[str, Tensor]
    loss: Tensor
    gradients: Gradients
    first: bool
    kept: InnerStep | None
    """The step of the only piece."""


class Unrolled(Backend):
    """Base class: take the inner steps, then backpropagate through them one by one."""

    differentiable_gradient: bool
    """Whether `product` needs the graph of the inner gradient."""
    inner_steps: int = 1
    _buffer: dict[str, Tensor] | None = None

    @abstractmethod
    def product(self, step: InnerStep, vector: Gradients) -> Tensors:
        """Differentiate ⟨g_k, vector⟩ by the tensors of `step.by()`; None where there is no dependence."""

    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        return self.step_in_pieces([problem], inner_lr, alone)

    def step_in_pieces(self, problems: Sequence[BilevelProblem], inner_lr: float, total: Total) -> MetaStep:
        """See `Backend.step_in_pieces`. Raises BackendError for several steps of an optimiser with a state."""
        update = problems[0].inner_update
        require_inner_update(self, update)
        theta: dict[str, Tensor] = dict(trainable(problems[0].learner))
        points: list[Point] = []
        for index in range(self.inner_steps):
            points.append(self._point(problems, theta, index == 0, total))
            move = self.moved if self.inner_steps == 1 else moved
            direction = update.direction(points[-1].gradients)
            theta = {k: v.requires_grad_() for k, v in move(theta, direction, -inner_lr).items()}
            del direction  # Adam's is as large as θ

        meta_loss, query_grads = _summed((query_gradient(problem, theta) for problem in problems), total)
        vector = dict(query_grads)
        meta_grads = {name: torch.zeros_like(parameter) for name, parameter in trainable(problems[0].rtn).items()}
        for point in reversed(points):
            along = update.pulled_back(point.gradients, vector)
            for name, slope in self._products(problems, point, along, meta_grads, inner_lr, total).items():
                vector[name] = vector[name] - inner_lr * slope
        return MetaStep(points[0].loss, meta_loss, points[0].gradients, total(meta_grads), query_grads)

    def _point(self, problems: Sequence[BilevelProblem], theta: dict[str, Tensor], first: bool, total: Total) -> Point:
        if len(problems) == 1:
            kept = self._inner_step(problems[0], theta, first, self.differentiable_gradient)
            return Point(theta, *_summed([(kept.loss, kept.gradients)], total), first, kept)
        steps = (self._inner_step(problem, theta, first, graph=False) for problem in problems)
        return Point(theta, *_summed(((step.loss, step.gradients) for step in steps), total), first, None)

    def _products(
        self, problems: Sequence[BilevelProblem], point: Point, vector: Gradients, meta_grads: Gradients,
        inner_lr: float, total: Total,
    ) -> Gradients:  # fmt: skip
        """Add −η ∂/∂φ ⟨g_k, vector⟩ of this process's pieces to `meta_grads`; returns ∂/∂θ_k of all pieces."""
        by_theta: Gradients = {}
        for problem in problems:
            step = point.kept or self._inner_step(problem, point.theta, point.first, self.differentiable_gradient)
            products = self.product(step, vector)
            for name, product in zip(meta_grads, products[: len(meta_grads)], strict=True):
                if product is not None:
                    meta_grads[name] -= inner_lr * product
            for name, product in zip(vector, products[len(meta_grads) :], strict=False):
                if product is not None:
                    by_theta[name] = by_theta[name] + product if name in by_theta else product
        if point.first:
            return {}
        return total({name: by_theta.get(name, torch.zeros_like(value)) for name, value in vector.items()})

    def moved(self, theta: dict[str, Tensor], direction: Gradients, length: float) -> dict[str, Tensor]:
        """Compute θ + length · direction in a buffer that the next call overwrites."""
        buffer = self._buffer or {}
        fits = buffer.keys() == theta.keys() and all(
            (kept.shape, kept.dtype, kept.device) == (value.shape, value.dtype, value.device)
            for kept, value in zip(buffer.values(), theta.values(), strict=True)
        )
        self._buffer = moved(theta, direction, length, out=buffer if fits else None)
        return {name: value.detach() for name, value in self._buffer.items()}

    def _inner_step(self, problem: BilevelProblem, theta: dict[str, Tensor], first: bool, graph: bool) -> InnerStep:
        """`graph`: the gradients are to be differentiated."""
        changes = Changes(problem.rtn, unrolled=self.inner_steps > 1)
        learner, values = problem.learner if first else at(problem.learner, theta), list(theta.values())
        source = problem.inner_loss(learner, changes)
        made = [change for change in changes.made if change.requires_grad]
        found = gradient(source, [*values, *made], create_graph=graph, retain_graph=graph or changes.cuts)
        source_grads, by_made = found[: len(values)], iter(found[len(values) :])
        source = source.detach()  # its graph may go now, unless it is differentiated or leads on below some RTN
        by_changes = tuple(next(by_made) if change.requires_grad else None for change in changes.made)
        support = problem.support_loss(learner)
        support_grads = gradient(support, values, create_graph=graph and not first)
        one, other = named_gradients(theta, support_grads), named_gradients(theta, source_grads)
        gradients = add_gradients(one, other) if graph and not first else add_into(one, other)
        kept = (source_grads if first else (*source_grads, *support_grads)) if graph else ()
        ends = tuple(get_gradient_edge(g) if g is not None and g.requires_grad else None for g in kept)
        return InnerStep(problem, theta, changes, (source + support).detach(), gradients, ends, by_changes, first)


def gradient(
    loss: Tensor, by: Sequence[Tensor], create_graph: bool = False, retain_graph: bool | None = None
) -> Tensors:
    """Gradient of a loss; None where it does not depend on a tensor."""
    if not by or not loss.requires_grad:
        return (None,) * len(by)
    return torch.autograd.grad(loss, by, create_graph=create_graph, retain_graph=retain_graph, allow_unused=True)


def _summed(pairs: Iterable[tuple[Tensor, Gradients]], total: Total) -> tuple[Tensor, Gradients]:
    """Sum a loss and its gradient over pieces (in place) and processes."""
    loss, gradients = next(pairs := iter(pairs))
    for other, more in pairs:
        loss, gradients = loss + other, add_into(gradients, more)
    whole = total({_LOSS: loss, **gradients})
    return whole.pop(_LOSS), whole


def at(learner: nn.Module, theta: dict[str, Tensor]) -> Callable[..., Tensor]:
    """Call the learner with other parameters."""
    return lambda *args: functional_call(learner, theta, args)


@torch.no_grad()
def moved(
    theta: dict[str, Tensor], direction: Gradients, length: float, out: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Compute θ + length · direction, in `out` if given."""
    out = {name: torch.empty_like(value) for name, value in theta.items()} if out is None else out
    if theta and next(iter(theta.values())).is_cuda:  # some kernels for all parameters, not some for each
        torch._foreach_copy_(list(out.values()), list(theta.values()))
        torch._foreach_add_(list(out.values()), [direction[name] for name in out], alpha=length)
        return out
    for name, value in theta.items():
        torch.add(value, direction[name], alpha=length, out=out[name])
    return out


def descend(theta: dict[str, Tensor], gradients: Gradients, lr: float) -> dict[str, Tensor]:
    """Compute θ − lr · gradients, as leaves."""
    return {name: value.requires_grad_() for name, value in moved(theta, gradients, -lr).items()}


def query_gradient(problem: BilevelProblem, theta: dict[str, Tensor]) -> tuple[Tensor, Gradients]:
    """Compute L_query at `theta` and its gradient."""
    loss = problem.meta_loss(at(problem.learner, theta))
    return loss.detach(), named_gradients(theta, gradient(loss, list(theta.values())))
