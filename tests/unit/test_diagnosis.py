"""What a run logs of its gradients and of φ's movement, against independent computations in float64."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.resuming import tiny
from xltransfer.data.batching import Collator
from xltransfer.methods.updater import Updater
from xltransfer.training.diagnosis import gradient_cosine
from xltransfer.training.preparation import PreparedRun, prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.run import run
from xltransfer.training.state import TrainingState


def prepared(method: str, **changes: object) -> tuple[PreparedRun, TrainingState]:
    made = prepare(tiny(Path("unused"), method=method, **changes), Reporter())
    made.learner.double().eval()
    made.rtn.double().eval()
    return made, TrainingState(made)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("method", ["joint", "metaxl", "joint-rtn"])
def test_the_cosine_is_that_of_two_backward_passes(method: str, accumulate: int) -> None:
    made, state = prepared(method, accumulate=accumulate, vocabulary="full", rtn_options={"init": "released"})
    collate = Collator(made.encoder.padding)
    source, target = (collate(part.encoded[:8]) for part in (made.source, made.target))
    found = []
    for batch, rtn in ((source, made.rtn if made.method.uses_rtn else None), (target, None)):
        made.learner.zero_grad()
        torch.autograd.backward(made.task.loss(made.learner(batch.inputs, rtn), batch.labels))
        found.append(nn.utils.parameters_to_vector(
            [p.grad if p.grad is not None else torch.zeros_like(p) for p in made.learner.parameters()]))  # fmt: skip
    expected = torch.cosine_similarity(found[0], found[1], dim=0).item()
    assert gradient_cosine(made.method, state.trainee, source, target, 5) == pytest.approx(expected, rel=1e-9)
    assert abs(expected) < 0.999


def test_buffers_of_the_rtn_are_put_back() -> None:
    made, state = prepared("metaxl")
    made.rtn.register_buffer("calls", torch.zeros(()))
    made.rtn.register_forward_hook(lambda module, *_: module.get_buffer("calls").add_(1))
    batch = Collator(made.encoder.padding)(made.target.encoded[:4])
    batch = replace(batch, inputs={**batch.inputs, "input_ids": batch.inputs["input_ids"] % 4})
    assert gradient_cosine(made.method, state.trainee, batch, batch, 0) is not None
    assert made.rtn.get_buffer("calls") == 0


def test_a_batch_helps_itself_and_an_unsourced_method_has_no_cosine() -> None:
    made, state = prepared("joint")
    batch = Collator(made.encoder.padding)(made.target.encoded[:4])
    if state.vocabulary:
        batch = replace(
            batch, inputs={**batch.inputs, "input_ids": state.vocabulary.to_reduced_ids(batch.inputs["input_ids"])}
        )
    assert gradient_cosine(made.method, state.trainee, batch, batch, 0) == pytest.approx(1)
    made, state = prepared("target-only")
    assert gradient_cosine(made.method, state.trainee, batch, batch, 0) is None


def test_the_ratio_is_that_of_the_parameters_themselves() -> None:
    module = nn.Linear(4, 3).double()
    updater = Updater(module, optimizer="adamw", lr=0.1, weight_decay=0.1, warmup=0.0, clip=0.0, total_steps=3,
                      measured=True)  # fmt: skip
    assert updater.ratio is None
    for _ in range(2):
        before = nn.utils.parameters_to_vector(module.parameters()).detach().clone()
        updater.apply({name: torch.randn_like(parameter) for name, parameter in module.named_parameters()})
        after = nn.utils.parameters_to_vector(module.parameters()).detach()
        assert updater.ratio == pytest.approx(float((after - before).norm() / before.norm()), rel=1e-12)


def test_what_is_logged(tmp_path: Path) -> None:
    run(tiny(tmp_path / "run", diagnose=4))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "lr" in line]
    assert [line["step"] for line in steps if "gradient_cosine" in line] == [1, 5]
    assert all(0 < line["update_ratio"] < 1 and line["seconds"] > 0 for line in steps)
    assert all(-1 <= line["gradient_cosine"] <= 1 for line in steps if "gradient_cosine" in line)


@pytest.mark.slow
def test_looking_changes_nothing(tmp_path: Path) -> None:
    scores = [run(tiny(tmp_path / str(every), diagnose=every)).metrics for every in (0, 1)]
    weights = [(tmp_path / every / "model" / "model.safetensors").read_bytes() for every in ("0", "1")]
    assert weights[0] == weights[1]
    assert scores[0]["test"] == scores[1]["test"]
