"""Training with the rows in use is the same training."""

from __future__ import annotations

import copy
import dataclasses
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from tests.conftest import short_run
from xltransfer.backends.func import Func
from xltransfer.data.batching import Batch
from xltransfer.encoders.layouts import LAYOUTS
from xltransfer.encoders.learner import Learner, layer_factors
from xltransfer.encoders.vocabulary import CompactVocabulary
from xltransfer.methods.base import Trainee
from xltransfer.methods.metaxl import MetaXL
from xltransfer.methods.updater import Updater
from xltransfer.rtns.mlp import MLP
from xltransfer.tasks.ner import NER
from xltransfer.testing.models import HIDDEN, LABELS, VOCABULARY, small_model
from xltransfer.testing.problems import small_inputs

USED = [1, 3, 4, 7, 11, 12, 20, 39]


def batch(seed: int) -> Batch:
    """Four sentences, one of them padded, of the tokens in `USED`."""
    torch.manual_seed(seed)
    inputs = small_inputs(4)
    tokens = torch.tensor([token for token in USED if token != 1])
    drawn = tokens[torch.randint(len(tokens), inputs["input_ids"].shape)]
    inputs["input_ids"] = torch.where(inputs["attention_mask"].bool(), drawn, 1)
    return Batch(inputs, torch.randint(0, LABELS, (4, 7)), torch.zeros(4))


def trained(learner: Learner, vocabulary: CompactVocabulary | None, settings: dict[str, Any]) -> Trainee:
    """After three steps of MetaXL in float64, dropout on."""
    torch.manual_seed(3)
    rtn = MLP(HIDDEN).double()
    settings = {"lr": 0.05, "warmup": 0.0, "total_steps": 4, **settings}
    factors = layer_factors(learner, settings.pop("layer_decay", 1.0))
    theta, phi = Updater(learner, factors=factors, **settings), Updater(rtn, **settings)
    trainee = Trainee(learner, rtn, theta, phi, NER(), Func(), nullcontext)
    for step in range(3):
        source, target = batch(10 * step), batch(10 * step + 1)
        if vocabulary is not None:
            for part in (source, target):
                part.inputs["input_ids"] = vocabulary.to_reduced_ids(part.inputs["input_ids"])
        MetaXL().step(trainee, source, target, 8 * step)
    return trainee


@pytest.mark.parametrize("settings", [
    {"optimizer": "adamw", "weight_decay": 0.1, "clip": 1.0},
    {"optimizer": "adam", "weight_decay": 0.0, "clip": 0.0},
    {"optimizer": "adamw", "weight_decay": 0.1, "clip": 1.0, "layer_decay": 0.8},
], ids=["adamw", "adam", "by layer"])  # fmt: skip
@pytest.mark.parametrize("model_type", sorted(LAYOUTS))
def test_three_steps_end_where_those_of_the_whole_vocabulary_do(model_type: str, settings: dict[str, Any]) -> None:
    whole = Learner(small_model(model_type).double(), (1,))
    compact = copy.deepcopy(whole)
    before = copy.deepcopy(whole.state_dict())
    vocabulary = CompactVocabulary.reduce_if_worthwhile(compact, USED)
    assert vocabulary is not None
    assert len(vocabulary) == len(USED)
    one, other = trained(whole, None, settings), trained(compact, vocabulary, settings)
    with vocabulary.whole(other.theta.decay):
        for name, value in whole.state_dict().items():
            torch.testing.assert_close(compact.state_dict()[name], value, rtol=1e-9, atol=1e-12)
            assert settings["weight_decay"] == 0 or value.dim() == 0 or not torch.equal(value, before[name])
    for name, value in one.rtn.state_dict().items():
        torch.testing.assert_close(other.rtn.state_dict()[name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model_type", sorted(LAYOUTS))
def test_logits_are_the_same_bit_for_bit(model_type: str) -> None:
    learner = Learner(small_model(model_type).double().eval(), (1,))
    inputs = batch(0).inputs
    wanted = learner(inputs)
    vocabulary = CompactVocabulary(learner, USED)
    assert learner.model.get_input_embeddings().num_embeddings == len(USED)
    assert torch.equal(learner({**inputs, "input_ids": vocabulary.to_reduced_ids(inputs["input_ids"])}), wanted)
    with vocabulary.whole():
        assert torch.equal(learner(inputs), wanted)
    vocabulary.restore()
    assert learner.model.get_input_embeddings().num_embeddings == VOCABULARY


def test_frozen_rows_stay_frozen() -> None:
    learner = Learner(small_model("bert"), (1,))
    learner.model.get_input_embeddings().weight.requires_grad_(False)
    CompactVocabulary(learner, USED)
    assert not learner.model.get_input_embeddings().weight.requires_grad


def test_left_alone_where_it_does_not_pay_or_would_not_be_exact(tmp_path: Any) -> None:
    learner = Learner(small_model("bert"), (1,))
    assert CompactVocabulary.reduce_if_worthwhile(learner, range(VOCABULARY)) is None
    assert CompactVocabulary.reduce_if_worthwhile(learner, USED) is not None
    tied = Learner(small_model("bert", "AutoModelForMaskedLM"), (1,))
    assert CompactVocabulary.reduce_if_worthwhile(tied, USED) is None
    moving = {"optimizer": "adam", "weight_decay": 0.1}
    one, other = (short_run(tmp_path / choice, vocabulary=choice, **moving) for choice in ("auto", "full"))
    assert dataclasses.asdict(one.test) == dataclasses.asdict(other.test)


@pytest.mark.slow
def test_a_run_ends_with_the_same_scores(tmp_path: Any) -> None:
    one, other = (short_run(tmp_path / choice, vocabulary=choice, weight_decay=0.01) for choice in ("auto", "full"))
    assert one.test == other.test
    assert one.dev == other.dev
