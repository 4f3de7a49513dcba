"""The contract of an RTN, as checks. Each raises AssertionError with what is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from xltransfer.backends.func import Func
from xltransfer.encoders.learner import Learner, source_loss
from xltransfer.rtns.base import RTN
from xltransfer.rtns.changes import Changes
from xltransfer.testing.models import HIDDEN, LAYERS, small_model
from xltransfer.testing.problems import (
    INNER_LR,
    brute_force_slope,
    flat,
    relative_error,
    small_inputs,
    small_problem,
    small_rtn,
)
from xltransfer.utils.parameters import named_gradients, trainable
from xltransfer.utils.seeding import seeded

LAYER_SETS: tuple[tuple[int, ...], ...] = ((0,), (1,), (LAYERS,), (1, 2))
"""At the embeddings, in the middle, before the head, and at two layers at once."""


@dataclass(frozen=True)
class RTNCase:
    """An RTN under test: a class or a registered name, and its options."""

    rtn: str | type[RTN]
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, layers: tuple[int, ...] = (1,), seed: int = 0) -> RTN:
        """In float64, bound to three rows in two languages."""
        with seeded(seed):
            built = small_rtn(self.rtn, layers, small_model("xlm-roberta"), **self.options)
        return built.for_batch(torch.tensor([0, 1, 0]))


def _states() -> tuple[Tensor, Tensor]:
    """Hidden states of three rows and their mask; the last row is padded."""
    generator = torch.Generator().manual_seed(4)
    hidden = torch.randn(3, 7, HIDDEN, generator=generator, dtype=torch.float64)
    mask = torch.ones(3, 7, dtype=torch.long)
    mask[2, 4:] = 0
    return hidden, mask


def change_has_the_shape_and_type_of_the_states(case: RTNCase) -> None:
    """In float32 and float64, at every layer it was built for."""
    hidden, mask = _states()
    for layers in LAYER_SETS:
        for dtype in (torch.float64, torch.float32):
            rtn = case.build(layers).to(dtype)
            for layer in layers:
                change = rtn(hidden.to(dtype), mask, layer)
                assert isinstance(change, Tensor), f"forward returned {type(change).__name__}, not a tensor"
                assert change.shape == hidden.shape, f"change of shape {tuple(change.shape)}, not {tuple(hidden.shape)}"
                assert change.dtype == dtype, f"change of type {change.dtype} for states of type {dtype}"
                assert change.isfinite().all(), "change holds infinite or undefined numbers"


def states_are_left_as_they_were(case: RTNCase) -> None:
    """The change is returned, not added in place."""
    hidden, mask = _states()
    given = hidden.clone()
    case.build()(given, mask, 1)
    assert torch.equal(given, hidden), "forward changed the hidden states it was given"


def padding_does_not_reach_tokens(case: RTNCase) -> None:
    """The change at tokens is the same whatever the padding holds."""
    hidden, mask = _states()
    rtn = case.build().eval()
    other = torch.where(mask.bool().unsqueeze(-1), hidden, hidden + 3)
    difference = (rtn(hidden, mask, 1) - rtn(other, mask, 1))[mask.bool()].abs().max().item()
    assert difference <= 1e-12, f"the change at tokens moves by {difference:.1e} with what the padding holds"


def same_seed_same_change(case: RTNCase) -> None:
    """Random numbers (dropout) come from torch's state alone."""
    hidden, mask = _states()
    rtn = case.build().train()
    changes = []
    for _ in range(2):
        with seeded(8):
            changes.append(rtn(hidden, mask, 1))
    assert torch.equal(*changes), "two evaluations under one seed differ"


def state_survives_safetensors(case: RTNCase) -> None:
    """The state dict determines a trained RTN."""
    hidden, mask = _states()
    rtn, other = case.build(seed=0).eval(), case.build(seed=1).eval()
    stored = safetensors.torch.save({name: value.contiguous() for name, value in rtn.state_dict().items()})
    other.load_state_dict(safetensors.torch.load(stored))
    assert torch.equal(rtn(hidden, mask, 1), other(hidden, mask, 1)), "a stored and reloaded RTN gives another change"


def no_gradient_reaches_theta_through_the_input(case: RTNCase) -> None:
    """Layers below get the gradient they would get if the change were a constant."""
    model = small_model("xlm-roberta").double().eval()
    learner, inputs, rtn = Learner(model, (1,)), small_inputs(), case.build().eval()
    seen: list[Tensor] = []

    def recorded(hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        seen.append(rtn(hidden, mask, layer))
        return seen[-1]

    below = model.base_model.embeddings.word_embeddings.weight
    (found,) = torch.autograd.grad(learner(inputs, recorded).square().sum(), below)
    constant = seen[0].detach()
    (wanted,) = torch.autograd.grad(learner(inputs, lambda *_: constant).square().sum(), below)
    assert torch.equal(found, wanted), "a gradient reaches θ through the RTN's input"


def meta_gradient_equals_brute_force(case: RTNCase) -> None:
    """In float64 with dropout on, against differences of the meta loss over φ, to 1e-6.

    Of tagging, and of classification too where the RTN weighs losses.
    """
    autos = ("Token", "Sequence") if case.build().weighs else ("Token",)
    for auto, layers in itertools.product(autos, LAYER_SETS):
        problem = small_problem(case.rtn, layers, auto=auto, rtn_options=case.options)
        computed = Func().step(problem, INNER_LR).meta_grads
        if not computed:
            return
        assert flat(computed).norm() > 0, f"layers {layers}: no gradient reaches the RTN's parameters"
        direction = {name: value / flat(computed).norm() for name, value in computed.items()}
        wanted, found = brute_force_slope(problem, direction), flat(computed).norm().item()
        assert abs(found - wanted) <= 1e-6 * abs(wanted), (
            f"{auto} classification, layers {layers}: meta-gradient {found}, brute force {wanted}"
        )


def mixing_weights_fit_the_layers(case: RTNCase) -> None:
    """`mix` gives None or a weight for each layer, and the source loss can be taken."""
    for layers in LAYER_SETS:
        rtn = case.build(layers)
        weights = rtn.mix()
        assert weights is None or weights.shape == (len(layers),), f"mix() gives {weights} for layers {layers}"
        learner = Learner(small_model("xlm-roberta").double(), layers)
        loss = source_loss(learner, rtn, small_inputs(), lambda logits: logits.square().mean(), _squares)
        assert loss.isfinite(), f"the source loss is {loss.item()}"


def _squares(logits: Tensor) -> tuple[Tensor, Tensor]:
    """A stand-in for losses per token, and a mask: both (batch, time)."""
    found = logits.square().sum(-1)
    return found, torch.ones_like(found, dtype=torch.bool)


def weights_fit_the_losses(case: RTNCase) -> None:
    """`weights` gives None, or finite factors in the shape of the losses, each from its own sentence's tokens alone."""
    hidden, mask = _states()
    token = mask.bool() & (torch.arange(7) % 3 != 1)
    other = torch.where((mask.bool() & (torch.arange(3) != 1)[:, None])[..., None], hidden, hidden + 3)
    for labelled, dtype in itertools.product((token, token.any(1)), (torch.float64, torch.float32)):
        rtn = case.build().eval().to(dtype)
        losses = (torch.arange(labelled.numel(), dtype=dtype).view(labelled.shape) / 7) * labelled
        weights = rtn.weights(losses, labelled, hidden.to(dtype), mask, 1)
        if not rtn.weighs:
            assert weights is None, "weights() gives some, but the RTN says that it does not weigh"
            continue
        assert isinstance(weights, Tensor), f"weights() gives {type(weights).__name__}, not a tensor"
        assert weights.shape == losses.shape, f"weights of shape {tuple(weights.shape)}, not {tuple(losses.shape)}"
        assert weights.isfinite().all(), "weights are infinite or undefined"
        losses[1] = losses[1] + 1
        again = rtn.weights(losses, labelled, other.to(dtype), mask, 1)
        assert isinstance(again, Tensor)
        moved = ((weights - again) * labelled)[[0, 2]].abs().max().item()
        limit = 1e-12 if dtype == torch.float64 else 1e-5
        assert moved <= limit, f"weights move by {moved:.1e} with another sentence, or with what the padding holds"


def weights_are_constants_for_theta(case: RTNCase) -> None:
    """θ gets the gradient of Σ weight · loss with the weights held."""
    if not case.build().weighs:
        return
    for layers in LAYER_SETS:
        rtn, learner = case.build(layers).eval(), Learner(small_model("xlm-roberta").double(), layers).eval()
        inputs, theta, changes = small_inputs(), trainable(learner), Changes(rtn)
        source_loss(learner, changes, inputs, torch.sum, _squares)
        found, wanted = (
            named_gradients(theta, torch.autograd.grad(
                source_loss(learner, one, inputs, torch.sum, _squares), list(theta.values()), allow_unused=True))
            for one in (rtn, changes.held())
        )  # fmt: skip
        error = relative_error(found, wanted)
        assert error <= 1e-12, f"layers {layers}: a gradient reaches θ through the weights ({error:.1e})"


RTN_CHECKS: tuple[Callable[[RTNCase], None], ...] = (
    change_has_the_shape_and_type_of_the_states,
    states_are_left_as_they_were,
    same_seed_same_change,
    padding_does_not_reach_tokens,
    state_survives_safetensors,
    no_gradient_reaches_theta_through_the_input,
    weights_fit_the_losses,
    mixing_weights_fit_the_layers,
    weights_are_constants_for_theta,
    meta_gradient_equals_brute_force,
)


def check_rtn(rtn: str | type[RTN], **options: Any) -> None:
    """Hold an RTN (a class, or a registered name) to the contract of the built-in ones.

    Takes some seconds on one core. Raises AssertionError that names the failed check and the fault.
    """
    for check in RTN_CHECKS:
        try:
            check(RTNCase(rtn, options))
        except AssertionError as error:
            raise AssertionError(f"{check.__name__}: {error}") from error
        except Exception as error:
            raise AssertionError(f"{check.__name__}: raised {type(error).__name__}: {error}") from error
