"""The contract of a backend, as checks. Each raises AssertionError with what is wrong."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from xltransfer.backends.base import Backend, BilevelProblem, MetaStep
from xltransfer.backends.func import Func
from xltransfer.backends.inner_update import SGD
from xltransfer.backends.unrolled import descend, query_gradient
from xltransfer.errors import BackendError
from xltransfer.registry import BACKENDS
from xltransfer.testing.adam_problems import ADAM_LR, adam_case
from xltransfer.testing.problems import (
    INNER_LR,
    brute_force_slope,
    flat,
    inner_gradients,
    meta_loss_after,
    random_direction,
    relative_error,
    small_problem,
)
from xltransfer.testing.rtn_checks import LAYER_SETS
from xltransfer.utils.parameters import trainable

BackendCheck = Callable[[Backend], None]


def step_changes_nothing(backend: Backend) -> None:
    """θ, φ, buffers, `.grad`, training mode, hooks and random states are as before."""
    problem = small_problem("transformer")
    modules = (problem.learner, problem.rtn)
    before = copy.deepcopy([module.state_dict() for module in modules])
    random_state = torch.get_rng_state()
    backend.step(problem, INNER_LR)
    assert torch.equal(torch.get_rng_state(), random_state), "torch's random state was moved"
    for module, state in zip(modules, before, strict=True):
        for name, value in module.state_dict().items():
            assert torch.equal(value, state[name]), f"{name} was changed"
        for name, parameter in module.named_parameters():
            assert parameter.grad is None, f"{name}.grad was set"
            assert parameter.is_leaf, f"{name} is no leaf any more"
            assert parameter.requires_grad, f"{name} takes no gradient any more"
        assert all(part.training for part in module.modules()), "a module was taken out of training mode"
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules()), "a hook was left"


def inner_gradient_is_that_of_source_and_support(backend: Backend) -> None:
    """∇_θ [L_s + L_support] at the current θ."""
    problem = small_problem(layers=(1, 2))
    error = relative_error(backend.step(problem, INNER_LR).inner_grads, inner_gradients(problem))
    assert error <= 1e-12, f"inner gradient is off by {error:.1e}"


def gradients_fit_their_parameters(backend: Backend) -> None:
    """A gradient for every trainable parameter, of its shape and type, without a graph; none for frozen ones."""
    problem = small_problem(dtype=torch.float32)
    assert isinstance(backend.step(problem, INNER_LR), MetaStep), "step does not return a MetaStep"
    problem.learner.get_submodule("model.roberta.embeddings").requires_grad_(False)
    step = backend.step(problem, INNER_LR)
    for gradients, module in ((step.inner_grads, problem.learner), (step.meta_grads, problem.rtn)):
        parameters = trainable(module)
        assert gradients.keys() == parameters.keys(), f"gradients for {gradients.keys() ^ parameters.keys()} are wrong"
        for name, gradient in gradients.items():
            assert gradient.shape == parameters[name].shape, f"{name}: gradient of shape {tuple(gradient.shape)}"
            assert gradient.dtype == parameters[name].dtype, f"{name}: gradient of type {gradient.dtype}"
            assert not gradient.requires_grad, f"{name}: gradient carries a graph"
            assert gradient.isfinite().all(), f"{name}: gradient is not finite"
    for name, loss in {"inner_loss": step.inner_loss, "meta_loss": step.meta_loss}.items():
        assert loss.dim() == 0, f"{name} is no scalar"
        assert not loss.requires_grad, f"{name} carries a graph"
    assert flat(step.meta_grads).norm() > 0, "the meta-gradient is zero"


def query_gradient_is_that_after_the_inner_step(backend: Backend) -> None:
    """∇ L_query at θ', if the backend gives one."""
    problem = small_problem(layers=(1, 2))
    step = backend.step(problem, INNER_LR)
    if step.query_grads is not None and getattr(backend, "inner_steps", 1) == 1:
        moved = descend(dict(trainable(problem.learner)), step.inner_grads, INNER_LR)
        error = relative_error(step.query_grads, query_gradient(problem, moved)[1])
        assert error <= 1e-12, f"query gradient is off by {error:.1e}"


def no_parameters_no_meta_gradient(backend: Backend) -> None:
    """`identity` and `frozen` have no meta-gradient."""
    for name in ("identity", "frozen"):
        assert backend.step(small_problem(name), INNER_LR).meta_grads == {}, f"a meta-gradient for RTN {name}"


def zero_inner_rate_zero_meta_gradient(backend: Backend) -> None:
    """Without an inner step φ reaches no query loss."""
    assert flat(backend.step(small_problem(), 0.0).meta_grads).abs().max() == 0, "not zero at inner learning rate 0"


def same_step_twice_is_the_same(backend: Backend) -> None:
    """Bit for bit."""
    one, other = (backend.step(small_problem(layers=(1, 2)), INNER_LR) for _ in range(2))
    assert torch.equal(flat(one.meta_grads), flat(other.meta_grads)), "two equal steps give different meta-gradients"


class Scalar(nn.Module):
    """One parameter, called as a function of nothing."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value, dtype=torch.float64))

    def forward(self) -> Tensor:
        """The parameter."""
        return self.value


def toy_in_closed_form(backend: Backend) -> None:
    """L_s = (θ − φ)²/2, L_support = θ²/2, L_query = (θ' − 1)²/2: dL_query/dφ = η (θ − η (2θ − φ) − 1)."""
    theta, phi, eta = 0.7, -0.4, 0.3
    problem = BilevelProblem(
        Scalar(theta),
        Scalar(phi),
        inner=lambda learner, rtn: (learner() - rtn()) ** 2 / 2,
        support=lambda learner: learner() ** 2 / 2,
        query=lambda learner: (learner() - 1) ** 2 / 2,
    )
    step = backend.step(problem, eta)
    stepped = theta - eta * (2 * theta - phi)
    _close(step.inner_grads["value"].item(), 2 * theta - phi, "inner gradient")
    if getattr(backend, "inner_steps", 1) == 1:
        _close(step.meta_loss.item(), (stepped - 1) ** 2 / 2, "meta loss")
        _close(step.meta_grads["value"].item(), eta * (stepped - 1), "meta-gradient")


def _close(found: float, wanted: float, what: str) -> None:
    assert abs(found - wanted) <= 1e-14 * max(1, abs(wanted)), f"{what} {found}, in closed form {wanted}"


def losses_are_those_of_the_step(backend: Backend) -> None:
    """L_s + L_support at θ, and L_query after the inner steps."""
    problem = small_problem(layers=(1, 2))
    step = backend.step(problem, INNER_LR)
    inner = (problem.inner_loss(problem.learner, problem.rtn) + problem.support_loss(problem.learner)).item()
    meta = meta_loss_after(problem, getattr(backend, "inner_steps", 1)).item()
    assert abs(step.inner_loss.item() - inner) <= 1e-12 * abs(inner), (
        f"inner loss {step.inner_loss.item()}, not {inner}"
    )
    assert abs(step.meta_loss.item() - meta) <= 1e-12 * abs(meta), f"meta loss {step.meta_loss.item()}, not {meta}"


def meta_gradient_equals_brute_force(backend: Backend) -> None:
    """In float64 with dropout on, against differences of the meta loss over φ, to 1e-6, tagging and classification."""
    for auto in ("Token", "Sequence"):
        for layers in LAYER_SETS:
            problem = small_problem(layers=layers, auto=auto)
            computed = backend.step(problem, INNER_LR).meta_grads
            direction = random_direction(computed)
            wanted = brute_force_slope(problem, direction, getattr(backend, "inner_steps", 1))
            found = (flat(computed) @ flat(direction)).item()
            assert abs(found - wanted) <= 1e-6 * abs(wanted), (
                f"{auto} classification, layers {layers}: slope {found} by the meta-gradient, {wanted} by brute force"
            )


def inner_step_is_adams(backend: Backend) -> None:
    """With the capability `inner_updates`: θ' is where torch's Adam goes, and φ's gradient is not that of SGD's step.

    Several steps of Adam are refused with BackendError.
    """
    if not backend.capabilities.inner_updates:
        return
    case = adam_case(layers=(1, 2))
    if getattr(backend, "inner_steps", 1) > 1:
        _refuses(backend, case.problem)
        return
    step = backend.step(case.problem, ADAM_LR)
    error = relative_error(step.inner_grads, inner_gradients(case.problem))
    assert error <= 1e-12, f"inner gradient is off by {error:.1e}"
    if step.query_grads is not None:
        wanted = query_gradient(case.problem, dict(trainable(case.stepped(case.problem))))[1]
        error = relative_error(step.query_grads, wanted)
        assert error <= 1e-12, f"query gradient after Adam's step is off by {error:.1e}"
    plain = backend.step(dataclasses.replace(case.problem, inner_update=SGD()), ADAM_LR)
    assert relative_error(step.meta_grads, plain.meta_grads) > 1e-3, "the meta-gradient is that of SGD's step"


def _refuses(backend: Backend, problem: BilevelProblem) -> None:
    try:
        backend.step(problem, ADAM_LR)
    except BackendError:
        return
    raise AssertionError("several inner steps of Adam are not refused: its moments would have to move on")


def adams_meta_gradient_equals_brute_force(backend: Backend) -> None:
    """With the capability `inner_updates`: as above, θ' by torch's own Adam that has seen some steps, to 1e-6."""
    if not backend.capabilities.inner_updates or getattr(backend, "inner_steps", 1) > 1:
        return
    for layers in LAYER_SETS:
        case = adam_case(layers=layers)
        computed = backend.step(case.problem, ADAM_LR).meta_grads
        direction = random_direction(computed)
        wanted, found = case.slope(direction), (flat(computed) @ flat(direction)).item()
        assert abs(found - wanted) <= 1e-6 * abs(wanted), (
            f"layers {layers}: slope {found} by the meta-gradient, {wanted} by brute force"
        )


BACKEND_CHECKS: tuple[BackendCheck, ...] = (
    gradients_fit_their_parameters,
    step_changes_nothing,
    inner_gradient_is_that_of_source_and_support,
    query_gradient_is_that_after_the_inner_step,
    no_parameters_no_meta_gradient,
    zero_inner_rate_zero_meta_gradient,
    same_step_twice_is_the_same,
    inner_step_is_adams,
)
"""Checks for every backend."""
EXACT_CHECKS: tuple[BackendCheck, ...] = (
    toy_in_closed_form,
    losses_are_those_of_the_step,
    meta_gradient_equals_brute_force,
    adams_meta_gradient_equals_brute_force,
)
"""Further checks for a backend that declares no approximation."""


def check_backend(backend: str | type[Backend], **options: Any) -> float:
    """Hold a backend (a class, or a registered name) to the contract of the built-in ones.

    Returns the meta-gradient's relative error on a small problem, 0 for one that is exact to rounding error. Takes
    some seconds on one core. Raises AssertionError that names the check and says what is wrong.
    """
    made: Backend = (BACKENDS.load(backend) if isinstance(backend, str) else backend)(**options)
    for check in BACKEND_CHECKS + (EXACT_CHECKS if made.capabilities.exact else ()):
        try:
            check(made)
        except AssertionError as error:
            raise AssertionError(f"{check.__name__}: {error}") from error
        except Exception as error:
            raise AssertionError(f"{check.__name__}: raised {type(error).__name__}: {error}") from error
    return error_of(made)


def error_of(backend: Backend, dtype: torch.dtype = torch.float64) -> float:
    """Relative error of the meta-gradient on a small problem with a smooth RTN, against the exact one in float64."""
    exact = Func(inner_steps=getattr(backend, "inner_steps", 1)).step(small_problem(), INNER_LR).meta_grads
    found = backend.step(small_problem(dtype=dtype), INNER_LR).meta_grads
    return relative_error({name: value.double() for name, value in found.items()}, exact)
