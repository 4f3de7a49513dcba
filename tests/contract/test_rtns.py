"""Every registered RTN goes through every check of `xltransfer.testing`."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.tiers import first_quick
from xltransfer.backends.func import Func
from xltransfer.encoders.layouts import LAYOUTS
from xltransfer.registry import RTNS
from xltransfer.rtns.transformer import Transformer, one_layer
from xltransfer.testing import RTN_CHECKS, RTNCase, check_rtn
from xltransfer.testing.models import HIDDEN, small_model
from xltransfer.testing.problems import INNER_LR, small_problem

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("mlp", {"activation": "relu", "init": "released", "bottleneck": 3}),
    ("mlp", {"gate": False}),
    ("multi", {"inner": "lowrank", "inner.rank": 2}),
    ("multi", {"mix": "softmax"}),
    ("multi", {"inner": "transformer"}),
    ("per-language", {"inner": "transformer"}),
    *(
        ("weights", {"by": by, "level": level})
        for by in ("loss", "features", "both")
        for level in ("token", "sentence")
    ),
    ("weights", {"by": "both", "inner": "mlp"}),
    ("weights", {"by": "loss", "inner": "multi", "inner.mix": "softmax"}),
    ("weights", {"by": "both", "level": "sentence", "inner": "per-language"}),
    ("multi", {"inner": "weights", "mix": "softmax", "inner.by": "both", "inner.inner": "mlp"}),
    ("per-language", {"inner": "weights", "inner.by": "both", "inner.inner": "lowrank"}),
]


def is_costly(check: Any) -> bool:
    return "brute_force" in check.__name__


def label(value: Any) -> str:
    if callable(value):
        return str(value.__name__)
    return "-".join(map(str, value.values())) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("check", RTN_CHECKS, ids=label)
@pytest.mark.parametrize("name, options", [(name, {}) for name in RTNS.names()], ids=label)
def test_contract(name: str, options: dict[str, Any], check: Any) -> None:
    check(RTNCase(name, options))


@pytest.mark.parametrize(
    "check", first_quick(sorted(RTN_CHECKS, key=is_costly), sum(not is_costly(one) for one in RTN_CHECKS)), ids=label
)
@pytest.mark.parametrize("name, options", VARIANTS, ids=label)
def test_contract_of_variants(name: str, options: dict[str, Any], check: Any) -> None:
    check(RTNCase(name, options))


def test_check_rtn_takes_a_class_and_options() -> None:
    check_rtn(RTNS.load("lowrank"), rank=2)


@pytest.mark.parametrize("model_type", sorted(LAYOUTS))
def test_transformer_is_a_layer_of_the_encoders_own_kind(model_type: str) -> None:
    """Its layer has the parameters of one of the encoder's, no embeddings, and padding does not reach tokens."""
    model = small_model(model_type)
    encoder = one_layer(model.config)
    own = {name.replace("layers.0.", "layer.0.").split("layer.0.")[-1]: parameter.shape
           for name, parameter in encoder.named_parameters() if "layer" in name and ".0." in name}  # fmt: skip
    theirs = {name.split(".0.", 1)[1]: parameter.shape for name, parameter in model.base_model.named_parameters()
              if ".0." in name and ("layer.0." in name or "layers.0." in name)}  # fmt: skip
    assert own == theirs
    assert not any("word_embeddings" in name or "position_embeddings" in name for name, _ in encoder.named_parameters())
    rtn = Transformer(encoder, HIDDEN, 1.0).eval()
    mask = torch.ones(2, 6, dtype=torch.long)
    mask[0, 4:] = 0
    hidden = torch.randn(2, 6, HIDDEN)
    other = torch.where(mask.bool().unsqueeze(-1), hidden, hidden + 3)
    assert torch.equal(rtn(hidden, mask, 1)[mask.bool()], rtn(other, mask, 1)[mask.bool()])


def test_every_language_has_an_rtn_that_is_trained() -> None:
    """Rows of languages 0, 1, 0: both networks get a gradient, and only their own rows count for it."""
    problem = small_problem("per-language")
    both = Func().step(problem, INNER_LR).meta_grads
    assert all(both[f"networks.{index}.down.weight"].norm() > 0 for index in (0, 1))
    only = RTNCase("per-language").build().for_batch(torch.zeros(3, dtype=torch.long))
    hidden = torch.randn(3, 7, HIDDEN, dtype=torch.float64)
    only(hidden, torch.ones(3, 7), 1).sum().backward()
    gradients = {name: parameter.grad for name, parameter in only.named_parameters()}
    assert gradients["networks.0.down.weight"] is not None
    assert gradients["networks.1.down.weight"] is None


def test_multi_has_a_network_for_every_layer() -> None:
    grads = Func().step(small_problem("multi", (0, 2)), INNER_LR).meta_grads
    assert all(grads[f"networks.{layer}.down.weight"].norm() > 0 for layer in (0, 2))


def test_mixing_weights_are_learned() -> None:
    grads = Func().step(small_problem("multi", (0, 2), rtn_options={"mix": "softmax"}), INNER_LR).meta_grads
    assert grads["logits"].norm() > 0


def test_rtns_that_hold_others_hold_no_such() -> None:
    with pytest.raises(ValueError, match="allowed: an RTN that holds no others"):
        small_problem("multi", rtn_options={"inner": "per-language"})
