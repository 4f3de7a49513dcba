"""What one training step of each method does."""

from __future__ import annotations

import copy
import dataclasses
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from xltransfer.backends.func import Func
from xltransfer.data.batching import Batch
from xltransfer.encoders.layouts import LAYOUTS, layers_of
from xltransfer.encoders.learner import Learner, layer_factors
from xltransfer.methods.base import Method, Trainee, consistent_loss
from xltransfer.methods.joint import Joint
from xltransfer.methods.joint_rtn import JointRTN
from xltransfer.methods.metaxl import MetaXL
from xltransfer.methods.target_only import TargetOnly
from xltransfer.methods.updater import Updater
from xltransfer.registry import BACKENDS
from xltransfer.rtns.base import RTNInfo
from xltransfer.rtns.identity import Identity
from xltransfer.rtns.mlp import MLP
from xltransfer.rtns.weights import Weights
from xltransfer.tasks.ner import NER
from xltransfer.tasks.sentiment import Sentiment
from xltransfer.testing.models import HIDDEN, LABELS, small_model
from xltransfer.testing.problems import INNER_LR, brute_force_slope, flat, random_direction, small_inputs
from xltransfer.utils.parameters import trainable


class GuardState(Learner):
    """Records which passes had an RTN."""

    passes: list[tuple[torch.Tensor, bool]]

    def forward(self, inputs: Any, rtn: Any = None, only: int | None = None) -> torch.Tensor:
        self.passes.append((inputs["input_ids"], rtn is not None))
        return super().forward(inputs, rtn, only)


def batches() -> tuple[Batch, Batch]:
    torch.manual_seed(2)
    return tuple(Batch(small_inputs(4), torch.randint(0, LABELS, (4, 7)), torch.zeros(4)) for _ in range(2))  # type: ignore[return-value]


def trainee(rtn: Any, dropout: bool = False) -> Trainee:
    torch.manual_seed(1)
    learner = GuardState(small_model("xlm-roberta").double(), (1,)).train(dropout)
    learner.passes = []
    rtn = rtn.double()
    settings: dict[str, Any] = {
        "optimizer": "adamw", "lr": 0.05, "weight_decay": 0.0, "warmup": 0.0, "clip": 0.0, "total_steps": 4,
    }  # fmt: skip
    theta, phi = Updater(learner, **settings), Updater(rtn, **settings)
    return Trainee(learner, rtn, theta, phi, NER(), Func(), nullcontext)


def trained(method: Method, rtn: Any, steps: int = 2) -> dict[str, torch.Tensor]:
    state = trainee(rtn)
    for step in range(steps):
        method.step(state, *batches(), 100 * step)
    return state.learner.state_dict()


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max((one[name] - other[name]).abs().max().item() for name in one)


@pytest.mark.parametrize("order", ["published", "released"])
def test_joint_equals_metaxl_with_identity(order: Any) -> None:
    metaxl = MetaXL(order=order, theta_batch="whole")
    assert distance(trained(Joint(), Identity(HIDDEN)), trained(metaxl, Identity(HIDDEN))) < 1e-10


@pytest.mark.parametrize("order", ["published", "released"])
def test_joint_equals_metaxl_with_weights_that_stay_at_one(order: Any) -> None:
    rtn = Weights.build(RTNInfo(HIDDEN, (1,), ("a",), None), by="both")
    rtn.requires_grad_(False)
    metaxl = MetaXL(order=order, theta_batch="whole")
    assert distance(trained(Joint(), Identity(HIDDEN)), trained(metaxl, rtn)) < 1e-10


def test_weights_change_what_is_learned() -> None:
    ends = []
    for meta_lr in (0.0, 0.5):
        state = trainee(Weights.build(RTNInfo(HIDDEN, (1,), ("a",), None), by="loss"))
        state.phi._peak = meta_lr
        for step in range(2):
            MetaXL().step(state, *batches(), 100 * step)
        ends.append(state.learner.state_dict())
    assert distance(*ends) > 1e-4


def test_lookahead_differs_from_the_whole_batch_by_the_inner_step_alone() -> None:
    """Ten times the inner learning rate, ten times the difference of θ's gradient."""

    def distance_at(lr: float) -> float:
        norms = []
        for batch in ("lookahead", "whole"):
            state = trainee(Identity(HIDDEN))
            state.theta._peak = lr
            norms.append(MetaXL(theta_batch=batch).step(state, *batches(), 0)["grad_norm"])
        return abs(norms[0] - norms[1])

    assert distance_at(1e-4) / distance_at(1e-5) == pytest.approx(10, rel=0.05)


def test_without_the_query_gradient_at_hand_lookahead_computes_it_anew() -> None:
    class Forgetful(Func):
        def step(self, problem: Any, inner_lr: float) -> Any:
            return dataclasses.replace(super().step(problem, inner_lr), query_grads=None)

    start = MLP(HIDDEN)
    states = [trainee(copy.deepcopy(start)) for _ in range(2)]
    MetaXL().step(dataclasses.replace(states[0], backend=Forgetful()), *batches(), 0)
    MetaXL(theta_batch="whole").step(states[1], *batches(), 0)
    assert distance(states[0].learner.state_dict(), states[1].learner.state_dict()) == 0


def test_joint_equals_joint_rtn_with_identity() -> None:
    assert distance(trained(Joint(), Identity(HIDDEN)), trained(JointRTN(), Identity(HIDDEN))) < 1e-12


def test_support_batch_differs_from_whole_batch() -> None:
    whole, support = (trained(MetaXL(theta_batch=batch), Identity(HIDDEN)) for batch in ("whole", "support"))
    assert distance(whole, support) > 1e-4


@pytest.mark.parametrize("backend", ["func", "fd"])
def test_three_steps_with_fused_attention_end_where_those_without_do(backend: str) -> None:
    torch.manual_seed(0)
    start, ends = MLP(HIDDEN, init="released"), []
    for attention in ("sdpa", "eager"):
        state = dataclasses.replace(trainee(copy.deepcopy(start)), backend=BACKENDS.load(backend)())
        learner: Any = state.learner
        learner.model.config._attn_implementation = attention
        for step in range(3):
            MetaXL().step(state, *batches(), 100 * step)
        assert learner.model.config._attn_implementation == attention
        ends.append({**state.learner.state_dict(), **state.rtn.state_dict()})
    assert distance(*ends) < (1e-8 if backend == "func" else 1e-5)


def test_published_order_takes_the_gradient_at_the_old_rtn() -> None:
    """θ after one published step does not depend on the RTN's learning rate; after one released step it does."""

    def theta_after(order: Any, meta_lr: float) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        state = trainee(MLP(HIDDEN, init="released"))
        state.phi._peak = meta_lr
        MetaXL(order=order).step(state, *batches(), 0)
        return state.learner.state_dict()

    assert distance(theta_after("published", 0.0), theta_after("published", 0.5)) == 0
    assert distance(theta_after("released", 0.0), theta_after("released", 0.5)) > 1e-4
    assert distance(theta_after("released", 0.0), theta_after("published", 0.0)) < 1e-10


@pytest.mark.parametrize("method", [MetaXL(), MetaXL(order="released"), JointRTN(), Joint(), TargetOnly()])
def test_the_rtn_never_touches_the_target_pass(method: Method) -> None:
    state = trainee(MLP(HIDDEN), dropout=True)
    source, target = batches()
    method.step(state, source, target, 0)
    learner: Any = state.learner
    assert learner.passes
    for ids, with_rtn in learner.passes:
        is_source = ids.shape == source.inputs["input_ids"].shape and torch.equal(ids, source.inputs["input_ids"])
        assert with_rtn == (is_source and method.uses_rtn)


def test_metaxl_trains_the_rtn_by_the_meta_gradient_and_joint_rtn_by_the_ordinary_one() -> None:
    torch.manual_seed(0)
    start = MLP(HIDDEN, init="released")
    states = {}
    for name, method in {"metaxl": MetaXL(), "joint": JointRTN(), "neither": Joint()}.items():
        state = trainee(copy.deepcopy(start))
        method.step(state, *batches(), 0)
        states[name] = {key: value - start.double().state_dict()[key] for key, value in state.rtn.state_dict().items()}
    assert all(change.abs().max() == 0 for change in states["neither"].values())
    assert all(states[name]["down.weight"].abs().max() > 0 for name in ("metaxl", "joint"))
    assert not torch.allclose(states["metaxl"]["down.weight"], states["joint"]["down.weight"])


def test_meta_gradient_free_of_the_learning_rate() -> None:
    torch.manual_seed(0)
    norms = {}
    for free in (True, False):
        state = trainee(MLP(HIDDEN, init="released"))
        norms[free] = MetaXL(free_of_lr=free).step(state, *batches(), 0)["meta_grad_norm"]
        torch.manual_seed(0)
    assert norms[False] == pytest.approx(norms[True] * 0.05, rel=1e-9)


def test_schedule_rises_falls_and_is_never_zero() -> None:
    updater = Updater(torch.nn.Linear(1, 1), optimizer="adam", lr=1.0, weight_decay=0, warmup=0.2, clip=0,
                      total_steps=10)  # fmt: skip
    rates = []
    for _ in range(10):
        rates.append(updater.lr)
        updater.apply({name: torch.zeros_like(p) for name, p in updater.parameters.items()})
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


def test_clipping_bounds_the_gradient() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    updater = Updater(layer, optimizer="adam", lr=1.0, weight_decay=0, warmup=0, clip=2.0, total_steps=10)
    assert updater.apply({"weight": torch.full((1, 1), 30.0)}) == pytest.approx(30.0)
    first_moment = updater._optimizer.state[layer.weight]["exp_avg"]  # type: ignore[union-attr]
    assert first_moment.item() == pytest.approx(0.1 * 2.0, rel=1e-5)


def test_parameters_learn_at_rates_of_their_own() -> None:
    """Against torch's AdamW with a group for each of three parameters, over the schedule."""
    torch.manual_seed(0)
    module, factors = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1, bias=False)), [0.25, 0.25, 1.0]
    other = copy.deepcopy(module)
    updater = Updater(module, optimizer="adamw", lr=0.1, weight_decay=0.2, warmup=0, clip=0, total_steps=4,
                      factors=dict(zip(dict(module.named_parameters()), factors, strict=True)))  # fmt: skip
    plain = torch.optim.AdamW([{"params": [p]} for p in other.parameters()], weight_decay=0.2)
    for _ in range(3):
        gradients = {name: torch.randn_like(p) for name, p in updater.parameters.items()}
        for group, factor, (name, parameter) in zip(plain.param_groups, factors, other.named_parameters(), strict=True):
            group["lr"], parameter.grad = factor * updater.lr, gradients[name]
        plain.step()
        updater.apply(gradients)
    assert distance(module.state_dict(), other.state_dict()) < 1e-7
    assert updater.decay == pytest.approx((1 - 0.025 * 0.2) ** 2 * (1 - 0.025 * 2 / 3 * 0.2))


@pytest.mark.parametrize("model_type", sorted(LAYOUTS))
def test_rates_fall_from_layer_to_layer(model_type: str) -> None:
    model = small_model(model_type)
    learner, count = Learner(model, ()), model.config.num_hidden_layers
    factors = layer_factors(learner, 0.5)
    assert set(factors) == set(trainable(learner))
    assert {value for name, value in factors.items() if "embeddings" in name and "rel_" not in name} == {
        0.5 ** (count + 1)
    }
    layers = layers_of(model.base_model, learner.layout)
    for number, layer in enumerate(layers):
        own = {id(parameter) for parameter in layer.parameters()}
        found = {factors[name] for name, parameter in learner.named_parameters() if id(parameter) in own}
        assert found == {0.5 ** (count - number)}
    head = {factors[name] for name in factors if not name.startswith(f"model.{model.base_model_prefix}.")}
    assert head == {1.0}


@pytest.mark.parametrize("shape", [(3, 5), (4,)])
def test_consistency_is_half_the_symmetric_divergence(shape: tuple[int, ...]) -> None:
    """Against sums over probabilities, in float64; labels that are ignored take no part."""
    torch.manual_seed(0)
    one, other = torch.randn(2, *shape, 4, dtype=torch.float64)
    labels = torch.randint(0, 4, shape)
    labels[0] = labels[0].clone().fill_(-100) if len(shape) == 1 else torch.tensor([-100, 1, -100, 0, 2])
    task = NER() if len(shape) == 2 else Sentiment()
    p, q = one.softmax(-1), other.softmax(-1)
    apart = (p * (p / q).log() + q * (q / p).log()).sum(-1)[labels != -100].mean() / 2
    expected = (task.loss(one, labels) + task.loss(other, labels)) / 2 + 0.7 * apart
    torch.testing.assert_close(consistent_loss(task, one, other, labels, 0.7), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(consistent_loss(task, one, one, labels, 0.7), task.loss(one, labels))


@pytest.mark.parametrize("backend", ["func", "higher"])
def test_the_meta_gradient_follows_a_consistent_loss(backend: str) -> None:
    """By brute force, with dropout on, so that the two passes differ; without dropout they are one."""
    state = trainee(MLP(HIDDEN, init="released"), dropout=True)
    state = dataclasses.replace(state, consistency=2.0, backend=BACKENDS.load(backend)())
    problem = MetaXL().problem(state, *batches(), 0)
    meta = state.backend.step(problem, INNER_LR)
    direction = random_direction(meta.meta_grads)
    slope = brute_force_slope(problem, direction)
    assert (flat(meta.meta_grads) @ flat(direction)).item() == pytest.approx(slope, rel=1e-6)
    plain = dataclasses.replace(state, consistency=0.0)
    assert plain.seeded_loss(7, batches()[1]) != state.seeded_loss(7, batches()[1])
    state.learner.eval()
    assert plain.seeded_loss(7, batches()[1]).item() == pytest.approx(state.seeded_loss(7, batches()[1]).item())
