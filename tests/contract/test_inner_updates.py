"""An inner step by Adam, against torch's own optimiser, autograd, and the `higher` library."""

from __future__ import annotations

import dataclasses
from typing import Any

import higher
import pytest
import torch
from torch import Tensor

from xltransfer.backends.base import Backend, BilevelProblem, alone
from xltransfer.backends.inner_update import SGD, Adam, Moments
from xltransfer.errors import BackendError
from xltransfer.registry import BACKENDS
from xltransfer.rtns.changes import Changes
from xltransfer.testing import small_problem
from xltransfer.testing.adam_problems import ADAM_LR, AdamCase, adam_case
from xltransfer.testing.problems import flat, inner_gradients, random_direction, relative_error
from xltransfer.utils.parameters import add_into, trainable

KINDS: list[tuple[type[torch.optim.Adam], float]] = [
    (torch.optim.Adam, 0.0),
    (torch.optim.AdamW, 0.0),
    (torch.optim.Adam, 0.1),
]
FOLLOWING = [name for name in BACKENDS.names() if BACKENDS.load(name).capabilities.inner_updates]


def backend(name: str, **options: Any) -> Backend:
    made: Backend = BACKENDS.load(name)(**options)
    return made


def gradients_with_zeros(seed: int) -> Tensor:
    """From 1e-12 to 10, and some exact zeros."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(200, generator=generator, dtype=torch.float64)
    scales = 10 ** torch.linspace(-12, 1, 200, dtype=torch.float64)[torch.randperm(200, generator=generator)]
    return torch.where(torch.arange(200) % 10 == 0, 0, drawn * scales)


def trained(kind: type[torch.optim.Adam], weight_decay: float, steps: int) -> tuple[torch.nn.Parameter, Any]:
    """A parameter and its optimiser; some entries never had a gradient."""
    parameter = torch.nn.Parameter(gradients_with_zeros(99))
    optimizer = kind([parameter], lr=1.0, weight_decay=weight_decay)
    for step in range(steps):
        parameter.grad = gradients_with_zeros(step)
        optimizer.step()
    with torch.no_grad():  # where θ is 0 its step can be read to the last digit
        parameter.zero_() if weight_decay == 0 else parameter.mul_(0.1)
    return parameter, optimizer


@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize("kind, weight_decay", KINDS)
def test_the_direction_is_that_of_the_real_step(kind: Any, weight_decay: float, steps: int) -> None:
    parameter, optimizer = trained(kind, weight_decay, steps)
    gradient, before = gradients_with_zeros(50), parameter.detach().clone()
    found = Adam.of(optimizer, {"a": parameter}).direction({"a": gradient})["a"]
    parameter.grad = gradient.clone()
    optimizer.step()
    torch.testing.assert_close(found, before - parameter.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_the_slope_is_that_of_autograd(l2: float, steps: int) -> None:
    parameter, optimizer = trained(torch.optim.Adam, l2, steps)
    gradient = gradients_with_zeros(50).requires_grad_()
    update = Adam.of(optimizer, {"a": parameter})
    kept, (beta1, beta2) = update.moments["a"], update.betas
    seen = gradient + l2 * parameter.detach()
    mean = (beta1 * kept.mean + (1 - beta1) * seen) / (1 - beta1 ** (steps + 1))
    square = (beta2 * kept.square + (1 - beta2) * seen**2) / (1 - beta2 ** (steps + 1))
    (expected,) = torch.autograd.grad((mean / (square.sqrt() + update.eps)).sum(), gradient)
    vector = torch.linspace(-1, 1, 200, dtype=torch.float64)
    found = update.pulled_back({"a": gradient.detach()}, {"a": vector})["a"]
    never = square == 0  # there autograd divides 0 by 0
    # autograd takes large terms from one another: what is left has lost digits
    lost = 1e-15 * ((1 - beta1) / (1 - beta1 ** (steps + 1)) / (square.sqrt() + update.eps)).detach()
    assert ((found - expected * vector).abs() <= 1e-9 * (expected * vector).abs() + lost)[~never].all()
    assert found.isfinite().all()
    assert never.any()


def test_the_slope_where_there_never_was_a_gradient_is_that_of_small_differences() -> None:
    nothing = torch.zeros(1, dtype=torch.float64)
    update = Adam({"a": Moments(nothing, nothing, 0, nothing)})
    found = update.pulled_back({"a": nothing}, {"a": torch.ones_like(nothing)})["a"].item()
    up, down = (update.direction({"a": nothing + shift})["a"].item() for shift in (1e-15, -1e-15))
    assert found == pytest.approx(1e8, rel=1e-12) == pytest.approx((up - down) / 2e-15, rel=1e-6)


def test_the_slope_keeps_its_digits_in_single_precision() -> None:
    """In the first step ∂u/∂g is ε / (|g| + ε)², the difference of two terms that are larger by |g| / ε."""
    gradient = torch.tensor([1e-3, -0.1, 3.0])
    update = Adam({"a": Moments(torch.zeros(()), torch.zeros(()), 0, gradient)})
    found = update.pulled_back({"a": gradient}, {"a": torch.ones(3)})["a"]
    torch.testing.assert_close(found.double(), 1e-8 / (gradient.double().abs() + 1e-8) ** 2, rtol=1e-5, atol=0)


def test_variants_of_adam_are_refused() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    for optimizer in (torch.optim.Adam([parameter], amsgrad=True), torch.optim.AdamW([parameter], maximize=True)):
        with pytest.raises(ValueError, match="received an optimiser of several groups, or with amsgrad or maximize"):
            Adam.of(optimizer, {"a": parameter})


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("kind, weight_decay", KINDS)
def test_the_meta_gradient_equals_brute_force_for_every_optimiser(
    kind: Any, weight_decay: float, steps: int, mode: str
) -> None:
    """θ' by real steps of copies of the optimiser, in float64 with dropout on."""
    case = adam_case(kind, steps, weight_decay, layers=(1, 2))
    computed = backend("func", mode=mode).step(case.problem, ADAM_LR).meta_grads
    direction = random_direction(computed)
    assert (flat(computed) @ flat(direction)).item() == pytest.approx(case.slope(direction), rel=1e-6)


@pytest.mark.parametrize("scheme", ["central", "one-sided"])
@pytest.mark.parametrize("kind, weight_decay", KINDS)
def test_differences_are_close(kind: Any, weight_decay: float, scheme: str) -> None:
    """Embedding rows that only the query uses, with a slope of 1/ε, do not spoil them."""
    case = adam_case(kind, 3, weight_decay)
    exact = backend("func").step(case.problem, ADAM_LR).meta_grads
    found = backend("fd", scheme=scheme).step(case.problem, ADAM_LR).meta_grads
    assert relative_error(found, exact) <= 1e-6


def test_differences_are_close_in_single_precision() -> None:
    case, single = adam_case(), small_problem(dtype=torch.float32)
    single.learner.load_state_dict(case.problem.learner.state_dict())
    optimizer = torch.optim.Adam(trainable(single.learner).values(), lr=ADAM_LR)
    optimizer.load_state_dict(case.optimizer.state_dict())
    single = dataclasses.replace(single, inner_update=Adam.of(optimizer, trainable(single.learner)))
    exact = backend("func").step(case.problem, ADAM_LR).meta_grads
    for name, limit in (("func", 1e-5), ("fd", 1e-2)):
        found = backend(name).step(single, ADAM_LR).meta_grads
        assert relative_error({key: value.double() for key, value in found.items()}, exact) <= limit


def test_first_order_is_exact_where_the_last_layer_is_all_that_learns() -> None:
    case = adam_case(layers=(3,))
    for name, parameter in case.problem.learner.named_parameters():
        parameter.requires_grad_("classifier" in name)
    found, exact = (backend(name).step(case.problem, ADAM_LR).meta_grads for name in ("first-order", "func"))
    assert relative_error(found, exact) <= 1e-12


def by_higher(case: AdamCase) -> dict[str, Tensor]:
    """The meta-gradient through `higher`'s differentiable Adam, which goes on from the optimiser's state.

    It adds ε to √v where torch adds it to √v̂, and takes a count of steps that is no tensor.
    """
    problem, steps = case.problem, 3
    phi, changes = trainable(problem.rtn), Changes(problem.rtn)
    optimizer = torch.optim.Adam(trainable(problem.learner).values(), lr=ADAM_LR)
    optimizer.load_state_dict(case.optimizer.state_dict())
    group = optimizer.param_groups[0]
    group["eps"] *= (1 - group["betas"][1] ** (steps + 1)) ** 0.5
    for kept in optimizer.state.values():
        assert int(kept["step"]) == steps
        kept["step"] = steps
    with higher.innerloop_ctx(problem.learner, optimizer) as (patched, differentiable):
        differentiable.step(problem.inner_loss(patched, changes) + problem.support_loss(patched))
        meta_loss = problem.meta_loss(patched)
        with changes.followed():
            return dict(zip(phi, torch.autograd.grad(meta_loss, list(phi.values())), strict=True))


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("layers", [(0,), (1,), (1, 2)], ids=str)
def test_the_higher_library_agrees(layers: tuple[int, ...], weight_decay: float) -> None:
    case = adam_case(torch.optim.Adam, 3, weight_decay, layers=layers)
    found = backend("func").step(case.problem, ADAM_LR).meta_grads
    assert relative_error(found, by_higher(case)) <= 1e-8


@pytest.mark.parametrize("name, options", [("func", {}), ("func", {"mode": "forward"}), ("fd", {})])
def test_pieces_make_up_the_whole(name: str, options: dict[str, Any]) -> None:
    """u is not linear: it is taken of the whole gradient, and so is the way back through it."""
    case = adam_case(layers=(1, 2))
    pieces = [dataclasses.replace(case.problem, seed=seed) for seed in (17, 117, 217)]
    whole = dataclasses.replace(
        case.problem,
        inner=lambda learner, rtn: torch.stack([piece.inner_loss(learner, rtn) for piece in pieces]).sum(),
        support=lambda learner: torch.stack([piece.support_loss(learner) for piece in pieces]).sum(),
        query=lambda learner: torch.stack([piece.meta_loss(learner) for piece in pieces]).sum(),
    )
    made = backend(name, **options)
    found, wanted = made.step_in_pieces(pieces, ADAM_LR, alone), made.step(whole, ADAM_LR)
    limit = 1e-10 if name == "func" else 1e-6
    assert relative_error(found.meta_grads, wanted.meta_grads) <= limit
    assert found.query_grads is not None
    assert wanted.query_grads is not None
    assert relative_error(found.query_grads, wanted.query_grads) <= 1e-10


@pytest.mark.parametrize("name", FOLLOWING)
def test_the_moments_are_left_as_they_were(name: str) -> None:
    case = adam_case()
    before = [value.clone() for kept in case.optimizer.state.values() for value in kept.values()]
    step = backend(name).step(case.problem, ADAM_LR)
    add_into(step.inner_grads, step.inner_grads)  # as the caller may
    after = [value for kept in case.optimizer.state.values() for value in kept.values()]
    assert all(map(torch.equal, before, after))


def test_a_problem_without_an_inner_update_has_sgds() -> None:
    problem = small_problem()
    assert isinstance(BilevelProblem(problem.learner, problem.rtn, problem.inner, problem.support, problem.query)
                      .inner_update, SGD)  # fmt: skip
    gradients = inner_gradients(problem)
    assert SGD().direction(gradients) is gradients
    assert SGD().pulled_back({}, gradients) is gradients


@pytest.mark.parametrize("name, options", [("higher", {}), ("learn2learn", {}), ("func", {"inner_steps": 2})])
def test_what_cannot_be_is_refused(name: str, options: dict[str, Any]) -> None:
    expected = "inner_steps=2; allowed with it: 1" if options else "it takes SGD's alone; others need a backend with"
    with pytest.raises(BackendError, match=expected):
        backend(name, **options).step(adam_case(steps=1).problem, ADAM_LR)
