"""Every registered backend goes through every check of `xltransfer.testing`, and exact ones agree pair by pair."""

from __future__ import annotations

import copy
import warnings
from functools import cache
from typing import Any

import pytest
import torch

from tests.tiers import covering, first_quick
from xltransfer.backends.base import Backend, MetaStep
from xltransfer.backends.fd import FiniteDifferences
from xltransfer.backends.func import Func
from xltransfer.registry import BACKENDS, RTNS
from xltransfer.rtns.changes import Changes
from xltransfer.testing import BACKEND_CHECKS, EXACT_CHECKS, check_backend, error_of, small_problem
from xltransfer.testing.problems import INNER_LR, relative_error
from xltransfer.testing.rtn_checks import LAYER_SETS
from xltransfer.utils.parameters import add_into, trainable

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("func", {"mode": "forward"}),
    ("func", {"inner_steps": 2}),
    ("func", {"mode": "forward", "inner_steps": 2}),
    ("higher", {"inner_steps": 2}),
    ("learn2learn", {"inner_steps": 2}),
    ("fd", {"scheme": "one-sided"}),
]
CASES = [*((name, {}) for name in BACKENDS.names()), *VARIANTS]
RTN_CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in RTNS.names()),
    ("multi", {"mix": "softmax"}),
    ("weights", {"by": "both", "inner": "mlp"}),
    ("multi", {"inner": "weights", "mix": "softmax", "inner.by": "loss", "inner.inner": "mlp"}),
]


def backend(name: str, **options: Any) -> Backend:
    made: Backend = BACKENDS.load(name)(**options)
    return made


def label(value: Any) -> str:
    if callable(value):
        return str(value.__name__)
    if isinstance(value, tuple) and isinstance(value[-1], dict):
        return "-".join(map(str, [value[0], *value[-1].values()]))
    return "-".join(map(str, value.values())) if isinstance(value, dict) else str(value)


EXACT = [(name, options) for name, options in CASES if backend(name).capabilities.exact]
APPROXIMATE = [(name, options) for name, options in CASES if not backend(name).capabilities.exact]


@pytest.mark.parametrize("check", BACKEND_CHECKS, ids=label)
@pytest.mark.parametrize("name, options", CASES, ids=label)
def test_contract(name: str, options: dict[str, Any], check: Any) -> None:
    check(backend(name, **options))


@pytest.mark.parametrize("check", EXACT_CHECKS, ids=label)
@pytest.mark.parametrize("name, options", first_quick(EXACT, sum(not options for _, options in EXACT)), ids=label)
def test_contract_of_exact_ones(name: str, options: dict[str, Any], check: Any) -> None:
    check(backend(name, **options))


@cache
def reference_step(
    rtn: str, options: tuple[tuple[str, Any], ...], layers: tuple[int, ...], inner_steps: int
) -> MetaStep:
    """What the others are compared with; a small problem is the same each time that it is made."""
    problem = small_problem(rtn, layers, rtn_options=dict(options))
    return Func(mode="reverse", inner_steps=inner_steps).step(problem, INNER_LR)


@pytest.mark.parametrize("exact, transforming, layers", covering(EXACT, RTN_CASES, LAYER_SETS), ids=label)
def test_exact_backends_agree_for_every_rtn(
    exact: tuple[str, dict[str, Any]], transforming: tuple[str, dict[str, Any]], layers: tuple[int, ...]
) -> None:
    (name, options), (rtn, rtn_options) = exact, transforming
    reference = reference_step(rtn, tuple(rtn_options.items()), layers, options.get("inner_steps", 1))
    found = backend(name, **options).step(small_problem(rtn, layers, rtn_options=rtn_options), INNER_LR)
    assert relative_error(found.meta_grads, reference.meta_grads) <= 1e-9
    assert relative_error(found.inner_grads, reference.inner_grads) <= 1e-9
    torch.testing.assert_close(found.meta_loss, reference.meta_loss, rtol=1e-12, atol=0)


@pytest.mark.parametrize("layers", LAYER_SETS, ids=str)
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_central_differences_are_close_whatever_the_rtn(layers: tuple[int, ...], activation: str) -> None:
    """Kinks of the RTN do no harm, because its inputs are held."""
    options = {"activation": activation}
    exact = Func().step(small_problem("mlp", layers, rtn_options=options), INNER_LR).meta_grads
    for dtype, tolerance in ((torch.float32, 1e-3), (torch.float64, 1e-6)):
        problem = small_problem("mlp", layers, dtype=dtype, rtn_options=options)
        found = FiniteDifferences().step(problem, INNER_LR).meta_grads
        assert relative_error({name: value.double() for name, value in found.items()}, exact) <= tolerance


def test_one_sided_differences_are_of_first_order() -> None:
    """Ten times the shift, ten times the error; central: a hundred times."""
    for scheme, order in (("one-sided", 1), ("central", 2)):
        near, far = (error_of(backend("fd", scheme=scheme, epsilon=epsilon)) for epsilon in (1e-4, 1e-3))
        assert far / near == pytest.approx(10**order, rel=0.1)


def test_differences_warn_once_of_a_kinked_encoder() -> None:
    problem = small_problem()
    problem.learner.get_submodule("model").kink = torch.nn.ReLU()
    made = backend("fd")
    with pytest.warns(UserWarning, match="this encoder has ReLU units"):
        made.step(problem, INNER_LR)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.step(problem, INNER_LR)
        backend("fd").step(small_problem(rtn_options={"activation": "relu"}), INNER_LR)


@pytest.mark.parametrize("name, options", APPROXIMATE, ids=label)
def test_approximate_backends_say_so_and_report_their_error(name: str, options: dict[str, Any]) -> None:
    made = backend(name, **options)
    assert made.capabilities.approximation
    assert 1e-12 < check_backend(name, **options) == error_of(made)


def test_first_order_is_exact_where_the_last_layer_is_all_that_learns() -> None:
    problem = small_problem(layers=(3,))
    for name, parameter in problem.learner.named_parameters():
        parameter.requires_grad_("classifier" in name)
    found, exact = (backend(name).step(problem, INNER_LR).meta_grads for name in ("first-order", "func"))
    assert relative_error(found, exact) <= 1e-12


@pytest.mark.parametrize("name", [name for name, options in EXACT if not options])
def test_more_inner_steps_change_the_meta_gradient(name: str) -> None:
    one, two = (backend(name, inner_steps=steps).step(small_problem(), INNER_LR).meta_grads for steps in (1, 2))
    assert relative_error(two, one) > 1e-2
    with pytest.raises(ValueError, match="inner_steps: received 0"):
        backend(name, inner_steps=0)


def test_gradients_that_share_a_tensor_are_added_once_each() -> None:
    shared = torch.ones(2)
    one = {"a": shared, "b": shared, "c": torch.ones(2), "d": torch.ones(1).expand(2)}
    added = add_into(one, {name: torch.full((2,), 2.0) for name in one})
    assert all(torch.equal(value, torch.full((2,), 3.0)) for value in added.values())
    assert added["c"] is one["c"]


def test_the_exchange_of_derivatives_holds_with_the_change_held_fixed() -> None:
    """The two forms on the method's page; one with the RTN evaluated anew at θ + εv is another function's."""
    problem = small_problem("mlp")
    meta = Func().step(problem, INNER_LR)
    made = Changes(problem.rtn)
    problem.inner_loss(problem.learner, made)

    def gradient(shift: float, held: bool) -> list[torch.Tensor]:
        learner = copy.deepcopy(problem.learner)
        with torch.no_grad():
            for name, parameter in trainable(learner).items():
                parameter.add_(shift * meta.query_grads[name])  # type: ignore[index]
        replayed = made.held()
        by: Any = replayed if held else problem.rtn
        wanted: list[torch.Tensor] = replayed.values if held else [*trainable(problem.rtn).values()]
        return [*torch.autograd.grad(problem.inner_loss(learner, by), wanted)]

    found = {}
    for held in (True, False):
        above, below = (gradient(sign * 1e-4, held) for sign in (1, -1))
        slopes = [(one - other) / 2e-4 for one, other in zip(above, below, strict=True)]
        by_phi: Any = made.pull_back(slopes, [*trainable(problem.rtn).values()]) if held else slopes
        grads = {name: -INNER_LR * slope for name, slope in zip(trainable(problem.rtn), by_phi, strict=True)}
        found[held] = relative_error(grads, meta.meta_grads)
    assert found[True] < 1e-6
    assert found[False] > 0.1
