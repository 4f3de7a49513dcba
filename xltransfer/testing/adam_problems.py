"""Bilevel problems whose inner step is Adam's, with torch's own optimiser for reference."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from xltransfer.backends.base import BilevelProblem
from xltransfer.backends.inner_update import Adam
from xltransfer.testing.problems import inner_gradients, slope_of, small_problem
from xltransfer.utils.parameters import Gradients, trainable

ADAM_LR = 1e-3


@dataclass(frozen=True)
class AdamCase:
    """A problem, and the optimiser of its learner whose next step is the inner one."""

    problem: BilevelProblem
    optimizer: torch.optim.Adam

    def stepped(self, problem: BilevelProblem) -> nn.Module:
        """A copy of the learner after the optimiser's real step with the problem's inner gradient."""
        learner = copy.deepcopy(problem.learner)
        optimizer = type(self.optimizer)(trainable(learner).values(), lr=ADAM_LR)
        optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
        take_step(optimizer, learner, inner_gradients(dataclasses.replace(problem, learner=learner)))
        return learner

    def slope(self, direction: Gradients) -> float:
        """d/dt L_query(θ'(φ + t · direction)) by differences, θ' by the optimiser's real steps."""
        return slope_of(lambda problem: problem.meta_loss(self.stepped(problem)).item(), self.problem, direction)


def adam_case(
    kind: type[torch.optim.Adam] = torch.optim.Adam, steps: int = 3, weight_decay: float = 0.0, **options: Any
) -> AdamCase:
    """A `small_problem` (of these options) whose learner the optimiser has trained for some steps."""
    problem = small_problem(**options)
    optimizer = kind(trainable(problem.learner).values(), lr=ADAM_LR, weight_decay=weight_decay)
    for step in range(steps):
        gradients = inner_gradients(dataclasses.replace(problem, seed=1000 + 10 * step))
        take_step(optimizer, problem.learner, gradients)
    update = Adam.of(optimizer, trainable(problem.learner))
    return AdamCase(dataclasses.replace(problem, inner_update=update), optimizer)


def take_step(optimizer: torch.optim.Optimizer, module: nn.Module, gradients: Gradients) -> None:
    """One step of an optimiser of the module's parameters."""
    for name, parameter in trainable(module).items():
        parameter.grad = gradients[name]
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
