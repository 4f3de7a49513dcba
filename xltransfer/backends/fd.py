"""Approximate the meta-gradient by finite differences of first-order gradients along v.

The mixed derivative is that of DARTS (Liu et al. 2019, arXiv 1806.09055, equation 8).
∂/∂φ ⟨∇_θ L_s(θ, φ), v⟩ is the derivative of ∇_φ L_s at θ in the direction v. The RTN's inputs are those at θ in every
evaluation, as the stop-gradient asks, so the difference is taken of the gradient by the RTN's changes and carried back
to φ once: no graph below the insertion, no RTN in the shifted passes, and kinks of the RTN (ReLU) do no harm.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import nn

from xltransfer.backends.base import BilevelProblem, Capabilities, MetaStep, Total
from xltransfer.backends.func import gradients_at, through_changes
from xltransfer.backends.inner_update import SGD
from xltransfer.backends.unrolled import InnerStep, Tensors, Unrolled
from xltransfer.registry import Bounds
from xltransfer.utils.parameters import Gradients

_KINKED = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.Hardtanh, nn.Hardswish)


class FiniteDifferences(Unrolled):
    """Approximates the mixed derivative with first-order passes only, so fused attention works."""

    capabilities = Capabilities(
        approximation="the mixed derivative, by a difference of gradients",
        second_order=False,
        recomputation=True,
        compilation=True,
        pieces=True,
        inner_updates=True,
    )
    differentiable_gradient = False

    def __init__(
        self,
        *,
        scheme: Annotated[
            Literal["central", "one-sided"], "central: error of second order in the shift; one-sided: of first, cheaper"
        ] = "central",
        epsilon: Annotated[
            float | None,
            "norm of the shift of θ [0.05 (central) or 0.02 (one-sided) cube roots of the rounding error]",
            Bounds(1e-12, 1e6),
        ] = None,
    ) -> None:
        if epsilon is not None and epsilon <= 0:
            raise ValueError(f"epsilon: received {epsilon}; allowed: a number above 0.")
        self.scheme = scheme
        self.epsilon = epsilon
        self._warned = False

    def step_in_pieces(self, problems: Sequence[BilevelProblem], inner_lr: float, total: Total) -> MetaStep:
        """See `Backend.step_in_pieces`. Warns once if the encoder has kinks."""
        if not self._warned and any(isinstance(module, _KINKED) for module in problems[0].learner.modules()):
            self._warned = True
            warnings.warn(
                "backend fd: this encoder has ReLU units; where a shift of θ crosses their kinks, the difference is "
                "off by some per cent. Exact backends (func, higher, learn2learn) are not affected.",
                stacklevel=2,
            )
        return super().step_in_pieces(problems, inner_lr, total)

    def product(self, step: InnerStep, vector: Gradients) -> Tensors:
        vector, norm = _felt(step, vector)
        if norm == 0 or not step.by():
            return (None,) * len(step.by())
        shift = (self.epsilon or self._shift(step)) / norm
        ahead = self._changes_gradient(step, vector, shift)
        behind, width = (
            (self._changes_gradient(step, vector, -shift), 2 * shift)
            if self.scheme == "central"
            else (step.by_changes, shift)
        )
        slopes = [None if a is None or b is None else (a - b) / width for a, b in zip(ahead, behind, strict=True)]
        return through_changes(step, slopes, len(slopes))

    def _shift(self, step: InnerStep) -> float:
        """Choose the shift that balances rounding and truncation (measured at XLM-R base's size, fp32 and bf16).

        Under autocast the changes have the coarser type of the passes.
        """
        tensors = [*step.theta.values(), *step.changes.made]
        rounding = max(torch.finfo(kind).eps for kind in {tensor.dtype for tensor in tensors})
        return float((0.05 if self.scheme == "central" else 0.02) * rounding ** (1 / 3))

    def _changes_gradient(self, step: InnerStep, vector: Gradients, shift: float) -> Tensors:
        """Gradient of L_s by the RTN's changes at θ + shift · v."""
        shifted = self.moved(step.theta, vector, shift)
        return gradients_at(step.problem, shifted, step.changes.held(), with_theta=False)


def _felt(step: InnerStep, vector: Gradients) -> tuple[Gradients, float]:
    """Zero v where the losses do not depend on θ; also returns the norm to scale the shift by.

    Adam's ∂u/∂g is 1/ε where there was never a gradient, and large where gradients are small: entries that the losses
    hardly notice make up v's norm, and a shift shortened by that would be lost in rounding. Σ |g v| / ‖g‖, never more
    than the norm, is v's size as the losses feel it to first order, but says nothing of their curvature. The geometric
    mean of the two was the best on small problems in fp32, as in float64.
    """
    if isinstance(step.problem.inner_update, SGD):
        return vector, float(nn.utils.get_total_norm(vector.values()))
    felt = {name: torch.where(step.gradients[name] == 0, 0, value) for name, value in vector.items()}
    products = sum(float((step.gradients[name] * value).abs().sum()) for name, value in felt.items())
    size = float(nn.utils.get_total_norm(step.gradients.values()))
    norm = float(nn.utils.get_total_norm(felt.values()))
    return felt, (norm * products / size) ** 0.5 if size > 0 else 0.0
