"""A step on torch's `meta` device, which has no numbers: what asks for one, or mixes devices, fails.

On a GPU the host would wait there. The figures that a step reports are read at once, at its end, and are zeros here.
transformers itself asks in each pass whether a mask is all ones; that stays, and is answered here.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from transformers import masking_utils

import xltransfer.methods.base
import xltransfer.methods.metaxl
from tests.tiers import first_quick
from xltransfer.config import RunConfig
from xltransfer.data.batching import Batch, Collator
from xltransfer.registry import BACKENDS
from xltransfer.training.preparation import PreparedRun, prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.state import build_trainee

META = torch.device("meta")
EXACT = [name for name in BACKENDS.names() if name not in ("auto", "fd")]
"""`auto` times; `fd` scales its shift by a norm."""
CASES: list[dict[str, Any]] = [
    *({"method": "metaxl", "backend": name} for name in EXACT),
    {"method": "joint"},
    {"method": "metaxl", "method_options": {"order": "released", "theta_batch": "support"}},
    {"method": "metaxl", "rtn": "weights"},
    {"method": "metaxl", "rtn": "per-language"},
    {"method": "joint-rtn"},
    {"method": "target-only"},
    {"method": "joint", "accumulate": 2, "consistency": 1.0, "layer_decay": 0.8},
    {"method": "metaxl", "method_options": {"inner_step": "adam", "support_share": 0.3}},
    *({"method": "metaxl", "rtn": name} for name in ("multi", "lowrank", "transformer")),
]


def prepared(**changes: Any) -> PreparedRun:
    raw = {"source_size": 12, "target_size": 8, "batch_size": 6, "attention": "eager",
           "data_options": {"train": 20, "dev": 4, "test": 4}, **changes}  # fmt: skip
    return prepare(RunConfig.from_mapping(raw), Reporter())


def step_on_meta(run: PreparedRun) -> dict[str, float]:
    run.learner.to(META)
    run.rtn.to(META)
    trainee = build_trainee(run, 10)
    collate = Collator(run.encoder.padding)
    source, target = (collate(part.encoded[:6]).to(META) for part in (run.source, run.target))
    run.learner.train()
    return run.method.step(trainee, source, target, 0)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often a step reads figures."""
    times: list[int] = []

    def zeros(found: dict[str, torch.Tensor]) -> dict[str, float]:
        assert {value.device for value in found.values()} == {META}
        times.append(len(found))
        return dict.fromkeys(found, 0.0)

    for module in (xltransfer.methods.base, xltransfer.methods.metaxl):
        monkeypatch.setattr(module, "read_figures", zeros)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which torch has not for this device
    monkeypatch.setattr(masking_utils, "_ignore_bidirectional_mask_sdpa", lambda *_, **__: False)
    return times


@pytest.mark.parametrize("changes", first_quick(CASES, 3), ids=str)
def test_a_step_reads_its_figures_and_nothing_else(changes: dict[str, Any], read: list[int]) -> None:
    figures = step_on_meta(prepared(**changes))
    released = changes.get("method_options", {}).get("order") == "released"
    assert len(read) == (2 if released else 1)
    assert "grad_norm" in figures


def test_what_asks_for_a_number_in_a_step_fails(monkeypatch: pytest.MonkeyPatch, read: list[int]) -> None:
    run = prepared(method="joint")
    monkeypatch.setattr(Batch, "weight", property(lambda batch: int((batch.labels != -100).sum())))
    assert step_on_meta(run)
    run = prepared(method="joint", accumulate=2)
    with pytest.raises(RuntimeError, match="meta"):
        step_on_meta(run)
    assert len(read) == 1
