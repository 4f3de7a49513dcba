"""`xlt analyze` on a run whose RTN weighs source losses."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from markupsafe import escape

from tests.conftest import short_run
from xltransfer.analysis.analyze import Settings, analyze
from xltransfer.analysis.weights import QUANTILES, sentence_weights, summary
from xltransfer.cli.main import status_of
from xltransfer.config import RunConfig
from xltransfer.data.batching import IGNORED, Collator
from xltransfer.data.examples import content
from xltransfer.training.preparation import EncodedSet, PreparedRun, prepare
from xltransfer.training.progress import Reporter


def prepared(run_dir: Path) -> PreparedRun:
    """With the weighing network moved away from weights of 1."""
    run = prepare(RunConfig.from_yaml(run_dir / "config.yaml"), Reporter())
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in run.rtn.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return run


def by_hand(run: PreparedRun, part: EncodedSet) -> list[float]:
    """Sentence by sentence, from the hidden states of the plain model at layer 2: their own weights averaged."""
    found, net = [], run.rtn.get_submodule("net")
    run.learner.eval()
    for one in part.encoded:
        batch = Collator(run.encoder.padding)([one])
        with torch.no_grad():
            states = run.learner.model.base_model(**batch.inputs, output_hidden_states=True).hidden_states[2]
            weights = 2 * net(states)[0, :, 0].sigmoid()
        found.append(weights[batch.labels[0] != IGNORED].mean().item())
    return found


@pytest.mark.slow
def test_they_are_those_of_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = short_run(tmp_path / "run", rtn="weights").run_dir
    run = prepared(run_dir)
    part = EncodedSet(run.source.examples[:7], run.source.encoded[:7])
    found = sentence_weights(run, part)
    assert found.tolist() == pytest.approx(by_hand(run, part), rel=1e-5)
    told = summary(found, part)
    assert told["mean"] == pytest.approx(sum(found.tolist()) / 7)
    assert told["quantiles"]["0.5"] == sorted(found.tolist())[3]
    most = max(range(7), key=lambda row: found[row])
    assert told["most"][0] == {"weight": found[most].item(), "sentence": content(part.examples[most])}
    assert told["least"][0]["weight"] == found.min().item()
    assert len(told["most"]) == len(told["least"]) == 5

    analysed = analyze(run_dir, Settings(sentences=20, resamples=0))["weights"]
    assert analysed["before"]["mean"] == 1
    assert analysed["after"]["mean"] != 1
    assert list(analysed["after"]["quantiles"]) == [f"{share:g}" for share in QUANTILES]
    capsys.readouterr()
    assert status_of(["analyze", str(run_dir), "--sentences", "10", "--resamples", "0", "--quiet"]) == 0
    assert "weights of source sentences: mean" in capsys.readouterr().out
    assert status_of(["report", str(run_dir)]) == 0
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    assert "Weights of source sentences" in page
    assert escape(analysed["after"]["most"][0]["sentence"]) in page


@pytest.mark.slow
def test_of_a_mixture_they_are_mixed_and_a_sentence_without_labels_has_none(tmp_path: Path) -> None:
    options: dict[str, Any] = {"inner": "multi", "inner.mix": "softmax", "by": "both"}
    run = prepared(short_run(tmp_path / "run", rtn="weights", rtn_options=options, layer=[1, 3]).run_dir)
    encoded = list(run.source.encoded[:3])
    encoded[1] = dataclasses.replace(encoded[1], labels=[IGNORED] * len(encoded[1].features["input_ids"]))
    part = EncodedSet(run.source.examples[:3], encoded)
    found = sentence_weights(run, part)
    assert math.isnan(found[1])
    assert ((found[[0, 2]] > 0) & (found[[0, 2]] < 2)).all()
    assert len(summary(found, part)["most"]) == 2
