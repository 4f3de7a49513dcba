"""Every registered backend: right, pure, and in agreement with the others."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.problems import small_problem
from xltransfer.backends.base import Backend, BilevelProblem, trainable
from xltransfer.backends.func import Func
from xltransfer.registry import BACKENDS, RTNS

INNER_LR = 0.1
LAYERS = [(0,), (1,), (3,)]


def backend(name: str) -> Backend:
    made: Backend = BACKENDS.load(name)()
    return made


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm().clamp_min(1e-30))


def flat(gradients: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients.values()]) if gradients else torch.zeros(0)


def inner_gradients(problem: BilevelProblem) -> dict[str, torch.Tensor]:
    """∇_θ [L_s + L_support] by one plain backward pass."""
    theta = trainable(problem.learner)
    loss = problem.inner_loss(problem.learner, problem.rtn) + problem.support_loss(problem.learner)
    found = torch.autograd.grad(loss, list(theta.values()), allow_unused=True)
    return {n: torch.zeros_like(p) if g is None else g for (n, p), g in zip(theta.items(), found, strict=True)}


def meta_loss_after_step(problem: BilevelProblem) -> float:
    """L_query(θ − η g) on a copy of the learner: no differentiation through the step."""
    gradients = inner_gradients(problem)
    stepped = copy.deepcopy(problem.learner)
    with torch.no_grad():
        for name, parameter in stepped.named_parameters():
            parameter.sub_(INNER_LR * gradients[name])
        return problem.meta_loss(stepped).item()


def central_difference(problem: BilevelProblem, direction: dict[str, torch.Tensor], step: float = 1e-4) -> float:
    """d/dt of the meta loss along `direction` in φ, by Richardson-extrapolated central differences."""

    def slope(width: float) -> float:
        ends = []
        for sign in (1, -1):
            moved = copy.deepcopy(problem.rtn)
            with torch.no_grad():
                for name, parameter in moved.named_parameters():
                    parameter.add_(sign * width * direction[name])
            ends.append(meta_loss_after_step(BilevelProblem(problem.learner, moved, problem.inner, problem.support,
                                                            problem.query, problem.seed)))  # fmt: skip
        return (ends[0] - ends[1]) / (2 * width)

    return (4 * slope(step / 2) - slope(step)) / 3


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("rtn", RTNS.names())
@pytest.mark.parametrize("name", [name for name in BACKENDS.names() if name != "func"])
def test_exact_backends_agree_in_float64(name: str, rtn: str, layers: tuple[int, ...]) -> None:
    problem = small_problem(rtn, layers)
    one, other = backend("func").step(problem, INNER_LR), backend(name).step(problem, INNER_LR)
    assert relative(flat(one.meta_grads), flat(other.meta_grads)) <= 1e-9
    assert relative(flat(one.inner_grads), flat(other.inner_grads)) <= 1e-9
    torch.testing.assert_close(one.meta_loss, other.meta_loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(one.inner_loss, other.inner_loss, rtol=1e-12, atol=0)


@pytest.mark.parametrize("auto", ["Token", "Sequence"])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("name", BACKENDS.names())
def test_meta_gradient_equals_brute_force_central_differences(name: str, layers: tuple[int, ...], auto: str) -> None:
    problem = small_problem("mlp", layers, auto=auto)
    computed = backend(name).step(problem, INNER_LR).meta_grads
    assert flat(computed).norm() > 1e-6
    generator = torch.Generator().manual_seed(3)
    for _ in range(3):
        norm = flat(computed).norm()
        direction = {n: torch.randn(p.shape, generator=generator, dtype=p.dtype) + 3 * computed[n] / norm
                     for n, p in problem.rtn.named_parameters()}  # fmt: skip
        wanted = central_difference(problem, direction)
        found = (flat(computed) @ flat(direction)).item()
        assert abs(found - wanted) <= 1e-6 * abs(wanted)


@pytest.mark.parametrize("name", BACKENDS.names())
def test_inner_gradient_is_that_of_source_and_support_loss(name: str) -> None:
    problem = small_problem()
    found = backend(name).step(problem, INNER_LR).inner_grads
    assert relative(flat(found), flat(inner_gradients(problem))) <= 1e-12


@pytest.mark.parametrize("name", BACKENDS.names())
def test_step_changes_nothing(name: str) -> None:
    problem = small_problem()
    before = copy.deepcopy((problem.learner.state_dict(), problem.rtn.state_dict()))
    random_state = torch.get_rng_state()
    backend(name).step(problem, INNER_LR)
    for module, state in zip((problem.learner, problem.rtn), before, strict=True):
        for key, value in module.state_dict().items():
            assert torch.equal(value, state[key])
        assert all(parameter.grad is None for parameter in module.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


@pytest.mark.parametrize("name", BACKENDS.names())
def test_identity_has_no_meta_gradient(name: str) -> None:
    assert backend(name).step(small_problem("identity"), INNER_LR).meta_grads == {}


@pytest.mark.parametrize("name", BACKENDS.names())
def test_zero_inner_learning_rate_gives_zero_meta_gradient(name: str) -> None:
    assert flat(backend(name).step(small_problem(), 0.0).meta_grads).abs().max() == 0


class Scalar(torch.nn.Module):
    """One parameter, called as a function of nothing."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(value, dtype=torch.float64))

    def forward(self) -> torch.Tensor:
        return self.value


@pytest.mark.parametrize("name", BACKENDS.names())
def test_two_parameter_toy_in_closed_form(name: str) -> None:
    """L_s = (θ − φ)²/2, L_support = θ²/2, L_query = (θ' − 1)²/2: dL_query/dφ = η (θ − η (2θ − φ) − 1)."""
    theta, phi, eta = 0.7, -0.4, 0.3
    problem = BilevelProblem(
        Scalar(theta),
        Scalar(phi),
        inner=lambda learner, rtn: (learner() - rtn()) ** 2 / 2,
        support=lambda learner: learner() ** 2 / 2,
        query=lambda learner: (learner() - 1) ** 2 / 2,
    )
    step = backend(name).step(problem, eta)
    stepped = theta - eta * (2 * theta - phi)
    assert step.inner_grads["value"].item() == pytest.approx(2 * theta - phi, rel=1e-14)
    assert step.meta_loss.item() == pytest.approx((stepped - 1) ** 2 / 2, rel=1e-14)
    assert step.meta_grads["value"].item() == pytest.approx(eta * (stepped - 1), rel=1e-14)


def test_frozen_parameters_are_left_out() -> None:
    problem = small_problem()
    problem.learner.get_submodule("model.roberta.embeddings").requires_grad_(False)
    step = Func().step(problem, INNER_LR)
    assert not any("embeddings" in name for name in step.inner_grads)
    assert flat(step.meta_grads).norm() > 0
