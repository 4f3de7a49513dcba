"""The average of θ is the sum that its paper gives, and what is scored and saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.resuming import tiny
from xltransfer.methods.averaging import Average
from xltransfer.training.run import run


def test_it_is_a_weighted_sum_of_all_steps() -> None:
    torch.manual_seed(0)
    module = nn.Linear(3, 2).double()
    average, seen, unused = Average(module, 0.8), [module.weight.detach().clone()], [1.0]
    for step in range(1, 60):
        with torch.no_grad():
            module.weight += torch.randn_like(module.weight)
        average.update(0.99**step)
        seen.append(module.weight.detach().clone())
        unused.append(0.99**step)
    weights = [1.0]
    for step in range(1, 60):
        kept = min(0.8, step / (step + 10))
        weights = [kept * weight for weight in weights] + [1 - kept]
    assert sum(weights) == pytest.approx(1)
    last = module.weight.detach().clone()
    with average.in_place():
        expected = sum(weight * value for weight, value in zip(weights, seen, strict=True))
        torch.testing.assert_close(module.weight, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(module.weight, last)
    assert average.unused == pytest.approx(sum(w * value for w, value in zip(weights, unused, strict=True)), rel=1e-12)


@pytest.mark.parametrize("vocabulary", ["auto", "full"])
def test_it_is_saved_in_the_place_of_the_last_steps_parameters(
    vocabulary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, made = Average.update, list[dict[str, Any]]()

    def recorded(self: Average, unused: float) -> None:
        update(self, unused)
        made.append({name: value.clone() for name, value in self.state()[0].items()})

    monkeypatch.setattr(Average, "update", recorded)
    values: dict[str, Any] = {"method": "joint", "epochs": 1, "weight_decay": 0.1, "vocabulary": vocabulary}
    plain = run(tiny(tmp_path / "plain", **values))
    assert made == []
    averaged = run(tiny(tmp_path / "averaged", **values, average=0.9))
    assert len(made) == 3
    saved = [load_file(result.run_dir / "model" / "model.safetensors") for result in (averaged, plain)]
    name = "classifier.weight"
    assert torch.equal(saved[0][name], made[-1][f"model.{name}"])
    assert all(not torch.equal(saved[0][key], saved[1][key]) for key in saved[0] if key.endswith("query.weight"))


def test_unused_rows_of_a_compact_vocabulary_are_averaged_too(tmp_path: Path) -> None:
    values: dict[str, Any] = {"method": "joint", "epochs": 1, "weight_decay": 0.3, "average": 0.9, "lr": 1e-2}
    rows = [load_file(run(tiny(tmp_path / kind, **values, vocabulary=kind)).run_dir / "model" / "model.safetensors")
            for kind in ("auto", "full")]  # fmt: skip
    name = next(key for key in rows[0] if key.endswith("word_embeddings.weight"))
    torch.testing.assert_close(rows[0][name], rows[1][name], rtol=1e-5, atol=1e-7)
