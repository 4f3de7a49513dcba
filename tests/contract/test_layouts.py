"""Every row of the layout table, on a small randomly initialised instance."""

from __future__ import annotations

import copy

import higher
import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from xltransfer.backends.func import Func
from xltransfer.backends.higher import Higher
from xltransfer.encoders.layouts import LAYOUTS, layers_of
from xltransfer.encoders.learner import Learner
from xltransfer.testing.models import LAYERS, small_model
from xltransfer.testing.problems import small_inputs, small_problem

ROWS = sorted(LAYOUTS)
INSERTIONS = list(range(LAYERS + 1))


def constant(hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
    """A change that is no multiple of the all-ones vector, which layer normalisation would remove."""
    return torch.linspace(-1, 1, hidden.shape[-1], dtype=hidden.dtype).expand_as(hidden)


def layer_outputs(learner: Learner, inputs: dict[str, Tensor], change: bool) -> list[Tensor]:
    """What every layer of the list returns, and then the logits."""
    seen: list[Tensor] = []
    handles = [
        layer.register_forward_hook(lambda _, __, out: seen.append((out[0] if isinstance(out, tuple) else out).clone()))
        for layer in layers_of(learner.model.base_model, learner.layout)
    ]
    try:
        logits = learner(inputs, constant if change else None)
    finally:
        for handle in handles:
            handle.remove()
    return [*seen, logits]


@pytest.mark.parametrize("layer", INSERTIONS)
@pytest.mark.parametrize("model_type", ROWS)
def test_a_change_at_layer_l_alters_exactly_what_follows(model_type: str, layer: int) -> None:
    learner = Learner(small_model(model_type).double().eval(), (layer,))
    inputs = small_inputs()
    plain, changed = layer_outputs(learner, inputs, False), layer_outputs(learner, inputs, True)
    assert len(plain) == LAYERS + 1
    altered = [not torch.equal(one, other) for one, other in zip(plain, changed, strict=True)]
    assert altered == [index >= layer for index in range(LAYERS + 1)]


@pytest.mark.parametrize("auto", ["Token", "Sequence"])
@pytest.mark.parametrize("model_type", ROWS)
def test_last_layer_stands_before_the_head(model_type: str, auto: str) -> None:
    learner = Learner(small_model(model_type, f"AutoModelFor{auto}Classification").double().eval(), (LAYERS,))
    inputs = small_inputs()
    assert not torch.allclose(learner(inputs), learner(inputs, constant))


@pytest.mark.parametrize("model_type", ROWS)
def test_insertion_works_on_copies_and_leaves_no_hook(model_type: str) -> None:
    learner = Learner(small_model(model_type).double().eval(), (0, 2))
    inputs = small_inputs()
    wanted = learner(inputs, constant)
    cloned = copy.deepcopy(learner)
    functional = functional_call(learner, dict(learner.named_parameters()), (inputs, constant))
    patched = higher.monkeypatch(learner, copy_initial_weights=False)(inputs, constant)
    for found in (cloned(inputs, constant), functional, patched):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in learner.modules())


@pytest.mark.parametrize("auto", ["Token", "Sequence"])
@pytest.mark.parametrize("model_type", ROWS)
def test_meta_gradient_of_every_architecture(model_type: str, auto: str) -> None:
    problem = small_problem("mlp", (1,), model_type, auto)
    one, other = Func().step(problem, 0.1), Higher().step(problem, 0.1)
    for name, gradient in one.meta_grads.items():
        assert gradient.norm() > 0
        assert (gradient - other.meta_grads[name]).norm() <= 1e-9 * other.meta_grads[name].norm()
