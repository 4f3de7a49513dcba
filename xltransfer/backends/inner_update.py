"""The direction u(g) of an inner step, and its transposed derivative.

θ' = θ − η u(g) with g = ∇_θ [L_s + L_support]. In MetaXL u(g) = g, a step of SGD; but θ is trained by Adam, whose step
is larger by orders of magnitude and points elsewhere, so that the query loss is seen practically at θ itself. With

    meta-gradient = −η ∂/∂φ ⟨g, (∂u/∂g)ᵀ v⟩,        v = ∇ L_query(θ'),

any u costs no more than SGD's, but for work on single entries (Choe et al. 2023, SAMA, arXiv 2310.05674, section 3.2:
"algorithmic adaptation").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


class InnerUpdate(ABC):
    """u(g). Tensors are by parameter name, in the shapes of θ; arguments are not modified."""

    stateful: ClassVar[bool]
    """Whether u depends on optimiser state, which would have to advance before a second inner step."""

    @abstractmethod
    def direction(self, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        """u(g), to be read only: it may be `gradients` itself."""

    @abstractmethod
    def pulled_back(self, gradients: Mapping[str, Tensor], vector: dict[str, Tensor]) -> dict[str, Tensor]:
        """(∂u/∂g)ᵀ v at g, for the parameters that `vector` names; to be read only: it may be `vector` itself."""


class SGD(InnerUpdate):
    """u(g) = g (Xia et al. 2021, equation 2)."""

    stateful = False

    def direction(self, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        return gradients

    def pulled_back(self, gradients: Mapping[str, Tensor], vector: dict[str, Tensor]) -> dict[str, Tensor]:
        return vector


@dataclass(frozen=True)
class Moments:
    """Adam's state of one parameter."""

    mean: Tensor
    """m (`exp_avg`), in the parameter's shape, or a scalar zero before the first step."""
    square: Tensor
    """v (`exp_avg_sq`), likewise."""
    steps: int
    """Those that are done."""
    parameter: Tensor
    """θ, for L2."""


class Adam(InnerUpdate):
    """The step that Adam takes next (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1): u(g) = m̂ / (√v̂ + ε) with

        m̂ = (β1 m + (1 − β1) g) / (1 − β1^(t+1)),        v̂ = (β2 v + (1 − β2) g²) / (1 − β2^(t+1)).

    L2 adds a constant to g, λθ. AdamW's decay of θ depends neither on g nor on φ and is left out of θ'; clipping is
    not modelled: a gradient beyond the limit is taken as it is.

    The first step is nearly the gradient's sign: there ∂u/∂g is ε / (|g| + ε)², and the entries with least gradient,
    rounding errors included, weigh most.

    The moments are the optimiser's own tensors, so that an instance holds until its next step.
    """

    stateful = True

    def __init__(
        self, moments: Mapping[str, Moments], betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        l2: float = 0.0,
    ) -> None:  # fmt: skip
        self.moments = moments
        self.betas = betas
        self.eps = eps
        self.l2 = l2

    @classmethod
    def of(cls, optimizer: torch.optim.Adam, parameters: Mapping[str, Tensor]) -> Adam:
        """Create it from the current state of an Adam or AdamW optimiser with one group.

        Raises ValueError for a variant of Adam that is another function of g.
        """
        groups = optimizer.param_groups
        if len(groups) != 1 or groups[0]["amsgrad"] or groups[0]["maximize"]:
            raise ValueError("inner update: received an optimiser of several groups, or with amsgrad or maximize; "
                             "allowed: torch.optim.Adam or AdamW of one group, without them.")  # fmt: skip
        moments = {name: _moments(optimizer, parameter) for name, parameter in parameters.items()}
        decoupled = isinstance(optimizer, torch.optim.AdamW)
        return cls(moments, groups[0]["betas"], groups[0]["eps"], 0.0 if decoupled else groups[0]["weight_decay"])

    @torch.no_grad()
    def direction(self, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: self._direction(self.moments[name], gradient) for name, gradient in gradients.items()}

    @torch.no_grad()
    def pulled_back(self, gradients: Mapping[str, Tensor], vector: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value * self._slope(self.moments[name], gradients[name]) for name, value in vector.items()}

    def _direction(self, moments: Moments, gradient: Tensor) -> Tensor:
        share, _ = self._shares(moments)
        decayed = self.betas[0] / (1 - self.betas[0] ** (moments.steps + 1))
        gradient = self._seen(moments, gradient)
        return (decayed * moments.mean + share * gradient) / (self._root(moments, gradient) + self.eps)

    def _slope(self, moments: Moments, gradient: Tensor) -> Tensor:
        """∂u/∂g, an entry each, written so that no large terms cancel: where m = v = 0 it is aε / (√v̂ + ε)².

        With a and c the shares of g in m̂ and of g² in v̂, and m̃ and ṽ what they have from earlier steps,
        ∂u/∂g = (aε + (a ṽ − c m̃ g) / √v̂) / (√v̂ + ε)².
        """
        of_mean, of_square = self._shares(moments)
        ratio_mean, ratio_square = (beta / (1 - beta) for beta in self.betas)  # m̃ = a · ratio · m, ṽ = c · ratio · v
        gradient = self._seen(moments, gradient)
        root = self._root(moments, gradient)
        history = (of_mean * of_square) * (ratio_square * moments.square - ratio_mean * moments.mean * gradient)
        # √v̂ is 0 where there was never a gradient, and m is 0 with it
        return (of_mean * self.eps + torch.where(root > 0, history / root, 0)) / (root + self.eps).square()

    def _shares(self, moments: Moments) -> tuple[float, float]:
        """Coefficients of g in m̂ and of g² in v̂."""
        first, second = ((1 - beta) / (1 - beta ** (moments.steps + 1)) for beta in self.betas)
        return first, second

    def _seen(self, moments: Moments, gradient: Tensor) -> Tensor:
        """The gradient including the L2 term."""
        return gradient.add(moments.parameter, alpha=self.l2) if self.l2 else gradient

    def _root(self, moments: Moments, gradient: Tensor) -> Tensor:
        """√v̂."""
        _, share = self._shares(moments)
        decayed = self.betas[1] / (1 - self.betas[1] ** (moments.steps + 1))
        return (decayed * moments.square + share * gradient.square()).sqrt()


def _moments(optimizer: torch.optim.Adam, parameter: Tensor) -> Moments:
    kept, theta = optimizer.state.get(parameter), parameter.detach()
    if not kept:
        return Moments(theta.new_zeros(()), theta.new_zeros(()), 0, theta)
    return Moments(kept["exp_avg"], kept["exp_avg_sq"], int(kept["step"]), theta)
