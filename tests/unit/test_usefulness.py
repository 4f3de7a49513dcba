"""What a step says its source batch was worth, against plain backward passes in float64."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.resuming import tiny
from tests.unit.test_methods import batches as whole_batches
from tests.unit.test_methods import trainee
from xltransfer.backends.func import Func
from xltransfer.data.batching import IGNORED, Batch, split_batch
from xltransfer.methods.base import Method, Trainee
from xltransfer.methods.joint import Joint
from xltransfer.methods.metaxl import MetaXL
from xltransfer.registry import BACKENDS, METHODS
from xltransfer.rtns.mlp import MLP
from xltransfer.testing.models import HIDDEN
from xltransfer.training.preparation import prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.state import TrainingState


def batches() -> tuple[Batch, Batch]:
    """Source and target, without labels at padding: cut into pieces, they would lose those."""
    source, target = (
        replace(batch, labels=batch.labels.where(batch.inputs["attention_mask"] > 0, IGNORED))
        for batch in whole_batches()
    )
    return source, target


def measured(**changes: Any) -> Trainee:
    torch.manual_seed(0)
    return replace(trainee(MLP(HIDDEN, init="released")), usefulness=True, **changes)


def gradient(module: nn.Module, loss: Tensor) -> Tensor:
    module.zero_grad()
    torch.autograd.backward(loss)
    return nn.utils.parameters_to_vector(
        [torch.zeros_like(p) if p.grad is None else p.grad for p in module.parameters()]
    )


def expected(state: Trainee, whole: bool = True) -> float:
    """The cosine of ∇ [L_s + share · L_support] at θ and ∇ L_query at θ − η of it.

    The share is that of the labels, where θ learns from the whole target batch; else 1.
    """
    learner = copy.deepcopy(state.learner)
    source, target = batches()
    support, query = split_batch(target, len(target) // 2)
    labels = [int((part.labels != IGNORED).sum()) for part in (support, target)]
    share = labels[0] / labels[1] if whole else 1.0
    inner = gradient(
        learner,
        state.task.loss(learner(source.inputs, state.rtn), source.labels)
        + share * state.task.loss(learner(support.inputs), support.labels),
    )
    theta = nn.utils.parameters_to_vector(learner.parameters()).detach()
    nn.utils.vector_to_parameters(theta - state.theta.lr * inner, learner.parameters())
    outer = gradient(learner, state.task.loss(learner(query.inputs), query.labels))
    return torch.cosine_similarity(inner, outer, dim=0).item()


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("theta_batch", ["lookahead", "whole", "support"])
@pytest.mark.parametrize("order", ["published", "released"])
def test_it_is_the_cosine_of_the_inner_gradient_and_the_query_gradient_after_the_step(
    order: Any, theta_batch: Any, accumulate: int
) -> None:
    state = measured(accumulate=accumulate)
    wanted = expected(state, theta_batch != "support")
    assert 0.01 < abs(wanted) < 0.99
    figures = MetaXL(order=order, theta_batch=theta_batch).step(state, *batches(), 0)
    assert figures["usefulness"] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("backend", BACKENDS.names())
def test_every_backend_has_it_at_hand(backend: str) -> None:
    state = measured(backend=BACKENDS.load(backend)())
    assert MetaXL().step(state, *batches(), 0)["usefulness"] == pytest.approx(expected(measured()), rel=1e-9)


def test_it_is_left_out_where_it_is_not_asked_for_or_not_there() -> None:
    class Forgetful(Func):
        def step(self, problem: Any, inner_lr: float) -> Any:
            return replace(super().step(problem, inner_lr), query_grads=None)

    for state in (replace(measured(), usefulness=False), measured(backend=Forgetful())):
        assert "usefulness" not in MetaXL().step(state, *batches(), 0)
    assert "usefulness" not in Joint().step(measured(), *batches(), 0)


def test_a_gradient_of_zero_is_worth_nothing() -> None:
    class Still(Func):
        def step(self, problem: Any, inner_lr: float) -> Any:
            step = super().step(problem, inner_lr)
            return replace(step, query_grads={name: torch.zeros_like(g) for name, g in step.inner_grads.items()})

    assert MetaXL().step(measured(backend=Still()), *batches(), 0)["usefulness"] == 0


def test_measuring_changes_nothing() -> None:
    states = [replace(measured(), usefulness=usefulness) for usefulness in (False, True)]
    for state in states:
        MetaXL().step(state, *batches(), 0)
    for one, other in zip(*(state.learner.parameters() for state in states), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", METHODS.names())
def test_methods_tell_it_if_they_say_so(name: str) -> None:
    method: Method = METHODS.load(name)()
    assert method.tells_usefulness == ("usefulness" in method.step(measured(), *batches(), 0))


@pytest.mark.parametrize("changes, asked", [
    ({"method": "metaxl"}, False),
    ({"method": "metaxl", "source": ["base", "near"]}, True),
    ({"method": "metaxl", "mixing": "bandit"}, True),
])  # fmt: skip
def test_a_run_asks_for_it_where_there_are_several_sources_or_a_bandit(changes: dict[str, Any], asked: bool) -> None:
    made = prepare(tiny(Path("unused"), **changes), Reporter())
    assert TrainingState(made).trainee.usefulness == asked
