"""`xlt analyze`: what it measures is in the run, and what cannot be is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import short_run
from tests.refusals import refused
from xltransfer.analysis.analyze import FILE, Settings, analyze
from xltransfer.analysis.distance import MEASURES
from xltransfer.analysis.projection import project
from xltransfer.analysis.vectors import KINDS, Setting, TokenChanges, effective_rank, sentence_vectors
from xltransfer.cli.main import status_of
from xltransfer.config import RunConfig
from xltransfer.data.batching import Collator
from xltransfer.rtns.mlp import MLP
from xltransfer.training.preparation import PreparedRun, prepare
from xltransfer.training.progress import Reporter

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_run(tmp_path_factory.mktemp("analysed") / "run").run_dir


@pytest.fixture(scope="module")
def found(run_dir: Path) -> dict[str, Any]:
    return analyze(run_dir, Settings(sentences=30, resamples=5))


def prepared(run_dir: Path) -> PreparedRun:
    return prepare(RunConfig.from_yaml(run_dir / "config.yaml"), Reporter())


def setting_of(run: PreparedRun, *layers: int) -> Setting:
    special = frozenset(run.encoder.tokenizer.all_special_ids)
    return Setting(layers, run.config.layer, Collator(run.encoder.padding), special, run.autocast)


def test_it_is_written_and_whole(run_dir: Path, found: dict[str, Any]) -> None:
    assert json.loads((run_dir / FILE).read_text()) == found
    assert (found["layers"], found["insertion"]) == ([2, 3, 4], [2])
    assert found["sentences"] == {"source": 30, "target": 20}
    for state in ("before", "after"):
        for pairs in found["distances"][state].values():
            assert tuple(pairs["source-target"]) == tuple(pairs["transformed-target"]) == MEASURES
            assert 0 <= pairs["source-transformed"]["cka"]["value"] <= 1 + 1e-6
        assert {len(points) for points in found["map"]["points"][state]["3"].values()} == {30, 20}
        assert set(found["rtn"][state]["2"]["tokens"]) == set(KINDS)
        assert all(0 < one["gate"] < 1 for one in found["rtn"][state]["2"]["tokens"].values())
    assert len(found["map"]["sentences"]["source"]) == 30


def test_before_is_the_encoder_as_loaded_and_after_as_trained(run_dir: Path, found: dict[str, Any]) -> None:
    """By passes of the plain models, their hidden states averaged by hand."""
    import transformers

    run = prepared(run_dir)
    rows = [one for one in run.source.encoded if not one.continues][:4]
    batch = Collator(run.encoder.padding)(rows)
    trained = transformers.AutoModelForTokenClassification.from_pretrained(run_dir / "model").eval()
    for model, learner in ((run.learner.model.eval(), run.learner), (trained, None)):
        with torch.no_grad():
            states = model.base_model(**batch.inputs, output_hidden_states=True).hidden_states
        if learner is None:
            run.learner.model.load_state_dict(trained.state_dict())
        vectors = sentence_vectors(run.learner, rows, setting_of(run, 2, 3, 4))
        for layer in (2, 3, 4):
            mask = batch.inputs["attention_mask"][..., None]
            expected = (states[layer] * mask).sum(1) / mask.sum(1)
            torch.testing.assert_close(vectors[layer], expected, rtol=1e-5, atol=1e-5)


def test_a_transformed_sentence_is_what_the_rtn_makes_of_it(run_dir: Path) -> None:
    run = prepared(run_dir)
    rows = [one for one in run.source.encoded if not one.continues][:4]
    told = {2: TokenChanges()}

    class Constant(MLP):
        def forward(self, hidden: torch.Tensor, mask: torch.Tensor, layer: int) -> torch.Tensor:
            return torch.full_like(hidden, 3.0)

    plain = sentence_vectors(run.learner, rows, setting_of(run, 2, 3))
    moved = sentence_vectors(run.learner, rows, setting_of(run, 2, 3), Constant(run.encoder.config.hidden_size), told)
    torch.testing.assert_close(moved[2], plain[2] + 3, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(moved[3], plain[3], atol=0.1)
    counts = [len(row.features["input_ids"]) for row in rows]
    kinds = torch.cat(told[2].kind)
    assert len(kinds) == sum(counts)
    assert int((kinds == KINDS.index("special")).sum()) == 2 * len(rows)
    assert int((kinds == KINDS.index("word start")).sum()) == sum(len(row.words) for row in rows)
    assert effective_rank(torch.cat(told[2].changes)) == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_a_mixing_rtn_is_shown_layer_by_layer(tmp_path: Path) -> None:
    options = {"mix": "softmax"}
    run = short_run(tmp_path / "run", rtn="multi", rtn_options=options, layer=[1, 3], encoder="tiny")
    found = analyze(run.run_dir, Settings(sentences=10, resamples=0))
    assert found["layers"] == [1, 2, 3, 4]
    assert set(found["rtn"]["after"]) == {"1", "3"}
    assert found["distances"]["after"]["3"]["source-target"]["hausdorff"]["low"] is None


@pytest.mark.slow
def test_a_run_without_an_rtn_has_two_sets(tmp_path: Path, capsys: Capture) -> None:
    run = short_run(tmp_path / "run", method="joint")
    capsys.readouterr()
    assert status_of(["analyze", str(run.run_dir), "--sentences", "10", "--resamples", "0", "--quiet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["distances"]["after"]["2"]) == ["source-target"]
    assert not found["rtn"]["after"]
    assert "map" not in found


def test_the_table(run_dir: Path, capsys: Capture) -> None:
    arguments = ["analyze", str(run_dir), "--sentences", "10", "--resamples", "0", "--quiet", "--projection", "tsne"]
    assert status_of(arguments) == 0
    printed = capsys.readouterr().out
    assert "transformed" in printed
    assert "effective rank" in printed


def test_one_map_for_all_sets() -> None:
    """pca: two directions of the fitted set, in which shifts of another set stay shifts."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(50, 5, generator=generator).double() * torch.tensor([5.0, 3, 0.1, 0.1, 0.1])
    shift = torch.tensor([10.0, 0, 0, 0, 0])
    placed, explained = project("pca", {"one": first, "other": first + shift}, ["one"])
    moved = placed["other"] - placed["one"]
    assert moved.std(0).max() < 1e-9
    assert abs(moved[0]).max() > 0.3
    assert explained is not None
    assert sum(explained) > 0.99


def test_tsne_places_all_sets_at_once() -> None:
    places_all_sets_at_once("tsne", 40)


@pytest.mark.slow
def test_umap_places_all_sets_at_once() -> None:
    """In a process of its own: numba compiles for half a minute what these few points do without in seconds."""
    code = "from tests.cli.test_analyze import places_all_sets_at_once; places_all_sets_at_once('umap', 12)"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], env=environment, check=True)


def places_all_sets_at_once(name: str, count: int) -> None:
    """The same map again, and sets that are far apart stay apart."""
    generator = torch.Generator().manual_seed(0)
    sets = {"one": torch.randn(count, 5, generator=generator), "other": torch.randn(count, 5, generator=generator) + 50}
    (placed, nothing), (again, _) = (project(name, sets, ["one"]) for _ in range(2))
    assert nothing is None
    for key in sets:
        assert (placed[key] == again[key]).all()
        assert placed[key].shape == (count, 2)
    middles = {key: points.mean(0) for key, points in placed.items()}
    for key, other in (("one", "other"), ("other", "one")):
        distances = {k: ((placed[key] - middle) ** 2).sum(1) for k, middle in middles.items()}
        assert (distances[key] < distances[other]).all()


@pytest.mark.parametrize(
    "rows, expected",
    [(torch.zeros(4, 3), 0), (torch.eye(5), 5), (torch.ones(7, 3), 1), (torch.tensor([[1.0, 0], [0, 1], [0, 0]]), 2)],
)
def test_effective_rank(rows: torch.Tensor, expected: float) -> None:
    assert effective_rank(rows) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--split", "all"], "split: received 'all'"),
        (["--projection", "isomap"], "projection: received 'isomap'"),
        (["--sentences", "1"], "sentences: received 1; allowed: 2 or more"),
        (["--resamples", "-1"], "resamples: received -1"),
        (["--device", "tpu"], "device: received 'tpu'"),
    ],
)
def test_bad_input(arguments: list[str], expected: str, run_dir: Path, capsys: Capture, empty_folder: Path) -> None:
    refused(capsys, ["analyze", str(run_dir), *arguments], expected)


def test_no_run(capsys: Capture, empty_folder: Path) -> None:
    refused(capsys, ["analyze", "nowhere"], "'nowhere' is not a finished run")
    (empty_folder / "half").mkdir()
    (empty_folder / "half" / "config.yaml").write_text("task: ner\n")
    refused(capsys, ["analyze", "half"], "'half' is not a finished run")


@pytest.mark.slow
def test_a_damaged_model_is_told_of(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = short_run(tmp_path / "run")
    (run.run_dir / "rtn" / "rtn.safetensors").write_bytes(b"nothing")
    refused(capsys, ["analyze", "run", "--quiet"], "has trained cannot be read")
    assert not (tmp_path / "run" / FILE).exists()
