"""The contract suite catches the mistakes one makes: each is planted here, and the check that must see it is named."""

from __future__ import annotations

import copy
import dataclasses
import gc
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.contract import test_layouts
from tests.unit import test_methods
from xltransfer.backends.base import Backend, BilevelProblem, MetaStep
from xltransfer.backends.func import Func
from xltransfer.backends.inner_update import SGD
from xltransfer.encoders import insertion
from xltransfer.methods.base import Trainee
from xltransfer.methods.metaxl import MetaXL
from xltransfer.rtns.base import RTN
from xltransfer.rtns.changes import Changes
from xltransfer.rtns.mlp import MLP
from xltransfer.testing import check_backend, check_rtn, small_problem
from xltransfer.testing.problems import small_inputs
from xltransfer.utils.parameters import trainable


class DetachedInnerGradient(Func):
    def product(self, step: Any, vector: Any) -> Any:
        return (None,) * len(step.by())


class NoFactorEta(Backend):
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        step = Func().step(problem, inner_lr)
        return dataclasses.replace(step, meta_grads={n: g / (inner_lr or 1) for n, g in step.meta_grads.items()})


class ThetaLeftModified(Backend):
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        step = Func().step(problem, inner_lr)
        with torch.no_grad():
            for name, parameter in trainable(problem.learner).items():
                parameter.sub_(inner_lr * step.inner_grads[name]).add_(inner_lr * step.inner_grads[name])
        return step


class OtherMasksInTheSecondOrderPart(Backend):
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        right, other = Func().step(problem, inner_lr), Func().step(dataclasses.replace(problem, seed=99), inner_lr)
        return dataclasses.replace(right, meta_grads=other.meta_grads)


class RTNSeesTheTargetPass(Backend):
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        def query(learner: Any) -> Tensor:
            return problem.query(lambda *args: learner(*args, problem.rtn) if args else learner())

        return Func().step(dataclasses.replace(problem, query=query), inner_lr)


class CutBetweenLayers(Func):
    """What `.detach()` at every RTN's input does."""

    def product(self, step: Any, vector: Any) -> Any:
        step.changes.followed = lambda: torch.enable_grad()
        return super().product(step, vector)


class SeedsTheWorld(Backend):
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        torch.manual_seed(problem.seed)
        return Func().step(problem, inner_lr)


class LeavesGradients(Backend):
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        torch.autograd.backward(problem.support_loss(problem.learner))
        return Func().step(problem, inner_lr)


class ForgetsTheSupportLoss(Backend):
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        def nothing(learner: Any) -> Tensor:
            return 0 * problem.support(learner)

        return Func().step(dataclasses.replace(problem, support=nothing), inner_lr)


class IgnoresTheInnerUpdate(Func):
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        return super().step(dataclasses.replace(problem, inner_update=SGD()), inner_lr)


class DoesNotGoBackThroughTheInnerUpdate(Func):
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        update = copy.copy(problem.inner_update)
        update.pulled_back = lambda gradients, vector: vector  # type: ignore[method-assign]
        return super().step(dataclasses.replace(problem, inner_update=update), inner_lr)


class TakesSeveralStepsWithOldMoments(Func):
    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        update = copy.copy(problem.inner_update)
        update.stateful = False  # type: ignore[misc]
        return super().step(dataclasses.replace(problem, inner_update=update), inner_lr)


BACKEND_BUGS = [
    (DetachedInnerGradient, "gradients_fit_their_parameters: the meta-gradient is zero"),
    (NoFactorEta, "toy_in_closed_form: meta-gradient"),
    (ThetaLeftModified, "step_changes_nothing: .* was changed"),
    (OtherMasksInTheSecondOrderPart, "meta_gradient_equals_brute_force"),
    (RTNSeesTheTargetPass, "query_gradient_is_that_after_the_inner_step: query gradient is off"),
    (CutBetweenLayers, r"meta_gradient_equals_brute_force: .*\(1, 2\)"),
    (SeedsTheWorld, "step_changes_nothing: torch's random state"),
    (LeavesGradients, "step_changes_nothing: .*grad was set"),
    (ForgetsTheSupportLoss, "inner_gradient_is_that_of_source_and_support"),
    (IgnoresTheInnerUpdate, "inner_step_is_adams: query gradient after Adam's step is off"),
    (DoesNotGoBackThroughTheInnerUpdate, "adams_meta_gradient_equals_brute_force"),
]


@pytest.mark.parametrize("bug, caught_by", BACKEND_BUGS, ids=lambda value: getattr(value, "__name__", ""))
def test_planted_in_a_backend(bug: type[Backend], caught_by: str) -> None:
    with pytest.raises(AssertionError, match=caught_by):
        check_backend(bug)


def test_planted_several_steps_of_adam() -> None:
    with pytest.raises(AssertionError, match="inner_step_is_adams: several inner steps of Adam are not refused"):
        check_backend(TakesSeveralStepsWithOldMoments, inner_steps=2)


class LooksAtPadding(MLP):
    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        return super().forward(hidden - hidden.mean(1, keepdim=True), mask, layer)


class ChangesInPlace(MLP):
    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        return hidden.add_(super().forward(hidden, mask, layer))


class DrawsFromNumpy(MLP):
    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        noise = float(np.random.default_rng().random()) if self.training else 1.0
        return super().forward(hidden, mask, layer) * noise


class KeepsStateOutside(MLP):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.offset = torch.randn(dim, dtype=torch.float64)

    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        return super().forward(hidden, mask, layer) + self.offset.to(hidden.dtype)


class ReturnsTheStates(MLP):
    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        return super().forward(hidden, mask, layer)[:, :-1]


RTN_BUGS = [
    (LooksAtPadding, "padding_does_not_reach_tokens"),
    (ChangesInPlace, "states_are_left_as_they_were"),
    (DrawsFromNumpy, "same_seed_same_change"),
    (KeepsStateOutside, "state_survives_safetensors"),
    (ReturnsTheStates, "change_has_the_shape"),
]


@pytest.mark.parametrize("bug, caught_by", RTN_BUGS, ids=lambda value: getattr(value, "__name__", ""))
def test_planted_in_an_rtn(bug: type[RTN], caught_by: str) -> None:
    with pytest.raises(AssertionError, match=caught_by):
        check_rtn(bug)


def test_planted_an_insertion_without_stop_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    def transform_with_graph(rtn: Any, mask: Tensor, layer: int) -> Any:
        return lambda hidden: hidden + rtn(hidden, mask, layer)

    monkeypatch.setattr(insertion, "_transform", transform_with_graph)
    with pytest.raises(AssertionError, match="no_gradient_reaches_theta_through_the_input"):
        check_rtn("mlp")


def test_planted_a_swapped_layer_index(monkeypatch: pytest.MonkeyPatch) -> None:
    right = insertion._attach
    monkeypatch.setattr(insertion, "_attach", lambda base, layout, layer, transform: right(base, layout, 3 - layer,
                                                                                          transform))  # fmt: skip
    with pytest.raises(AssertionError):
        test_layouts.test_a_change_at_layer_l_alters_exactly_what_follows("bert", 1)


def test_planted_a_method_that_puts_the_rtn_into_the_target_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Trainee.loss
    monkeypatch.setattr(
        Trainee, "loss", lambda self, learner, batch, rtn=None: right(self, learner, batch, rtn or self.rtn)
    )
    with pytest.raises(AssertionError):
        test_methods.test_the_rtn_never_touches_the_target_pass(MetaXL())


def test_changes_hold_no_reference_to_themselves_through_the_graph() -> None:
    """A cycle through the graph is never collected: each step would leak its activations."""
    problem = small_problem(layers=(1, 2))
    changes = Changes(problem.rtn)
    problem.inner_loss(problem.learner, changes)
    assert changes.cuts
    gone = weakref.ref(changes.made[0])
    gc.disable()
    try:
        del changes
        assert gone() is None
    finally:
        gc.enable()


def test_small_inputs_have_padding() -> None:
    """Without it the checks on masks would assert nothing."""
    assert (small_inputs()["attention_mask"] == 0).any()
