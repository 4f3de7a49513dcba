"""The contract of a meta-gradient backend: from a bilevel problem to inner gradients and meta-gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn

from xltransfer.backends.inner_update import SGD, InnerUpdate
from xltransfer.errors import BackendError
from xltransfer.registry import Bounds
from xltransfer.utils.parameters import Gradients, named_gradients, trainable
from xltransfer.utils.seeding import seeded

__all__ = [
    "Backend",
    "BilevelProblem",
    "Capabilities",
    "Gradients",
    "InnerSteps",
    "MetaStep",
    "named_gradients",
    "trainable",
]

InnerSteps = Annotated[int, "steps of θ that the meta-gradient looks ahead; the paper takes 1", Bounds(1, 1000)]


@dataclass(frozen=True)
class Capabilities:
    """What a backend requires of the encoder and supports."""

    approximation: str = ""
    """What is left out or only approximated; empty for an exact meta-gradient."""
    second_order: bool = True
    """Differentiates a gradient of the source loss, in reverse or forward mode: fused attention has no rule for it."""
    precisions: tuple[str, ...] = ("fp32", "bf16")
    """Of the matrix products it can work with."""
    recomputation: bool = False
    """Works with activations that are computed again in the backward pass: it runs the learner itself or
    `functional_call` on it, never a patched copy, whose parameters would be missed then."""
    compilation: bool = False
    """Works with compiled encoder layers: as above, and passes that `plain_passes` does not cover are never
    differentiated twice."""
    pieces: bool = False
    """Has `step_in_pieces`: works with gradient accumulation and in several processes."""
    inner_updates: bool = False
    """Follows the problem's `inner_update`, whatever it is; without this it takes steps of SGD alone."""

    @property
    def exact(self) -> bool:
        """Whether it agrees with brute-force differences of the meta loss to rounding error."""
        return not self.approximation

    @property
    def attention(self) -> tuple[str, ...]:
        """The attention implementations it can work with, in the names of transformers, the preferred one first."""
        return ("eager",) if self.second_order else ("sdpa", "eager")


@dataclass(frozen=True)
class BilevelProblem:
    """min_φ L_query(θ'(φ)) with θ' = θ − η u(∇_θ [L_s(θ, φ) + L_support(θ)]) (Xia et al. 2021, equations 2 and 3).

    The three losses are scalars. A backend may hand them patched or functional copies of `learner` and `rtn`, and
    may evaluate each as often as it likes: every evaluation sees the same dropout masks, fixed by `seed`.
    u is `inner_update`; that of SGD, the identity, unless another is given.
    """

    learner: nn.Module
    rtn: nn.Module
    inner: Callable[[Callable[..., Tensor], Callable[..., Tensor]], Tensor]
    support: Callable[[Callable[..., Tensor]], Tensor]
    query: Callable[[Callable[..., Tensor]], Tensor]
    seed: int = 0
    inner_update: InnerUpdate = SGD()

    def inner_loss(self, learner: Callable[..., Tensor], rtn: Callable[..., Tensor]) -> Tensor:
        """L_s(θ, φ): the source loss, through the RTN."""
        with seeded(self.seed):
            return self.inner(learner, rtn)

    def support_loss(self, learner: Callable[..., Tensor]) -> Tensor:
        """L_t,support(θ): the target loss of the inner step, without the RTN."""
        with seeded(self.seed + 1):
            return self.support(learner)

    def meta_loss(self, learner: Callable[..., Tensor]) -> Tensor:
        """L_t,query(θ): the target loss of the outer level, without the RTN."""
        with seeded(self.seed + 2):
            return self.query(learner)


Total = Callable[[Gradients], Gradients]
"""The sum over processes of tensors that every process has under the same names; the same result in each."""


def alone(tensors: Gradients) -> Gradients:
    """The sum over processes in a single process: the tensors themselves."""
    return tensors


SEEDS_PER_PROBLEM = 4
"""A problem uses its `seed` and the two after it; callers keep seeds of successive problems this far apart."""


@dataclass(frozen=True)
class MetaStep:
    """The result of a step. Gradients have the names and shapes of their parameters."""

    inner_loss: Tensor
    meta_loss: Tensor
    inner_grads: Gradients
    """∇_θ [L_s + L_support] at the current θ, so that it need not be computed again for θ's own update.
    The caller may change them in place."""
    meta_grads: Gradients
    """∇_φ L_query(θ'(φ)), the factor η included."""
    query_grads: Gradients | None = None
    """∇ L_query at θ', in the shapes of θ, from a backend that has it at hand."""


class Backend(ABC):
    """Base class of backends. A step leaves θ, φ, buffers, `.grad` fields and random states unchanged.

    Options are keyword parameters of the constructor. With several insertion layers or inner steps, an exact one
    hands the source loss `Changes(problem.rtn)` instead of the RTN (see there).
    """

    capabilities: ClassVar[Capabilities] = Capabilities()

    @abstractmethod
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        """Compute one step with inner learning rate `inner_lr` (η): inner gradients and meta-gradients."""

    def step_in_pieces(self, problems: Sequence[BilevelProblem], inner_lr: float, total: Total) -> MetaStep:
        """Compute the step of a batch in pieces: losses are summed over `problems`, and over processes by `total`.

        The meta-gradient is not linear in θ's gradients, so both the inner gradient and v = ∇ L_query(θ') must be
        totals before they are used. For backends with the capability `pieces`; every process gets the same result.
        """
        raise BackendError(f"backend {type(self).__name__} takes a batch whole; --accumulate and several processes "
                           "need one with the capability 'pieces'.")  # fmt: skip


def checked(step: MetaStep, problem: BilevelProblem, backend: Backend) -> MetaStep:
    """Return `step` if it has a gradient for every trainable parameter and no other. Raises BackendError."""
    name = type(backend).__name__
    if not isinstance(step, MetaStep):
        raise BackendError(f"backend {name}: step returned {type(step).__name__}; a MetaStep is needed.")
    for field, module in (("inner_grads", problem.learner), ("meta_grads", problem.rtn)):
        wrong = getattr(step, field).keys() ^ trainable(module).keys()
        if wrong:
            raise BackendError(
                f"backend {name}: {field} must name every trainable parameter and no other; wrong: "
                f"{', '.join(sorted(wrong)[:3])}. xltransfer.testing.check_backend says more."
            )
    return step


def one_or_more(inner_steps: int) -> int:
    """Return `inner_steps` if it is at least 1. Raises ValueError."""
    if inner_steps < 1:
        raise ValueError(f"inner_steps: received {inner_steps}; allowed: 1 or more.")
    return inner_steps


def require_inner_update(backend: Backend, update: InnerUpdate) -> None:
    """Raise BackendError if `backend` does not support inner steps by `update`."""
    fault = f"backend {type(backend).__name__}: received an inner update by {type(update).__name__}"
    if not isinstance(update, SGD) and not backend.capabilities.inner_updates:
        raise BackendError(f"{fault}; it takes SGD's alone; others need a backend with the capability 'inner_updates'.")
    if update.stateful and (steps := getattr(backend, "inner_steps", 1)) > 1:
        raise BackendError(f"{fault} and inner_steps={steps}; allowed with it: 1, since the optimiser's state would "
                           "have to move on with each step.")  # fmt: skip
