"""Recomputed activations and compiled layers change no gradient, for every backend that declares them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest
import torch

from xltransfer.backends.base import BilevelProblem
from xltransfer.encoders.layouts import LAYOUTS
from xltransfer.encoders.learner import plain_passes
from xltransfer.registry import BACKENDS
from xltransfer.testing import small_problem
from xltransfer.testing.problems import INNER_LR, relative_error

CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in BACKENDS.names()),
    ("func", {"mode": "forward"}),
    ("func", {"inner_steps": 2}),
]


def declaring(ability: str) -> list[Any]:
    return [
        pytest.param(name, options, id="-".join([name, *map(str, options.values())]))
        for name, options in CASES
        if getattr(BACKENDS.load(name).capabilities, ability)
    ]


def with_plain_passes(problem: BilevelProblem) -> BilevelProblem:
    """As training does where the backend differentiates a gradient."""

    def inner(learner: Any, rtn: Any) -> Any:
        with plain_passes(problem.learner):
            return problem.inner(learner, rtn)

    def support(learner: Any) -> Any:
        with plain_passes(problem.learner):
            return problem.support(learner)

    return dataclasses.replace(problem, inner=inner, support=support)


@pytest.mark.parametrize("layers", [(1,), (0, 2)], ids=str)
@pytest.mark.parametrize("name, options", declaring("recomputation"))
def test_recomputed_activations(name: str, options: dict[str, Any], layers: tuple[int, ...]) -> None:
    problem, backend = small_problem(layers=layers), BACKENDS.load(name)(**options)
    kept = backend.step(problem, INNER_LR)
    problem.learner.recompute = True  # type: ignore[assignment]
    again = backend.step(problem, INNER_LR)
    assert relative_error(again.meta_grads, kept.meta_grads) <= 1e-12
    assert relative_error(again.inner_grads, kept.inner_grads) <= 1e-12


@pytest.mark.parametrize("model_type", sorted(LAYOUTS))
def test_recomputed_activations_of_every_architecture(model_type: str) -> None:
    problem, backend = small_problem(model_type=model_type), BACKENDS.load("func")()
    kept = backend.step(problem, INNER_LR)
    problem.learner.recompute = True  # type: ignore[assignment]
    assert relative_error(backend.step(problem, INNER_LR).meta_grads, kept.meta_grads) <= 1e-12


def test_a_layer_runs_again_in_the_backward_pass_and_is_left_as_it_was() -> None:
    problem = small_problem()
    layer = problem.learner.get_submodule("model.roberta.encoder.layer.1")
    runs: Counter[str] = Counter()
    hook = layer.get_submodule("intermediate").register_forward_hook(lambda *_: runs.update(["run"]))
    problem.learner.recompute = True  # type: ignore[assignment]
    loss = problem.support_loss(problem.learner)
    assert runs["run"] == 1
    torch.autograd.grad(loss, [layer.get_parameter("intermediate.dense.weight")])
    assert runs["run"] == 2
    hook.remove()
    assert "forward" not in vars(layer)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's own, as it traces
@pytest.mark.parametrize("layers", [(1,), (0, 2)], ids=str)
@pytest.mark.parametrize("name, options", declaring("compilation"))
def test_compiled_layers(name: str, options: dict[str, Any], layers: tuple[int, ...]) -> None:
    """Traced and differentiated ahead of time, as for the real compiler; no code is made, which takes long."""
    torch._dynamo.reset()
    problem, backend = small_problem(layers=layers), BACKENDS.load(name)(**options)
    plain = backend.step(problem, INNER_LR)
    problem.learner.compile_layers("aot_eager")  # type: ignore[operator]
    compiled = backend.step(with_plain_passes(problem), INNER_LR)
    assert relative_error(compiled.meta_grads, plain.meta_grads) <= 1e-12
    assert relative_error(compiled.inner_grads, plain.inner_grads) <= 1e-12
    assert torch._dynamo.utils.counters["frames"]["ok"] > 0
