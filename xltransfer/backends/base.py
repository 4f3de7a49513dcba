"""The contract of a meta-gradient backend: one bilevel problem in, inner gradients and meta-gradients out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

Gradients = dict[str, Tensor]


@dataclass(frozen=True)
class Capabilities:
    """What a backend asks of the encoder, and what it promises."""

    exact: bool
    double_backward: bool
    """Differentiates a gradient of the source loss; fused attention has no rule for that."""

    @property
    def attention(self) -> str:
        """The attention implementation it can work with, in the names of transformers."""
        return "eager" if self.double_backward else "sdpa"


@dataclass(frozen=True)
class BilevelProblem:
    """min_φ L_query(θ'(φ)) with θ' = θ − η ∇_θ [L_s(θ, φ) + L_support(θ)] (Xia et al. 2021, equations 2 and 3).

    The three losses are scalars. A backend may hand them patched or functional copies of `learner` and `rtn`, and
    may evaluate each as often as it likes: every evaluation sees the same dropout masks, fixed by `seed`.
    """

    learner: nn.Module
    rtn: nn.Module
    inner: Callable[[Callable[..., Tensor], Callable[..., Tensor]], Tensor]
    support: Callable[[Callable[..., Tensor]], Tensor]
    query: Callable[[Callable[..., Tensor]], Tensor]
    seed: int = 0

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


SEEDS_PER_PROBLEM = 4
"""A problem uses its `seed` and the two after it; callers keep seeds of successive problems this far apart."""


@dataclass(frozen=True)
class MetaStep:
    """What a backend computed. Gradients have the shapes of the parameters they are named after."""

    inner_loss: Tensor
    meta_loss: Tensor
    inner_grads: Gradients
    """∇_θ [L_s + L_support] at the current θ, so that it need not be computed again for θ's own update."""
    meta_grads: Gradients
    """∇_φ L_query(θ'(φ)), the factor η included."""


class Backend(ABC):
    """Computes a meta-gradient. Pure: θ, φ, buffers, `.grad` fields and random states are as before."""

    capabilities: ClassVar[Capabilities]

    @abstractmethod
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        """One inner step of learning rate `inner_lr` (η), and the gradient of the query loss after it."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within: torch's random states are set from `seed`; afterwards they are as before."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that take a gradient, by name."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def named_gradients(parameters: dict[str, nn.Parameter], gradients: tuple[Tensor | None, ...]) -> Gradients:
    """Gradients by name; zeros where a parameter took no part. They carry no graph."""
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient.detach()
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True)
    }
