"""EvoGrad: a meta-gradient from an evolutionary inner step (Bohdal, Yang and Hospedales 2021, arXiv 2106.10575).

Candidates θ_k = θ + σ ε_k, with inner losses l_k(φ) and weights w = softmax(−l / τ), are merged to θ* = Σ w_k θ_k
(section 3). The meta-gradient is that of L_query(θ*), which depends on φ through the weights:

    ∂L_query/∂l_k = −(w_k / τ) (s_k − Σ_j w_j s_j)   with   s_k = ⟨∇L_query(θ*), σ ε_k⟩.

For small σ the mean of θ* is θ − η' ∇l with η' = (σ² / τ) (K − 1) / K, so that the whole times η / η' estimates the
meta-gradient of an inner step of learning rate η, with the query gradient taken at θ*.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.func import functional_call

from xltransfer import Backend, BilevelProblem, Capabilities, Changes, MetaStep
from xltransfer.backends.base import Gradients, named_gradients, trainable
from xltransfer.utils.seeding import seeded

PERTURBATION_SEED = 3
"""Offset from the problem's seed; the problem's own losses use 0 to 2."""


class EvoGrad(Backend):
    """First-order passes alone: one backward to φ over K perturbed models."""

    capabilities = Capabilities(
        approximation="the inner step is one of an evolution strategy with a few random candidates", second_order=False
    )

    def __init__(
        self,
        *,
        candidates: Annotated[int, "perturbed models K; more are less noisy and cost more"] = 2,
        sigma: Annotated[float, "standard deviation of the perturbations"] = 0.001,
        temperature: Annotated[float, "τ of the softmax; small ones let the best candidate win"] = 0.05,
        rescale: Annotated[bool, "to an inner step of the inner learning rate; off: as published"] = True,
    ) -> None:
        if candidates < 2:
            raise ValueError(f"candidates: received {candidates}; allowed: 2 or more.")
        if sigma <= 0 or temperature <= 0:
            raise ValueError(f"sigma, temperature: received {sigma}, {temperature}; allowed: numbers above 0.")
        self.candidates = candidates
        self.sigma = sigma
        self.temperature = temperature
        self.rescale = rescale

    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        """See `Backend.step`. `meta_loss` is L_query(θ*)."""
        theta, phi = trainable(problem.learner), trainable(problem.rtn)
        inner = problem.inner_loss(problem.learner, problem.rtn) + problem.support_loss(problem.learner)
        inner_grads = torch.autograd.grad(inner, list(theta.values()), allow_unused=True)

        offsets = self._offsets(theta, problem.seed)
        changes = Changes(problem.rtn)
        losses = torch.stack([_loss_at(problem, _moved(theta, offset), changes) for offset in offsets])
        weights = torch.softmax(-losses.detach() / self.temperature, 0)

        merged = {name: torch.stack([w * offset[name] for w, offset in zip(weights, offsets, strict=True)]).sum(0)
                  for name in theta}  # fmt: skip
        star = {name: value.requires_grad_() for name, value in _moved(theta, merged).items()}
        meta_loss = problem.meta_loss(lambda *args: functional_call(problem.learner, star, args))
        v = named_gradients(star, torch.autograd.grad(meta_loss, list(star.values()), allow_unused=True))

        scores = torch.stack([torch.stack([(v[name] * offset[name]).sum() for name in theta]).sum()
                              for offset in offsets])  # fmt: skip
        by_loss = -self._scale(inner_lr) * weights / self.temperature * (scores - (weights * scores).sum())
        grads: tuple[Tensor | None, ...] = ()
        if phi:
            with changes.followed():
                grads = torch.autograd.grad(losses, list(phi.values()), grad_outputs=by_loss, allow_unused=True)
        return MetaStep(
            inner.detach(), meta_loss.detach(), named_gradients(theta, inner_grads), named_gradients(phi, grads)
        )

    def _scale(self, inner_lr: float) -> float:
        """η / η'."""
        mean_step = self.sigma**2 / self.temperature * (self.candidates - 1) / self.candidates
        return inner_lr / mean_step if self.rescale else 1.0

    def _offsets(self, theta: dict[str, torch.nn.Parameter], seed: int) -> list[Gradients]:
        with seeded(seed + PERTURBATION_SEED):
            return [
                {name: self.sigma * torch.randn_like(value) for name, value in theta.items()}
                for _ in range(self.candidates)
            ]


def _moved(theta: dict[str, torch.nn.Parameter], offset: Gradients) -> Gradients:
    return {name: value.detach() + offset[name] for name, value in theta.items()}


def _loss_at(problem: BilevelProblem, theta: Gradients, changes: Changes) -> Tensor:
    def learner(*args: object) -> Tensor:
        logits: Tensor = functional_call(problem.learner, theta, args)
        return logits

    return problem.inner_loss(learner, changes) + problem.support_loss(learner)
