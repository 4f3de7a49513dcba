"""Every registered RTN: shapes, no gradient into θ through its input, and a state that can be stored."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.models import HIDDEN, small_model
from tests.problems import small_inputs, small_rtn
from xltransfer.encoders.learner import Learner
from xltransfer.registry import RTNS


@pytest.mark.parametrize("name", RTNS.names())
def test_change_has_the_shape_of_the_hidden_states(name: str) -> None:
    rtn = small_rtn(name, (1,), small_model("bert"))
    hidden, mask = torch.randn(2, 5, HIDDEN, dtype=torch.float64), torch.ones(2, 5)
    change = rtn(hidden, mask, 1)
    assert change.shape == hidden.shape
    assert change.dtype == hidden.dtype
    torch.testing.assert_close(change, rtn(hidden, mask, 1), rtol=0, atol=0)


@pytest.mark.parametrize("name", RTNS.names())
def test_state_survives_safetensors(name: str, tmp_path: Path) -> None:
    rtn, other = (small_rtn(name, (1,), small_model("bert")) for _ in range(2))
    safetensors.torch.save_file(rtn.state_dict(), tmp_path / "rtn.safetensors")
    other.load_state_dict(safetensors.torch.load_file(tmp_path / "rtn.safetensors"))
    hidden, mask = torch.randn(2, 5, HIDDEN, dtype=torch.float64), torch.ones(2, 5)
    assert torch.equal(rtn(hidden, mask, 1), other(hidden, mask, 1))


@pytest.mark.parametrize("name", RTNS.names())
def test_no_gradient_reaches_theta_through_the_input(name: str) -> None:
    """With the residual's share known, what layers below get is the gradient without the RTN's Jacobian."""
    model = small_model("bert").double().eval()
    learner, inputs = Learner(model, (1,)), small_inputs()
    rtn = small_rtn(name, (1,), model)
    seen: list[torch.Tensor] = []

    def recorded(hidden: torch.Tensor, mask: torch.Tensor, layer: int) -> torch.Tensor:
        seen.append(hidden)
        change: torch.Tensor = rtn(hidden, mask, layer)
        return change

    learner(inputs, recorded).sum().backward()
    assert not seen[0].requires_grad
    change = rtn(seen[0], inputs["attention_mask"], 1).detach()
    gradient = model.bert.embeddings.word_embeddings.weight.grad.clone()
    model.zero_grad()
    learner(inputs, lambda hidden, mask, layer: change).sum().backward()
    torch.testing.assert_close(gradient, model.bert.embeddings.word_embeddings.weight.grad)
